"""The table of password recovery."""

import uuid
from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class RecoveryRequest(Base):
    """Somebody asked for a new password, and no worker has looked yet whose it would be."""

    __tablename__ = "recovery_requests"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    """What was typed as a name, and from where, encrypted: it may be a password."""
    requested_at: Mapped[datetime] = mapped_column(index=True)
