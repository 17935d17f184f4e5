"""Resources: what access tokens can be for (RFC 8707)."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId

IDENTIFIER_MAX_LENGTH = 255


class RegisteredResource(Base):
    """An API that takes access tokens, by the URI that names it."""

    __tablename__ = "resources"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    identifier: Mapped[str] = mapped_column(String(IDENTIFIER_MAX_LENGTH), unique=True)
    """As it was registered: the ``aud`` of its tokens."""
    normal_form: Mapped[str] = mapped_column(String(IDENTIFIER_MAX_LENGTH + 1), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    server_id: Mapped[str | None] = mapped_column(
        ForeignKey("clients.client_id", ondelete="SET NULL"), index=True
    )
    """The client that serves it, and may introspect its tokens."""
    self_registered: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether clients that registered themselves may have tokens for it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ResourceScope(Base):
    """A scope that a resource understands. One without any takes every scope."""

    __tablename__ = "resource_scopes"

    resource_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True
    )
    scope: Mapped[str] = mapped_column(ForeignKey("scopes.name"), primary_key=True, index=True)


class ResourceClient(Base):
    """A client that may ask for tokens for a resource."""

    __tablename__ = "resource_clients"

    resource_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("resources.id", ondelete="CASCADE"), primary_key=True
    )
    client_id: Mapped[ClientId] = mapped_column(primary_key=True, index=True)
