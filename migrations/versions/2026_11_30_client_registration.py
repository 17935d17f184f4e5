"""Clients that register themselves (RFC 7591), and how long they are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("clients", sa.Column("unused_after", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_clients_unused_after"), "clients", ["unused_after"])
    op.add_column(
        "resources",
        sa.Column("self_registered", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_table(
        "self_registrations",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("network_hash", sa.String(length=64), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_self_registrations_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_self_registrations")),
    )
    op.create_index(
        op.f("ix_self_registrations_network_hash_registered_at"),
        "self_registrations",
        ["network_hash", "registered_at"],
    )
    op.create_table(
        "registration_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_registration_tokens_token_hash")),
    )
    op.create_index(
        op.f("ix_registration_tokens_expires_at"), "registration_tokens", ["expires_at"]
    )


def downgrade() -> None:
    # Nobody would know any more that they were not registered by an operator.
    op.execute(
        "UPDATE clients SET disabled_at = CURRENT_TIMESTAMP"
        " WHERE unused_after IS NOT NULL AND disabled_at IS NULL"
    )
    op.drop_table("registration_tokens")
    op.drop_table("self_registrations")
    op.drop_column("resources", "self_registered")
    op.drop_index(op.f("ix_clients_unused_after"), table_name="clients")
    op.drop_column("clients", "unused_after")
