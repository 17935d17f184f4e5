"""An index with which the audit trail is read by who did it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_audit_events_actor_at_id"), "audit_events", ["actor", "at", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_events_actor_at_id"), "audit_events")
