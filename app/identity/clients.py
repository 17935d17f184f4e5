"""Clients as the protocol sees them, found quickly."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.identity.scopes import SPEAK_OF_A_USER
from app.models import Client, ClientScope, ClientSecret
from app.security.jwt import Algorithm
from app.security.opaque import matches
from app.settings import Settings

UNUSED_FOR_A_DAY = timedelta(days=1)
"""After which a client that registered itself is forgotten if nobody has logged in through it."""

KEPT_AFTER_LOGIN = timedelta(days=90)
"""For which it is kept after somebody has."""

DEFAULT_PORTS = {"http": 80, "https": 443}


class UnknownClientError(Exception):
    """A client cannot be made known. The text is for a person, who reads it as a heading."""


@dataclass(frozen=True)
class StoredSecret:
    """The hash of a client secret, and until when it is good."""

    secret_hash: str
    expires_at: datetime | None


@dataclass(frozen=True)
class RegisteredClient:
    """A client as the protocol sees it (RFC 6749, section 2)."""

    client_id: str
    name: str
    is_public: bool
    grant_types: frozenset[str]
    auth_methods: frozenset[str]
    scopes: frozenset[str]
    default_scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    id_token_alg: Algorithm
    id_token_claims: bool
    require_pkce: bool
    introspect: str
    enabled: bool
    self_registered: bool
    """Nobody here has checked what it says of itself."""
    security_stamp: str
    secrets: tuple[StoredSecret, ...]
    access_token_ttl: int | None = None
    id_token_ttl: int | None = None
    refresh_token_ttl: int | None = None

    @property
    def described_at(self) -> str:
        """The URL of the document in which it says what it is; empty if it has none."""
        return self.client_id if self.self_registered and "://" in self.client_id else ""

    @cached_property
    def for_itself(self) -> "RegisteredClient":
        """The client without the scopes that speak of a user, as it is when it acts for itself."""
        return replace(
            self,
            scopes=self.scopes.difference(SPEAK_OF_A_USER),
            default_scopes=tuple(s for s in self.default_scopes if s not in SPEAK_OF_A_USER),
        )

    def lifetimes(self, settings: Settings) -> "Lifetimes":
        """How long what it is issued is good: never longer than the settings say."""
        return Lifetimes(
            access_token=_shorter(self.access_token_ttl, settings.access_token_ttl),
            id_token=_shorter(self.id_token_ttl, settings.id_token_ttl),
            refresh_token=_shorter(self.refresh_token_ttl, settings.refresh_token_ttl),
        )

    def has_secret(self, secret: str, now: datetime) -> bool:
        """Whether ``secret`` is one of the client's, compared in constant time."""
        good = [
            stored.secret_hash
            for stored in self.secrets
            if stored.expires_at is None or now < stored.expires_at
        ]
        return matches(secret, good)


@dataclass(frozen=True)
class Lifetimes:
    """How long tokens are good, in seconds; a refresh token's is that of its whole family."""

    access_token: int
    id_token: int
    refresh_token: int


def _shorter(of_client: int | None, of_server: int) -> int:
    return of_server if of_client is None else min(of_client, of_server)


class Clients:
    """The clients of the database, as of a moment ago."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._recent: Recent[str, RegisteredClient | None] = Recent(self._load, clock)
        self._origins: Recent[str, frozenset[str]] = Recent(self._load_origins, clock)

    async def _load(self, client_id: str) -> RegisteredClient | None:
        async with self._database.read() as connection:
            return await find_client(connection, client_id)

    async def find(self, client_id: str) -> RegisteredClient | None:
        """The enabled client of that id, at most two seconds old, or None."""
        client = await self._recent.get(client_id)
        return client if client is not None and client.enabled else None

    def forget(self, client_id: str) -> None:
        """Look anew for a client that this very worker has changed."""
        self._recent.forget(client_id)

    async def _load_origins(self, _key: str) -> frozenset[str]:
        async with self._database.read() as connection:
            registered = await connection.scalars(
                select(Client.redirect_uris).where(Client.is_public, Client.disabled_at.is_(None))
            )
            origins = {web_origin(uri) for uris in registered for uri in uris}
        return frozenset(origin for origin in origins if origin is not None)

    async def browser_origins(self) -> frozenset[str]:
        """The origins of the redirect URIs of public clients: where their pages run."""
        return await self._origins.get("all")


def web_origin(uri: str) -> str | None:
    """The origin of a page at ``uri``, as browsers write it (RFC 6454, section 6.2).

    None for the private scheme of an application, which has no pages.
    """
    parts = urlsplit(uri)
    if parts.scheme not in DEFAULT_PORTS or parts.hostname is None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


async def find_client(connection: AsyncConnection, client_id: str) -> RegisteredClient | None:
    """The client of that id, enabled or not, or None."""
    row = (
        await connection.execute(
            select(
                Client.client_id,
                Client.name,
                Client.is_public,
                Client.grant_types,
                Client.auth_methods,
                Client.redirect_uris,
                Client.post_logout_redirect_uris,
                Client.id_token_alg,
                Client.id_token_claims,
                Client.require_pkce,
                Client.introspect,
                Client.access_token_ttl,
                Client.id_token_ttl,
                Client.refresh_token_ttl,
                Client.disabled_at,
                Client.unused_after,
                Client.security_stamp,
            ).where(Client.client_id == client_id)
        )
    ).one_or_none()
    if row is None:
        return None
    scopes = (
        await connection.execute(
            select(ClientScope.scope, ClientScope.is_default)
            .where(ClientScope.client_id == client_id)
            .order_by(ClientScope.scope)
        )
    ).all()
    secrets = await connection.execute(
        select(ClientSecret.secret_hash, ClientSecret.expires_at).where(
            ClientSecret.client_id == client_id
        )
    )
    return RegisteredClient(
        client_id=row.client_id,
        name=row.name,
        is_public=row.is_public,
        grant_types=frozenset(row.grant_types),
        auth_methods=frozenset(row.auth_methods),
        scopes=frozenset(scope.scope for scope in scopes),
        default_scopes=tuple(scope.scope for scope in scopes if scope.is_default),
        redirect_uris=tuple(row.redirect_uris),
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
        id_token_alg=cast(Algorithm, row.id_token_alg),
        id_token_claims=row.id_token_claims,
        require_pkce=row.require_pkce,
        introspect=row.introspect,
        enabled=row.disabled_at is None,
        self_registered=row.unused_after is not None,
        security_stamp=row.security_stamp,
        secrets=tuple(StoredSecret(**secret) for secret in secrets.mappings()),
        access_token_ttl=row.access_token_ttl,
        id_token_ttl=row.id_token_ttl,
        refresh_token_ttl=row.refresh_token_ttl,
    )


async def is_unchanged(connection: AsyncConnection, client: RegisteredClient) -> bool:
    """Whether a client that was found a moment ago is still enabled, under the same security stamp.

    It then stays so until the transaction ends: whoever disables or deletes it waits. Its scopes
    may have changed: they do not belong to the stamp.
    """
    stored = select(Client.security_stamp).where(
        Client.client_id == client.client_id, Client.disabled_at.is_(None)
    )
    stamp = await connection.scalar(stored.with_for_update(read=True, key_share=True))
    return stamp == client.security_stamp


async def keep_for_a_while(connection: AsyncConnection, client_id: str, now: datetime) -> None:
    """Note that somebody logs in through a client that registered itself: once a day is enough."""
    until = now + KEPT_AFTER_LOGIN
    await connection.execute(
        update(Client)
        .where(Client.client_id == client_id, Client.unused_after < until - timedelta(days=1))
        .values(unused_after=until)
    )


async def hold_client(connection: AsyncConnection, client_id: str) -> None:
    """Keep a client as it is until the transaction ends: it acts for itself, or loses a token."""
    held = select(Client.client_id).where(Client.client_id == client_id)
    await connection.execute(held.with_for_update(key_share=True))


async def find_client_names(
    connection: AsyncConnection, client_ids: Collection[str]
) -> Mapping[str, str]:
    """The names of those clients that are there, by their ids."""
    named = select(Client.client_id, Client.name).where(Client.client_id.in_(client_ids))
    return {row.client_id: row.name for row in await connection.execute(named)}
