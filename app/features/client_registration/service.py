"""Keeping clients that registered themselves: how many, from where, and for how long."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, Origin, network_of, record
from app.database.engines import lock
from app.errors import InvalidTokenError, TemporarilyUnavailableError
from app.features.authorization_code.model import AuthorizationCode
from app.features.client_registration.model import SelfRegistration
from app.features.client_registration.statement import Statement
from app.identity.clients import UNUSED_FOR_A_DAY
from app.identity.registration import set_client_scopes
from app.identity.resources import Resources
from app.identity.scopes import ABOUT_THE_USER, list_scopes
from app.models import AuditEvent, Client, ClientScope, Login
from app.security.opaque import generate_secret, hash_secret
from app.settings import Settings

REGISTERED = FeatureEventType("client.registered")
REREGISTERED = FeatureEventType("client.reregistered")
UNREGISTERED = FeatureEventType("client.unregistered")

MOST_FROM_ONE_NETWORK = 20
"""Clients that register from one network within an hour."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Registered:
    """A client that registered itself, and what it may use to manage that."""

    client_id: str
    name: str
    redirect_uris: Sequence[str]
    grant_types: Sequence[str]
    scopes: Sequence[str]
    told: Mapping[str, Any]
    registered_at: datetime
    token: str = field(repr=False)


async def permitted_scopes(connection: AsyncConnection, resources: Resources) -> frozenset[str]:
    """What clients that registered themselves may ask for. Users are asked in any case."""
    known = await list_scopes(connection)
    about_user = [scope for scope in ABOUT_THE_USER if scope in known]
    return frozenset(about_user) | await resources.find_open_scopes(connection)


async def require_room(
    connection: AsyncConnection, settings: Settings, origin: Origin, now: datetime
) -> None:
    """Let one more register.

    They stand in line until the transaction ends. Raises :class:`TemporarilyUnavailableError` for
    too many, in all or within an hour from one network; of the latter those count that have been
    deleted since.
    """
    await lock(connection, "client registration")
    recent = (
        select(AuditEvent.address, func.count())
        .where(AuditEvent.type == REGISTERED, AuditEvent.at > now - _HOUR)
        .group_by(AuditEvent.address)
    )
    network = network_of(origin.address)
    counts = await connection.execute(recent)
    if sum(n for address, n in counts if network_of(address) == network) >= MOST_FROM_ONE_NETWORK:
        raise TemporarilyUnavailableError(
            told="Too many clients have registered from your network. Try again in an hour.",
            status=429,
        )
    every = await connection.scalar(select(func.count()).select_from(SelfRegistration)) or 0
    if every >= settings.client_registration_limit:
        raise TemporarilyUnavailableError(told="No more clients can register at the moment.")


async def add(
    connection: AsyncConnection,
    statement: Statement,
    resources: Resources,
    *,
    client_id: str,
    name: str,
    origin: Origin,
    now: datetime,
    token_hash: str | None = None,
    fresh_until: datetime | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Register a client."""
    await connection.execute(
        insert(Client).values(
            client_id=client_id,
            is_public=True,
            auth_methods=["none"],
            post_logout_redirect_uris=[],
            unused_after=now + UNUSED_FOR_A_DAY,
            created_at=now,
            **_columns(statement, name, now),
        )
    )
    await connection.execute(
        insert(SelfRegistration).values(
            client_id=client_id,
            token_hash=token_hash,
            told=statement.told,
            registered_at=now,
            fresh_until=fresh_until,
        )
    )
    await _set_scopes(connection, statement, resources, client_id)
    await _note(connection, REGISTERED, client_id, statement, name, origin, now, details)


async def replace(
    connection: AsyncConnection,
    statement: Statement,
    resources: Resources,
    *,
    client_id: str,
    name: str,
    origin: Origin,
    now: datetime,
    fresh_until: datetime | None = None,
) -> None:
    """Let a client say something else of itself."""
    before = (
        await connection.execute(
            select(Client.name, Client.redirect_uris, Client.grant_types).where(
                Client.client_id == client_id
            )
        )
    ).one()
    values = _columns(statement, name, now)
    await connection.execute(update(Client).where(Client.client_id == client_id).values(values))
    await connection.execute(
        update(SelfRegistration)
        .where(SelfRegistration.client_id == client_id)
        .values(told=statement.told, fresh_until=fresh_until)
    )
    await _set_scopes(connection, statement, resources, client_id)
    if any(values[name] != value for name, value in before._mapping.items()):
        await _note(connection, REREGISTERED, client_id, statement, name, origin, now)


async def remove(
    connection: AsyncConnection, client_id: str, origin: Origin, now: datetime
) -> None:
    """Forget a client; every login through it ends with it (RFC 7592, section 2.3)."""
    await connection.execute(
        select(Client.client_id).where(Client.client_id == client_id).with_for_update()
    )
    for table in (Login, AuthorizationCode):
        await connection.execute(delete(table).where(table.client_id == client_id))
    await connection.execute(delete(Client).where(Client.client_id == client_id))
    event = Event(type=UNREGISTERED, actor=client_id, client_id=client_id, origin=origin)
    await record(connection, now, event)


def _columns(statement: Statement, name: str, now: datetime) -> dict[str, Any]:
    return {
        "name": name,
        "redirect_uris": list(dict.fromkeys(statement.redirect_uris)),
        "grant_types": statement.granted_types,
        "updated_at": now,
    }


async def _set_scopes(
    connection: AsyncConnection, statement: Statement, resources: Resources, client_id: str
) -> None:
    allowed = await permitted_scopes(connection, resources)
    await set_client_scopes(connection, client_id, allowed, statement.default_scopes(allowed))


async def _note(
    connection: AsyncConnection,
    kind: FeatureEventType,
    client_id: str,
    statement: Statement,
    name: str,
    origin: Origin,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    event = Event(
        type=kind,
        actor=client_id,
        client_id=client_id,
        origin=origin,
        details={"name": name, "redirect_uris": statement.redirect_uris, **(details or {})},
    )
    await record(connection, now, event)


async def find_registered(connection: AsyncConnection, client_id: str, token: str) -> Registered:
    """The client that registered itself with that id, for whoever has its token.

    Raises :class:`InvalidTokenError` for any other (RFC 7592, section 2).
    """
    row = (
        await connection.execute(
            select(
                Client.client_id,
                Client.name,
                Client.redirect_uris,
                Client.grant_types,
                SelfRegistration.told,
                SelfRegistration.registered_at,
                SelfRegistration.token_hash,
            )
            .join_from(SelfRegistration, Client, Client.client_id == SelfRegistration.client_id)
            .where(SelfRegistration.client_id == client_id, Client.disabled_at.is_(None))
        )
    ).one_or_none()
    known = "" if row is None or row.token_hash is None else row.token_hash
    if not hmac.compare_digest(known, hash_secret(token)) or row is None:
        raise InvalidTokenError(reason="not the registration access token of that client")
    scopes = await connection.scalars(
        select(ClientScope.scope)
        .where(ClientScope.client_id == client_id, ClientScope.is_default)
        .order_by(ClientScope.scope)
    )
    return Registered(
        client_id=row.client_id,
        name=row.name,
        redirect_uris=row.redirect_uris,
        grant_types=row.grant_types,
        scopes=scopes.all(),
        told=row.told,
        registered_at=row.registered_at,
        token=token,
    )


def new_client_id() -> str:
    """An id that nobody guesses, and that has no form that means anything."""
    return generate_secret()[:22]
