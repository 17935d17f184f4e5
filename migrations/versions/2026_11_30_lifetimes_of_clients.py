"""How long the tokens of a client are good, where it is not as long as the settings say."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

COLUMNS = ("access_token_ttl", "id_token_ttl", "refresh_token_ttl")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("clients", sa.Column(name, sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("clients", name)
