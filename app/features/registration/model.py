"""The tables of registration."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Invitation(Base):
    """A link with which somebody makes an account: sent by whoever manages users, or asked for."""

    __tablename__ = "invitations"
    __table_args__ = (
        Index("ix_invitations_email_hash_created_at", "email_hash", "created_at"),
        Index("ix_invitations_created_at_id", "created_at", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str | None] = mapped_column(String(320))
    """Where the link was sent, and nowhere else; whoever uses it has the address verified."""
    email_hash: Mapped[str | None] = mapped_column(String(64))
    made_by: Mapped[str | None] = mapped_column(String(255))
    """As in the audit trail; None if somebody asked for it."""
    maker: Mapped[str | None] = mapped_column(String(8))
    """Whether that is a user, a client, or the operator."""
    browser_hash: Mapped[str | None] = mapped_column(String(64))
    """Of the browser in which it was asked for: there alone the request goes on."""
    request_key: Mapped[str | None] = mapped_column(String(64))
    """Of the authorization request that was waiting in that browser."""
    scopes: Mapped[str] = mapped_column(Text)
    """What whoever uses it gets, if it still exists and the maker still has it."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    """When it was used or revoked, or a newer one took its place."""
    user_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    """Who made an account with it."""
