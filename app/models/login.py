"""Logins: the row behind a token's ``sid``."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId, UserId, of_present


class Login(Base):
    """One user's login through one client, and everything issued from it.

    A token is alive only while its login is: ending the login ends them all at once.
    """

    __tablename__ = "logins"
    __table_args__ = (
        Index(None, "user_id", "created_at", "id"),
        of_present("logins", "session_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[UserId]
    client_id: Mapped[ClientId] = mapped_column(index=True)
    session_id: Mapped[uuid.UUID | None]
    """The browser session that it came through, where a feature has any; None for the password
    grant."""
    auth_time: Mapped[datetime | None]
    """When that session's user logged in: what an ID token says."""
    amr: Mapped[list[str]] = mapped_column(JSON, default=["pwd"], server_default='["pwd"]')
    """With what the user logged in, by the names of RFC 8176."""
    scope: Mapped[str] = mapped_column(Text)
    """What was granted at the start; a refresh can never exceed it."""
    resources: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    """What its tokens can be for (RFC 8707); empty as for a login that named nothing."""
    id_token_claims: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Claims that the parameter ``claims`` asked to have in ID tokens."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the last token that this login can have ends."""
    ended_at: Mapped[datetime | None]
    address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(255))
