"""By what users have their scopes: given to them, or by a feature such as groups."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLE = "user_scopes"


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _copy_on_sqlite(with_via=True)
        return
    op.drop_constraint(op.f("pk_user_scopes"), TABLE, type_="primary")
    op.add_column(TABLE, sa.Column("via", sa.String(length=32), server_default="", nullable=False))
    op.create_primary_key(op.f("pk_user_scopes"), TABLE, ["user_id", "scope", "via"])


def downgrade() -> None:
    op.execute("DELETE FROM user_scopes WHERE via <> ''")
    if op.get_context().dialect.name == "sqlite":
        _copy_on_sqlite(with_via=False)
        return
    op.drop_constraint(op.f("pk_user_scopes"), TABLE, type_="primary")
    op.drop_column(TABLE, "via")
    op.create_primary_key(op.f("pk_user_scopes"), TABLE, ["user_id", "scope"])


def _copy_on_sqlite(*, with_via: bool) -> None:
    """SQLite cannot change a primary key."""
    op.execute("ALTER TABLE user_scopes RENAME TO user_scopes_before")
    op.drop_index(op.f("ix_user_scopes_scope"), "user_scopes_before")
    via = [sa.Column("via", sa.String(length=32), server_default="", nullable=False)]
    key = ["user_id", "scope", "via"] if with_via else ["user_id", "scope"]
    op.create_table(
        TABLE,
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=128), nullable=False),
        *(via if with_via else []),
        sa.ForeignKeyConstraint(
            ["scope"], ["scopes.name"], name=op.f("fk_user_scopes_scope_scopes")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_scopes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_user_scopes")),
    )
    op.execute(
        "INSERT INTO user_scopes (user_id, scope) SELECT user_id, scope FROM user_scopes_before"
    )
    op.drop_table("user_scopes_before")
    op.create_index(op.f("ix_user_scopes_scope"), TABLE, ["scope"])
