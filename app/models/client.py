"""Applications that ask for tokens (RFC 6749, section 2)."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ClientId, by_state, generate_stamp


class Client(Base):
    """A client. Public when it has no secret by nature; the lists hold the words of the RFCs."""

    __tablename__ = "clients"
    __table_args__ = by_state("clients", "client_id")

    client_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    is_public: Mapped[bool]
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    auth_methods: Mapped[list[str]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    id_token_alg: Mapped[str] = mapped_column(String(16), default="RS256")
    id_token_claims: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its ID tokens have the claims that its scopes permit, and not ``/userinfo`` alone."""
    short_schemes: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its redirect URIs may have a scheme that is no reversed domain name."""
    require_pkce: Mapped[bool] = mapped_column(default=True)
    introspect: Mapped[str] = mapped_column(String(8), default="own")
    """Whose access tokens it may introspect: ``own`` or ``any``."""
    access_token_ttl: Mapped[int | None]
    id_token_ttl: Mapped[int | None]
    refresh_token_ttl: Mapped[int | None]
    """Seconds, at most those of the settings, which hold where there is none."""
    every_scope: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it is given each scope that is added, and does not keep one from being deleted."""
    security_stamp: Mapped[str] = mapped_column(
        String(16), default=generate_stamp, server_default=""
    )
    """What the ``jti`` of its own access tokens begins with: with another one they are void."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    unused_after: Mapped[datetime | None] = mapped_column(index=True)
    """When a client that registered itself is deleted, unless it is used; None for all others."""


class ClientSecret(Base):
    """A secret of a confidential client, as its hash. Two are valid while one is rotated out."""

    __tablename__ = "client_secrets"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    client_id: Mapped[ClientId] = mapped_column(index=True)
    secret_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class ClientScope(Base):
    """A scope that a client may ask for, and whether it gets it without asking."""

    __tablename__ = "client_scopes"

    client_id: Mapped[ClientId] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(ForeignKey("scopes.name"), primary_key=True, index=True)
    is_default: Mapped[bool] = mapped_column(default=False)
