"""App passwords, and the logins that begin with them."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_passwords",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_app_passwords_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_app_passwords_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_passwords")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_app_passwords_secret_hash")),
    )
    op.create_index(op.f("ix_app_passwords_client_id"), "app_passwords", ["client_id"])
    op.create_index(op.f("ix_app_passwords_expires_at"), "app_passwords", ["expires_at"])
    op.create_index(op.f("ix_app_passwords_user_id"), "app_passwords", ["user_id"])

    op.create_table(
        "app_password_scopes",
        sa.Column("app_password_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_password_id"],
            ["app_passwords.id"],
            name=op.f("fk_app_password_scopes_app_password_id_app_passwords"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["scope"], ["scopes.name"], name=op.f("fk_app_password_scopes_scope_scopes")
        ),
        sa.PrimaryKeyConstraint("app_password_id", "scope", name=op.f("pk_app_password_scopes")),
    )
    op.create_index(op.f("ix_app_password_scopes_scope"), "app_password_scopes", ["scope"])

    op.create_table(
        "app_password_logins",
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("app_password_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_password_id"],
            ["app_passwords.id"],
            name=op.f("fk_app_password_logins_app_password_id_app_passwords"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["login_id"],
            ["logins.id"],
            name=op.f("fk_app_password_logins_login_id_logins"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("login_id", name=op.f("pk_app_password_logins")),
    )
    op.create_index(
        op.f("ix_app_password_logins_app_password_id"), "app_password_logins", ["app_password_id"]
    )


def downgrade() -> None:
    op.drop_table("app_password_logins")
    op.drop_table("app_password_scopes")
    op.drop_table("app_passwords")
