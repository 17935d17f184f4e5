"""Links and codes in mails, which prove who reads the mail of an address."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_proofs",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("security_stamp", sa.String(length=16), nullable=True),
        sa.Column("code_mac", sa.String(length=64), nullable=True),
        sa.Column("tries_left", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_mail_proofs_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_mail_proofs")),
    )
    op.create_index(op.f("ix_mail_proofs_expires_at"), "mail_proofs", ["expires_at"])
    op.create_index(
        "ix_mail_proofs_user_id_purpose_created_at",
        "mail_proofs",
        ["user_id", "purpose", "created_at"],
    )
    op.create_index(
        "ix_mail_proofs_email_hash_purpose_created_at",
        "mail_proofs",
        ["email_hash", "purpose", "created_at"],
    )


def downgrade() -> None:
    op.drop_table("mail_proofs")
