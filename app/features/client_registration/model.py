"""Clients that registered themselves, and the tokens that let them (RFC 7591)."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId


class SelfRegistration(Base):
    """How a client registered itself: by a request, or by the document at the URL that names it."""

    __tablename__ = "self_registrations"

    client_id: Mapped[ClientId] = mapped_column(primary_key=True)
    token_hash: Mapped[str | None] = mapped_column(String(64))
    """Of the registration access token (RFC 7592, section 3); None for a document."""
    told: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What it said of itself that only it and people read (RFC 7591, section 2)."""
    registered_at: Mapped[datetime]
    fresh_until: Mapped[datetime | None]
    """Until when the document need not be read again."""


class RegistrationToken(Base):
    """An initial access token (RFC 7591, section 3), as its hash."""

    __tablename__ = "registration_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    uses_left: Mapped[int | None]
    """None for any number."""
