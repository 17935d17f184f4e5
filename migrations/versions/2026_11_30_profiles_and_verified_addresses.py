"""More of a user's profile, addresses that only one account has verified, claims of ID tokens."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

BATCH = 1000

PROFILE = {"name": 255, "given_name": 255, "family_name": 255, "picture": 2048, "locale": 35}

users = sa.table(
    "users",
    sa.column("id", sa.Uuid),
    sa.column("email", sa.String),
    sa.column("email_key", sa.String),
    sa.column("email_verified", sa.Boolean),
    sa.column("created_at", sa.DateTime(timezone=True)),
)

FILL_IN = """
UPDATE users SET email_key =
    substring(normalize(email, NFKC) FROM '^(.*)@[^@]*$')
    || '@' || lower(substring(normalize(email, NFKC) FROM '@([^@]*)$'))
WHERE email IS NOT NULL
"""


def upgrade() -> None:
    for name, length in PROFILE.items():
        op.add_column("users", sa.Column(name, sa.String(length=length), nullable=True))
    op.add_column("users", sa.Column("email_key", sa.String(length=1024), nullable=True))
    if op.get_context().as_sql:
        op.execute(FILL_IN)
        op.execute(leave_one_verified())
    else:
        _fill_in(op.get_bind())
        op.get_bind().execute(leave_one_verified())
    op.create_index(
        "uq_users_verified_email_key",
        "users",
        ["email_key"],
        unique=True,
        sqlite_where=sa.text("email_verified"),
        postgresql_where=sa.text("email_verified"),
    )
    op.add_column(
        "clients",
        sa.Column("id_token_claims", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    for table in ("authorization_codes", "logins"):
        op.add_column(
            table, sa.Column("id_token_claims", sa.JSON(none_as_null=True), nullable=True)
        )


def _key(email: str) -> str:
    local, _, domain = unicodedata.normalize("NFKC", email).rpartition("@")
    return f"{local}@{unicodedata.normalize('NFKC', domain.casefold())}"


def _fill_in(connection: sa.Connection) -> None:
    batch = (
        sa.select(users.c.id, users.c.email)
        .where(users.c.email.is_not(None))
        .order_by(users.c.id)
        .limit(BATCH)
    )
    rows = connection.execute(batch).all()
    while rows:
        connection.execute(
            sa.update(users)
            .where(users.c.id == sa.bindparam("row"))
            .values(email_key=sa.bindparam("key")),
            [{"row": row.id, "key": _key(row.email)} for row in rows],
        )
        rows = connection.execute(batch.where(users.c.id > rows[-1].id)).all()


def leave_one_verified() -> sa.Update:
    """Where several accounts had an address verified, the oldest keeps it."""
    older = users.alias()
    has_older = sa.exists().where(
        older.c.email_key == users.c.email_key,
        older.c.email_verified,
        sa.or_(
            older.c.created_at < users.c.created_at,
            sa.and_(older.c.created_at == users.c.created_at, older.c.id < users.c.id),
        ),
    )
    return sa.update(users).where(users.c.email_verified, has_older).values(email_verified=False)


def downgrade() -> None:
    for table in ("logins", "authorization_codes"):
        op.drop_column(table, "id_token_claims")
    op.drop_column("clients", "id_token_claims")
    op.drop_index("uq_users_verified_email_key", "users")
    op.drop_column("users", "email_key")
    for name in reversed(PROFILE):
        op.drop_column("users", name)
