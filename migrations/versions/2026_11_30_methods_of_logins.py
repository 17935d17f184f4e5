"""What was shown at a login."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TABLES = ("browser_sessions", "logins")


def upgrade() -> None:
    for table in TABLES:
        column = sa.Column("amr", sa.JSON(), server_default='["pwd"]', nullable=False)
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(column)


def downgrade() -> None:
    for table in TABLES:
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column("amr")
