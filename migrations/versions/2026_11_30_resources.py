"""Resources: what tokens, codes and consents are for (RFC 8707)."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCOPES = {
    "resources:read": "See the resources that tokens can be for",
    "resources:write": "Add, change and delete resources",
}


def upgrade() -> None:
    op.create_table(
        "resources",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("identifier", sa.String(length=255), nullable=False),
        sa.Column("normal_form", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("server_id", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["clients.client_id"],
            name=op.f("fk_resources_server_id_clients"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resources")),
        sa.UniqueConstraint("identifier", name=op.f("uq_resources_identifier")),
        sa.UniqueConstraint("normal_form", name=op.f("uq_resources_normal_form")),
    )
    op.create_index(op.f("ix_resources_server_id"), "resources", ["server_id"])
    op.create_table(
        "resource_scopes",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["resources.id"],
            name=op.f("fk_resource_scopes_resource_id_resources"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["scope"], ["scopes.name"], name=op.f("fk_resource_scopes_scope_scopes")
        ),
        sa.PrimaryKeyConstraint("resource_id", "scope", name=op.f("pk_resource_scopes")),
    )
    op.create_index(op.f("ix_resource_scopes_scope"), "resource_scopes", ["scope"])
    op.create_table(
        "resource_clients",
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_resource_clients_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["resource_id"],
            ["resources.id"],
            name=op.f("fk_resource_clients_resource_id_resources"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("resource_id", "client_id", name=op.f("pk_resource_clients")),
    )
    op.create_index(op.f("ix_resource_clients_client_id"), "resource_clients", ["client_id"])
    for table in ("logins", "authorization_codes"):
        op.add_column(table, sa.Column("resources", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column(
        "consents",
        sa.Column("resource", sa.String(length=255), nullable=False, server_default=""),
    )
    _set_key_of_consents("user_id", "client_id", "scope", "resource")
    _add_scopes()


def downgrade() -> None:
    op.execute("DELETE FROM consents WHERE resource <> ''")
    _set_key_of_consents("user_id", "client_id", "scope")
    for table, column in (
        ("consents", "resource"),
        ("authorization_codes", "resources"),
        ("logins", "resources"),
    ):
        op.drop_column(table, column)
    op.drop_table("resource_clients")
    op.drop_table("resource_scopes")
    op.drop_table("resources")
    for table, column in (
        ("user_scopes", "scope"),
        ("client_scopes", "scope"),
        ("consents", "scope"),
        ("scopes", "name"),
    ):
        named = sa.column(column)
        op.execute(sa.delete(sa.table(table, named)).where(named.in_(list(SCOPES))))


def _set_key_of_consents(*columns: str) -> None:
    with op.batch_alter_table("consents") as consents:
        consents.drop_constraint(op.f("pk_consents"), type_="primary")
        consents.create_primary_key(op.f("pk_consents"), list(columns))


def _add_scopes() -> None:
    """Whoever manages scopes has each that is added, and so have clients with every scope."""
    for name, description in SCOPES.items():
        scope = {"name": name, "description": description}
        op.execute(
            sa.text(
                "INSERT INTO scopes (name, description, created_at)"
                " SELECT :name, :description, CURRENT_TIMESTAMP"
                " WHERE NOT EXISTS (SELECT 1 FROM scopes WHERE name = :name)"
            ).bindparams(**scope)
        )
        op.execute(
            sa.text(
                "INSERT INTO user_scopes (user_id, scope) SELECT user_id, :name"
                " FROM user_scopes AS managing WHERE scope = 'scopes:write' AND NOT EXISTS"
                " (SELECT 1 FROM user_scopes AS had"
                " WHERE had.user_id = managing.user_id AND had.scope = :name)"
            ).bindparams(name=name)
        )
        op.execute(
            sa.text(
                "INSERT INTO client_scopes (client_id, scope, is_default)"
                " SELECT client_id, :name, false FROM clients WHERE (every_scope OR EXISTS"
                " (SELECT 1 FROM client_scopes AS managing WHERE"
                " managing.client_id = clients.client_id AND managing.scope = 'scopes:write'))"
                " AND NOT EXISTS (SELECT 1 FROM client_scopes AS had"
                " WHERE had.client_id = clients.client_id AND had.scope = :name)"
            ).bindparams(name=name)
        )
