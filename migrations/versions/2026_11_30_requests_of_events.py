"""In which request an event of the audit trail was written."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("request_id", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_events", "request_id")
