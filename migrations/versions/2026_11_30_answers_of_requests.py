"""What an authorization request was answered with, for a form that is sent twice."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending_authorizations", sa.Column("answer", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("pending_authorizations", "answer")
