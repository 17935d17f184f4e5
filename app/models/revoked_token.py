"""Access tokens of clients that act for themselves, revoked one by one."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class RevokedToken(Base):
    """A revoked ``jti``. A user's tokens need none: their login is ended instead."""

    __tablename__ = "revoked_tokens"

    token_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """When the token is over anyway, and with it this row."""
