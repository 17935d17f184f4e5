"""Refresh tokens, as their hashes (RFC 6749, section 10.4)."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, of_present


class RefreshToken(Base):
    """One link in the chain of a login's refresh tokens; the login is their family.

    A used one stays until the family has expired: presenting it again is how theft shows.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (of_present("refresh_tokens", "parent_hash"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    login_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("logins.id", ondelete="CASCADE"), index=True
    )
    parent_hash: Mapped[str | None] = mapped_column(String(64))
    """The token that this one replaced."""
    issued_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    successors: Mapped[int] = mapped_column(default=0)
    """How many tokens replaced it: more than one only within the grace period."""
