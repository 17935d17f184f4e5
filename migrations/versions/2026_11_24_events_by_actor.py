"""Indexes with which the audit trail is read by who did it, and through which client."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_audit_events_actor_at_id"), "audit_events", ["actor", "at", "id"])
    op.create_index(
        op.f("ix_audit_events_actor_client_id_at_id"),
        "audit_events",
        ["actor", "client_id", "at", "id"],
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_events_actor_client_id_at_id"), "audit_events")
    op.drop_index(op.f("ix_audit_events_actor_at_id"), "audit_events")
