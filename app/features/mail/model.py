"""The tables of e-mail."""

import uuid
from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Mail(Base):
    """A mail that waits to be sent; in development without a mail server, also one that is shown.

    One that was sent or given up is deleted: the audit trail says what became of it.
    """

    __tablename__ = "mails"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[uuid.UUID | None]
    """Whom it concerns. No reference: what a mail tells may be that they were deleted."""
    sealed: Mapped[str] = mapped_column(Text)
    """To whom and what, encrypted: it may hold a link that is as good as a password."""
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it is to be tried. Whoever tries it moves this behind their lease; None if it is only
    shown."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """After which it is of no use to anybody."""
    attempts: Mapped[int] = mapped_column(default=0)
