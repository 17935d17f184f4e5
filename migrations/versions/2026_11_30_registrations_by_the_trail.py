"""Self-registrations are counted in the audit trail, which also has those that are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
contracts = "used by no release"

_INDEX = "ix_self_registrations_network_hash_registered_at"


def upgrade() -> None:
    op.drop_index(op.f(_INDEX), "self_registrations")
    op.drop_column("self_registrations", "network_hash")


def downgrade() -> None:
    op.add_column(
        "self_registrations",
        sa.Column("network_hash", sa.String(length=64), nullable=False, server_default=""),
    )
    op.create_index(op.f(_INDEX), "self_registrations", ["network_hash", "registered_at"])
