"""What users have allowed to clients, and remembering it."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.features.authorization_code.model import AuthorizationCode, Consent
from app.identity.users import hold_user
from app.models import Client, Login


async def remembered_scopes(
    connection: AsyncConnection, user_id: uuid.UUID, client_id: str, resources: Collection[str]
) -> frozenset[str]:
    """The scopes that the user has allowed to the client at some time, for all ``resources``.

    Without any, what they have allowed to it when it named none.
    """
    wanted = set(resources) or {""}
    rows = await connection.execute(
        select(Consent.resource, Consent.scope).where(
            Consent.user_id == user_id, Consent.client_id == client_id, Consent.resource.in_(wanted)
        )
    )
    allowed: dict[str, set[str]] = {name: set() for name in wanted}
    for resource, scope in rows:
        allowed[resource].add(scope)
    return frozenset(set.intersection(*allowed.values()))


async def remember(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    client_id: str,
    scopes: Collection[str],
    resources: Collection[str],
    now: datetime,
) -> None:
    """Remember that the user allowed these scopes, beside those that they allowed before."""
    of_both = {"user_id": user_id, "client_id": client_id, "granted_at": now}
    allowed = [
        {**of_both, "scope": scope, "resource": resource}
        for scope in scopes
        for resource in set(resources) or {""}
    ]
    await connection.execute(
        insert_unless(connection, Consent).values(allowed).on_conflict_do_nothing()
    )


@dataclass(frozen=True)
class AllowedClient:
    """An application that a user has allowed something."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    since: datetime


async def list_allowed(connection: AsyncConnection, user_id: uuid.UUID) -> list[AllowedClient]:
    """The applications that the user has allowed something, by name."""
    rows = await connection.execute(
        select(
            Consent.client_id,
            Client.name,
            func.aggregate_strings(Consent.scope, " "),
            func.min(Consent.granted_at),
        )
        .join(Client, Client.client_id == Consent.client_id)
        .where(Consent.user_id == user_id)
        .group_by(Consent.client_id, Client.name)
        .order_by(Client.name, Consent.client_id)
    )
    return [
        AllowedClient(client_id, name, tuple(sorted(set(scopes.split()))), since)
        for client_id, name, scopes, since in rows
    ]


async def withdraw(
    connection: AsyncConnection, user_id: uuid.UUID, client_id: str, now: datetime
) -> bool:
    """Forget what the user allowed to the client; their logins and codes through it end.

    False if there was nothing to forget.
    """
    await hold_user(connection, user_id)
    forgotten = await connection.execute(
        delete(Consent)
        .where(Consent.user_id == user_id, Consent.client_id == client_id)
        .returning(Consent.scope)
    )
    if not forgotten.all():
        return False
    await connection.execute(
        update(Login)
        .where(Login.user_id == user_id, Login.client_id == client_id, Login.ended_at.is_(None))
        .values(ended_at=now)
    )
    await connection.execute(
        update(AuthorizationCode)
        .where(
            AuthorizationCode.user_id == user_id,
            AuthorizationCode.client_id == client_id,
            AuthorizationCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return True
