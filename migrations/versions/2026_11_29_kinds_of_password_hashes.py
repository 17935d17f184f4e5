"""The kind of each password hash: its scheme and its cost."""

import sqlalchemy as sa
from alembic import op

from app.security.passwords import kind_of

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BATCH = 1000

users = sa.table(
    "users",
    sa.column("id", sa.Uuid),
    sa.column("password_hash", sa.String),
    sa.column("password_kind", sa.String),
)

FILL_IN = """
UPDATE users SET password_kind = CASE
    WHEN password_hash ~ '\\$2[abxy]\\$[0-9]{2}\\$[./A-Za-z0-9]{53}$'
    THEN 'bcrypt$rounds='
        || CAST(substring(password_hash FROM '\\$2[abxy]\\$([0-9]{2})') AS integer)
    WHEN password_hash ~ '\\$argon2id\\$v=19\\$m=[0-9]+,t=[0-9]+,p=[0-9]+\\$[^$]+\\$[^$]+$'
    THEN regexp_replace(
        password_hash,
        '^.*\\$m=([0-9]+),t=([0-9]+),p=([0-9]+)\\$.*$',
        'argon2$memory_cost=\\1,rounds=\\2,parallelism=\\3,type=id'
    )
END
WHERE password_hash IS NOT NULL
"""
"""What SQL can tell by itself: this server's own hashes, and the commonest of others'. The rest
become this server's own at their next login."""


def upgrade() -> None:
    op.add_column("users", sa.Column("password_kind", sa.String(length=64), nullable=True))
    if op.get_context().as_sql:
        op.execute(FILL_IN)
    else:
        _fill_in(op.get_bind())
    op.create_index(op.f("ix_users_password_kind"), "users", ["password_kind"])


def _fill_in(connection: sa.Connection) -> None:
    batch = sa.select(users.c.id, users.c.password_hash).order_by(users.c.id).limit(BATCH)
    rows = connection.execute(batch).all()
    while rows:
        known = [
            {"row": row.id, "kind": kind}
            for row in rows
            if row.password_hash is not None and (kind := kind_of(row.password_hash)) is not None
        ]
        if known:
            connection.execute(
                sa.update(users)
                .where(users.c.id == sa.bindparam("row"))
                .values(password_kind=sa.bindparam("kind")),
                known,
            )
        rows = connection.execute(batch.where(users.c.id > rows[-1].id)).all()


def downgrade() -> None:
    op.drop_index(op.f("ix_users_password_kind"), "users")
    op.drop_column("users", "password_kind")
