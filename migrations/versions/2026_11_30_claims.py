"""Claims of one's own, and the scopes of those who manage them."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCOPES = {
    "claims:read": "See all claims and their values",
    "claims:write": "Declare claims and change their values",
}


def upgrade() -> None:
    op.create_table(
        "declared_claims",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("scope", sa.String(length=128), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope"], ["scopes.name"], name=op.f("fk_declared_claims_scope_scopes")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_declared_claims")),
    )
    op.create_index(op.f("ix_declared_claims_scope"), "declared_claims", ["scope"])
    for table, key, holder, kind in (
        ("user_claims", "user_id", "users.id", sa.Uuid()),
        ("client_claims", "client_id", "clients.client_id", sa.String(length=255)),
    ):
        of = holder.partition(".")[0]
        op.create_table(
            table,
            sa.Column(key, kind, nullable=False),
            sa.Column("name", sa.String(length=128), nullable=False),
            sa.Column("value", sa.JSON(), nullable=False),
            sa.ForeignKeyConstraint(
                [key], [holder], name=op.f(f"fk_{table}_{key}_{of}"), ondelete="CASCADE"
            ),
            sa.ForeignKeyConstraint(
                ["name"],
                ["declared_claims.name"],
                name=op.f(f"fk_{table}_name_declared_claims"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint(key, "name", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_name"), table, ["name"])
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
    # The scopes stay: users, clients and keys may have them, and without claims they do nothing.
    op.drop_table("client_claims")
    op.drop_table("user_claims")
    op.drop_table("declared_claims")
