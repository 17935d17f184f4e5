"""Groups, and the scopes of those who manage them."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCOPES = {
    "groups": "See which groups you are in",
    "groups:read": "See all groups",
    "groups:write": "Create, change and delete groups",
}


def upgrade() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.id"],
            name=op.f("fk_group_members_group_id_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_group_members_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_user_id"), "group_members", ["user_id"])
    op.create_table(
        "group_scopes",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.id"],
            name=op.f("fk_group_scopes_group_id_groups"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["scope"], ["scopes.name"], name=op.f("fk_group_scopes_scope_scopes")
        ),
        sa.PrimaryKeyConstraint("group_id", "scope", name=op.f("pk_group_scopes")),
    )
    op.create_index(op.f("ix_group_scopes_scope"), "group_scopes", ["scope"])
    op.create_table(
        "group_clients",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_group_clients_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_clients_group_id_groups")
        ),
        sa.PrimaryKeyConstraint("group_id", "client_id", name=op.f("pk_group_clients")),
    )
    op.create_index(op.f("ix_group_clients_client_id"), "group_clients", ["client_id"])
    for name, description in SCOPES.items():
        _add_scope(name, description)


def _add_scope(name: str, description: str) -> None:
    """As `latchkey scopes create` would, unless somebody has."""
    scopes = sa.table("scopes", *map(sa.column, ("name", "description", "created_at")))
    users = sa.table("user_scopes", *map(sa.column, ("user_id", "scope", "via")))
    of_clients = sa.table("client_scopes", *map(sa.column, ("client_id", "scope", "is_default")))
    clients = sa.table("clients", *map(sa.column, ("client_id", "every_scope")))
    now = sa.literal(datetime.now(UTC), sa.DateTime(timezone=True))
    is_there = sa.exists().where(scopes.c.name == name).correlate(None)
    new = sa.select(sa.literal(name, sa.String), sa.literal(description, sa.String), now)
    op.execute(
        sa.insert(scopes).from_select(["name", "description", "created_at"], new.where(~is_there))
    )
    have = users.alias()
    managers = sa.select(users.c.user_id, sa.literal(name, sa.String)).where(
        users.c.scope == "scopes:write",
        users.c.via == "",
        ~sa.exists().where(have.c.user_id == users.c.user_id, have.c.scope == name),
    )
    op.execute(sa.insert(users).from_select(["user_id", "scope"], managers))
    others = of_clients.alias()
    manages = sa.exists().where(
        others.c.client_id == clients.c.client_id, others.c.scope == "scopes:write"
    )
    has_it = sa.exists().where(others.c.client_id == clients.c.client_id, others.c.scope == name)
    given = sa.select(clients.c.client_id, sa.literal(name, sa.String), sa.false()).where(
        sa.or_(clients.c.every_scope == sa.true(), manages), ~has_it
    )
    op.execute(sa.insert(of_clients).from_select(["client_id", "scope", "is_default"], given))


def downgrade() -> None:
    # The scopes stay: users, clients and keys may have them, and without groups they do nothing.
    op.execute("DELETE FROM user_scopes WHERE via = 'groups'")
    op.drop_table("group_clients")
    op.drop_table("group_scopes")
    op.drop_table("group_members")
    op.drop_table("groups")
