"""Indexes along which a user's logins and browser sessions are listed, newest first."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = ("logins", "browser_sessions")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(
            op.f(f"ix_{table}_user_id_created_at_id"), table, ["user_id", "created_at", "id"]
        )
        op.drop_index(op.f(f"ix_{table}_user_id"), table)


def downgrade() -> None:
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_user_id"), table, ["user_id"])
        op.drop_index(op.f(f"ix_{table}_user_id_created_at_id"), table)
