"""Indexes with which lists of users, of clients and of audit events take as long as they are deep.

Events are listed by time. Names of users are compared by their code points on PostgreSQL too, as
on SQLite: only then are those that begin alike one range of the index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OLD = (["at"], ["client_id", "id"], ["type", "id"], ["user_id", "id"])
NEW = (
    ["at", "id"],
    ["client_id", "at", "id"],
    ["client_id", "type", "at", "id"],
    ["type", "at", "id"],
    ["user_id", "at", "id"],
    ["user_id", "type", "at", "id"],
    # Last: of indexes that fit as well SQLite, which has no statistics, takes the newest.
    ["user_id", "client_id", "at", "id"],
)
STATES = {"enabled": sa.text("disabled_at IS NULL"), "disabled": sa.text("disabled_at IS NOT NULL")}


def _name(columns: list[str]) -> str:
    return op.f(f"ix_audit_events_{'_'.join(columns)}")


def upgrade() -> None:
    for columns in NEW:
        op.create_index(_name(columns), "audit_events", columns)
    for columns in OLD:
        op.drop_index(_name(columns), "audit_events")
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("users", "username_key", type_=sa.String(1024, "C"))
    for table, column in (("users", "username_key"), ("clients", "client_id")):
        for state, condition in STATES.items():
            op.create_index(
                f"ix_{table}_{state}",
                table,
                [column],
                sqlite_where=condition,
                postgresql_where=condition,
            )


def downgrade() -> None:
    for table in ("users", "clients"):
        for state in STATES:
            op.drop_index(f"ix_{table}_{state}", table)
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("users", "username_key", type_=sa.String(1024))
    for columns in OLD:
        op.create_index(_name(columns), "audit_events", columns)
    for columns in NEW:
        op.drop_index(_name(columns), "audit_events")
