"""Stamps that change when credentials do, and where pending authorization requests come from."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The stamp of what is there is empty, like that of the tokens that were issued before.
    for table in ("users", "clients"):
        op.add_column(
            table,
            sa.Column("security_stamp", sa.String(length=16), server_default="", nullable=False),
        )
    op.add_column(
        "pending_authorizations", sa.Column("network_hash", sa.String(length=64), nullable=True)
    )
    op.create_index(
        op.f("ix_pending_authorizations_network_hash_created_at"),
        "pending_authorizations",
        ["network_hash", "created_at"],
    )


def downgrade() -> None:
    op.drop_index(
        op.f("ix_pending_authorizations_network_hash_created_at"), "pending_authorizations"
    )
    op.drop_column("pending_authorizations", "network_hash")
    for table in ("clients", "users"):
        op.drop_column(table, "security_stamp")
