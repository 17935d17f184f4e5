"""Who was shown a secret that waits for its first code."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("totp_secrets", sa.Column("started_by", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("totp_secrets", "started_by")
