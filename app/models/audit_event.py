"""The audit trail: what happened, when, to whom, and who did it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class AuditEvent(Base):
    """Something that happened. Rows are only ever added, and deleted when they are old.

    It refers to users and clients by their ids without foreign keys: it outlives them.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "user_id", "at", "id"),
        Index(None, "user_id", "type", "at", "id"),
        Index(None, "client_id", "at", "id"),
        Index(None, "client_id", "type", "at", "id"),
        Index(None, "type", "at", "id"),
        Index(None, "actor", "at", "id"),
        Index(None, "actor", "client_id", "at", "id"),
        Index(None, "user_id", "client_id", "at", "id"),
    )

    # SQLite counts up by itself only in a column that is called INTEGER.
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(64))
    actor: Mapped[str | None] = mapped_column(String(255))
    """The ``sub`` of who did it, or ``operator`` for the command line; None for a stranger."""
    user_id: Mapped[str | None] = mapped_column(String(36))
    client_id: Mapped[str | None] = mapped_column(String(255))
    address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(32))
    """What the lines of the log about the same request have; None at the command line."""
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
