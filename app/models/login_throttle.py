"""Failed logins, counted, and where users have logged in from."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class FailedLogins(Base):
    """How often logins failed for an account, or from an address; names only as hashes."""

    __tablename__ = "failed_logins"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    last_failed_at: Mapped[datetime] = mapped_column(index=True)


class KnownOrigin(Base):
    """An address from which an account has logged in: strangers' failures do not lock it out."""

    __tablename__ = "known_origins"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_login_at: Mapped[datetime] = mapped_column(index=True)
