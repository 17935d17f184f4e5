"""Failed logins, counted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failed_logins",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_failed_logins")),
    )
    op.create_index(op.f("ix_failed_logins_last_failed_at"), "failed_logins", ["last_failed_at"])
    op.create_table(
        "known_origins",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk_known_origins")),
    )
    op.create_index(op.f("ix_known_origins_last_login_at"), "known_origins", ["last_login_at"])


def downgrade() -> None:
    op.drop_table("known_origins")
    op.drop_table("failed_logins")
