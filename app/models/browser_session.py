"""People who are logged in with a browser at this server itself."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UserId


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
