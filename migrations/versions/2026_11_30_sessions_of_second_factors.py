"""Which browser session a login with a second factor began."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("mfa_challenges") as batch_op:
        batch_op.add_column(sa.Column("session_id", sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f("ix_mfa_challenges_session_id"), ["session_id"])
        batch_op.create_foreign_key(
            batch_op.f("fk_mfa_challenges_session_id_browser_sessions"),
            "browser_sessions",
            ["session_id"],
            ["id"],
            ondelete="SET NULL",
        )


def downgrade() -> None:
    with op.batch_alter_table("mfa_challenges") as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_mfa_challenges_session_id_browser_sessions"), type_="foreignkey"
        )
        batch_op.drop_index(batch_op.f("ix_mfa_challenges_session_id"))
        batch_op.drop_column("session_id")
