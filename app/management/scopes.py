"""Managing scopes: what the API under ``/scopes`` and ``latchkey scopes`` do."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.database.engines import insert_new
from app.errors import ConflictError, ForbiddenError, InvalidError
from app.identity.names import has_unseen
from app.identity.scopes import SCOPE_TOKEN, get_scope, list_scopes
from app.login.endings import end_with_scope
from app.management.authority import Actor
from app.management.clients import get_client
from app.models import Client, ClientScope, Scope, User, UserScope

MANAGEMENT = "scopes:write"
"""Holders of this scope get every scope that is added, so none is beyond the others' reach."""


async def create_scope(actor: Actor, *, name: str, description: str) -> None:
    """Add a scope, which every user and client that manages scopes then has.

    So do the clients that have every scope. Raises :class:`InvalidError` or
    :class:`ConflictError`.
    """
    if not SCOPE_TOKEN.fullmatch(name) or len(name) > 128:
        raise InvalidError(
            told='a scope must have 1 to 128 printable ASCII characters, with no space, " or \\'
        )
    _check_description(description)
    connection = actor.connection
    if name in await list_scopes(connection):
        raise ConflictError(told=f"the scope {name} already exists")
    await insert_new(
        connection,
        f"the scope {name} already exists",
        insert(Scope).values(name=name, description=description, created_at=actor.now),
    )
    await actor.record("scope.created", scope=name, description=description)
    holders = await _find_holders(connection)
    if holders.users:
        rows: list[dict[str, Any]] = [{"user_id": each, "scope": name} for each in holders.users]
        await connection.execute(insert(UserScope), rows)
    if holders.clients:
        rows = [{"client_id": each, "scope": name} for each in holders.clients]
        await connection.execute(insert(ClientScope), rows)
    await _note_holders(actor, holders, added=[name])


async def describe_scope(actor: Actor, name: str, description: str) -> None:
    """Give a scope another description.

    One has the scope oneself: else somebody could make a great permission sound small. Raises
    :class:`NotFoundError`, :class:`ForbiddenError` or :class:`InvalidError`.
    """
    connection = actor.connection
    before = await get_scope(connection, name)
    actor.require_over([name])
    _check_description(description)
    if description != before:
        await connection.execute(
            update(Scope).where(Scope.name == name).values(description=description)
        )
        await actor.record("scope.changed", scope=name, description=description)


async def delete_scope(
    actor: Actor,
    name: str,
    *,
    built_in: Collection[str],
    holders: Mapping[str, InstrumentedAttribute[str]],
) -> None:
    """Delete a scope that nobody was given by hand; who has it automatically loses it.

    ``built_in`` are never deleted. ``holders`` are the columns of what else can have a scope.

    Whoever deletes a scope must have it: they could create it again, and have it then.
    Raises :class:`NotFoundError`, :class:`ForbiddenError` or :class:`ConflictError`.
    """
    connection = actor.connection
    await get_scope(connection, name)
    if name in built_in:
        raise ConflictError(
            told="This scope is built in and cannot be deleted: the server itself requires it."
        )
    if actor.scopes is not None and name not in actor.scopes:
        raise ForbiddenError(told="You can only delete a scope that you have yourself.")
    able = await _find_holders(connection)
    of_user = (UserScope.scope == name) & (UserScope.via == "") & UserScope.user_id.in_(able.users)
    of_client = (ClientScope.scope == name) & ClientScope.client_id.in_(able.clients)
    users = delete(UserScope).where(of_user).returning(UserScope.user_id)
    clients = delete(ClientScope).where(of_client).returning(ClientScope.client_id)
    losers = _Holders(
        (await connection.scalars(users)).all(), (await connection.scalars(clients)).all()
    )
    others = {  # what users have by one of the holders, they have no longer after it
        **holders,
        "users": UserScope.scope,
        "clients": ClientScope.scope,
    }
    for plural, column in others.items():
        if await connection.scalar(select(exists().where(column == name))):
            raise ConflictError(told=f"{plural} have the scope {name}: remove it from them first")
    await end_with_scope(connection, name)
    await connection.execute(delete(Scope).where(Scope.name == name))
    await _note_holders(actor, losers, removed=[name])
    await actor.record("scope.deleted", scope=name)


def _check_description(description: str) -> None:
    if not description.strip() or len(description) > 255:
        raise InvalidError(told="a scope description must have 1 to 255 characters")
    if has_unseen(description):
        raise InvalidError(told="a scope description cannot contain control characters")


@dataclass(frozen=True)
class _Holders:
    users: Sequence[uuid.UUID]
    clients: Sequence[str]


async def _find_holders(connection: AsyncConnection) -> _Holders:
    """Those who have each scope that is added. Whoever manages does so one after the other."""
    given = (UserScope.scope == MANAGEMENT) & (UserScope.via == "")
    users = select(UserScope.user_id).where(given)
    manages = exists().where(
        ClientScope.client_id == Client.client_id, ClientScope.scope == MANAGEMENT
    )
    clients = select(Client.client_id).where(or_(Client.every_scope, manages))
    return _Holders(
        (await connection.scalars(users)).all(), (await connection.scalars(clients)).all()
    )


async def _note_holders(
    actor: Actor,
    holders: _Holders,
    *,
    added: Sequence[str] = (),
    removed: Sequence[str] = (),
) -> None:
    """Write down how users and clients were changed by the way: they have another version."""
    connection, now = actor.connection, actor.now
    for user_id in holders.users:
        user = update(User).where(User.id == user_id)
        await connection.execute(user.values(updated_at=now))
        await actor.record(
            "user.changed", user_id=user_id, scopes_added=added, scopes_removed=removed
        )
    for client_id in holders.clients:
        client = update(Client).where(Client.client_id == client_id)
        await connection.execute(client.values(updated_at=now))
        scopes = (await get_client(connection, client_id)).scopes
        await actor.record("client.changed", client_id=client_id, scopes=scopes)
