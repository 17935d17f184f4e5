"""Who is logged in with a browser, and the code flow between its first request and its tokens."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Login
from app.models.base import Base, ClientId, UserId


class BrowserSession(Base):
    """The row behind a session cookie. The cookie holds a secret, this only its hash."""

    __tablename__ = "browser_sessions"
    __table_args__ = (Index(None, "user_id", "created_at", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[UserId]
    created_at: Mapped[datetime]
    """When the user logged in: the ``auth_time`` of what is issued through this session."""
    amr: Mapped[list[str]] = mapped_column(JSON, default=["pwd"], server_default='["pwd"]')
    """With what, by the names of RFC 8176."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(255))


# A login that came through a session goes on without it.
Login.__table__.c.session_id.append_foreign_key(ForeignKey(BrowserSession.id, ondelete="SET NULL"))


class PendingAuthorization(Base):
    """An authorization request while its user logs in and consents.

    It is validated once and kept here; the browser holds nothing but the key to it.
    """

    __tablename__ = "pending_authorizations"
    __table_args__ = (Index(None, "network_hash", "created_at"),)

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[ClientId] = mapped_column(index=True)
    network_hash: Mapped[str | None] = mapped_column(String(64))
    """Where it came from: how many wait from one network is bounded."""
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    answer: Mapped[str | None] = mapped_column(Text)
    """What it was answered with, encrypted under its key: for whoever sends the last form twice."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AuthorizationCode(Base):
    """An authorization code, as its hash. A used one stays until it has expired."""

    __tablename__ = "authorization_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[ClientId] = mapped_column(index=True)
    user_id: Mapped[UserId] = mapped_column(index=True)
    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("browser_sessions.id", ondelete="CASCADE"), index=True
    )
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    """As it was in the request; None if the request had none."""
    scope: Mapped[str] = mapped_column(Text)
    resources: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    """What its tokens can be for (RFC 8707)."""
    code_challenge: Mapped[str | None] = mapped_column(String(43))
    nonce: Mapped[str | None] = mapped_column(Text)
    id_token_claims: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    login_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("logins.id", ondelete="CASCADE"), index=True
    )
    """What the first use issued, to be ended by a second."""


class Consent(Base):
    """A scope that a user has allowed to a client, for what they were told that it is for."""

    __tablename__ = "consents"

    user_id: Mapped[UserId] = mapped_column(primary_key=True)
    client_id: Mapped[ClientId] = mapped_column(primary_key=True, index=True)
    scope: Mapped[str] = mapped_column(String(128), primary_key=True)
    resource: Mapped[str] = mapped_column(String(255), primary_key=True, server_default="")
    """Empty where the client named none."""
    granted_at: Mapped[datetime]
