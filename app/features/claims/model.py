"""Claims that an operator declares, and their values."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId, UserId


class DeclaredClaim(Base):
    """A claim: what its values are, which scope brings it, and into what."""

    __tablename__ = "declared_claims"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    type: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str] = mapped_column(ForeignKey("scopes.name"), index=True)
    places: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]


class UserClaim(Base):
    """What a claim says of a user."""

    __tablename__ = "user_claims"

    user_id: Mapped[UserId] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(
        ForeignKey("declared_claims.name", ondelete="CASCADE"), primary_key=True, index=True
    )
    value: Mapped[Any] = mapped_column(JSON)


class ClientClaim(Base):
    """What a claim says in whatever a client is issued, unless it says something of the user."""

    __tablename__ = "client_claims"

    client_id: Mapped[ClientId] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(
        ForeignKey("declared_claims.name", ondelete="CASCADE"), primary_key=True, index=True
    )
    value: Mapped[Any] = mapped_column(JSON)


Holder = uuid.UUID | str
"""Whom a value is about: a user by id, or a client by its."""
