"""What a server does by itself from time to time, and which worker is at it."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Chore(Base):
    """A task that one worker at a time does, of all that share the database."""

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    due_at: Mapped[datetime]
    held_until: Mapped[datetime]
    """Until then a worker is at it, unless it has ended without a word."""
    done_at: Mapped[datetime | None]
