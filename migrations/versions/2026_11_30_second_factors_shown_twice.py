"""What used up a login that waited for a second factor."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

COLUMNS = {"used_at": sa.DateTime(timezone=True), "shown_hash": sa.String(length=64)}


def upgrade() -> None:
    with op.batch_alter_table("mfa_challenges") as batch_op:
        for name, kind in COLUMNS.items():
            batch_op.add_column(sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("mfa_challenges") as batch_op:
        for name in COLUMNS:
            batch_op.drop_column(name)
