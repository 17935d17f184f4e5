"""Clients that have every scope, also those that are still to come."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    every_scope = sa.Column("every_scope", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("clients", every_scope)


def downgrade() -> None:
    op.drop_column("clients", "every_scope")
