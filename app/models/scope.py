"""What a token can permit (RFC 6749, section 3.3)."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Scope(Base):
    """A scope, with the sentence that people read when they are asked to allow it."""

    __tablename__ = "scopes"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    description: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
