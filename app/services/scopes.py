"""Scopes (RFC 6749, section 3.3)."""

import re
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import delete, exists, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database import Database, insert_new
from app.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from app.models import ApiKeyScope, Client, ClientScope, Consent, Scope, UserScope
from app.recent import Recent
from app.services.names import has_unseen

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")

SPEAK_OF_A_USER = ("openid", "profile", "email", "offline_access", "account")
"""Never granted to a client that acts for itself; what a new user has unless told otherwise."""


class ScopeRefusedError(InvalidError):
    """A scope that cannot be given. Only the command line says which: no answer repeats input."""

    def __init__(self, detail: str, line: str, field: str = "scopes") -> None:
        """``detail`` is for an answer, ``line`` names the scope."""
        super().__init__(detail, field)
        self.args = (line,)
        self.line = line


class Scopes:
    """The scopes of the database, as of a moment ago."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._recent: Recent[str, Mapping[str, str]] = Recent(self._load, clock)

    async def _load(self, _key: str) -> Mapping[str, str]:
        async with self._database.read() as connection:
            return await list_scopes(connection)

    async def all(self) -> Mapping[str, str]:
        """Name and description of every scope, by name."""
        return await self._recent.get("all")


async def list_scopes(connection: AsyncConnection) -> Mapping[str, str]:
    """Name and description of every scope, by name."""
    rows = await connection.execute(select(Scope.name, Scope.description).order_by(Scope.name))
    return {row.name: row.description for row in rows}


async def list_some_scopes(
    connection: AsyncConnection, *, limit: int, after: str | None = None
) -> Mapping[str, str]:
    """At most ``limit`` scopes by name, beginning behind ``after``."""
    query = select(Scope.name, Scope.description).order_by(Scope.name).limit(limit)
    if after is not None:
        query = query.where(Scope.name > after)
    return {row.name: row.description for row in await connection.execute(query)}


async def get_scope(connection: AsyncConnection, name: str) -> str:
    """The description of a scope. Raises :class:`NotFoundError`."""
    known = await list_scopes(connection)
    if name not in known:
        raise NotFoundError(f"there is no scope {name!r}")
    return known[name]


async def create_scope(
    connection: AsyncConnection, *, name: str, description: str, now: datetime
) -> None:
    """Add a scope. Raises :class:`InvalidError` or :class:`ConflictError`."""
    if not SCOPE_TOKEN.fullmatch(name) or len(name) > 128:
        raise InvalidError('a scope has 1 to 128 printable ASCII characters, no space, " or \\')
    _check_description(description)
    if name in await list_scopes(connection):
        raise ConflictError(f"the scope {name} exists already")
    await insert_new(
        connection,
        f"the scope {name} exists already",
        insert(Scope).values(name=name, description=description, created_at=now),
    )
    followers = select(Client.client_id, literal(name), literal(False)).where(Client.every_scope)
    columns = (ClientScope.client_id, ClientScope.scope, ClientScope.is_default)
    await connection.execute(insert(ClientScope).from_select(columns, followers))


async def describe_scope(connection: AsyncConnection, name: str, description: str) -> None:
    """Give a scope another description. Raises :class:`InvalidError`."""
    _check_description(description)
    await connection.execute(
        update(Scope).where(Scope.name == name).values(description=description)
    )


def _check_description(description: str) -> None:
    if not description.strip() or len(description) > 255:
        raise InvalidError("a scope has a description of 1 to 255 characters")
    if has_unseen(description):
        raise InvalidError("a scope has no control characters in its description")


async def require_known(
    connection: AsyncConnection, names: Collection[str], field: str = "scopes"
) -> list[str]:
    """``names`` without repetitions.

    Raises :class:`InvalidError` for the ``field`` they come from if one is not a scope here.
    """
    known = await list_scopes(connection) if names else {}
    for name in names:
        if name not in known:
            raise ScopeRefusedError(
                "there is no scope of that name", f"there is no scope {name!r}", field
            )
    return list(dict.fromkeys(names))


async def give_to_creator(connection: AsyncConnection, subject: str, name: str) -> None:
    """Let the user or client that created a scope have it: else nobody could grant it."""
    user_id = _as_user_id(subject)
    if user_id is not None:
        values: dict[str, object] = {"user_id": user_id, "scope": name}
        await connection.execute(insert(UserScope), values)
    else:
        values = {"client_id": subject, "scope": name}
        await connection.execute(insert(ClientScope), values)


async def _take_from(connection: AsyncConnection, subject: str, name: str) -> bool:
    """Take a scope from the user or client that deletes it; False if they do not have it."""
    user_id = _as_user_id(subject)
    if user_id is not None:
        own = delete(UserScope).where(UserScope.user_id == user_id, UserScope.scope == name)
    else:
        own = delete(ClientScope).where(ClientScope.client_id == subject, ClientScope.scope == name)
    return (await connection.execute(own)).rowcount > 0


def _as_user_id(subject: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(subject)
    except ValueError:
        return None


async def delete_scope(connection: AsyncConnection, name: str, by: str | None = None) -> None:
    """Delete a scope that nobody has, but for the user or client ``by`` that deletes it.

    The clients that have every scope lose it as they got it: by themselves. Whoever deletes it
    must have it: they could make one that they lack anew, and have it then. Raises
    :class:`NotFoundError`, :class:`ForbiddenError` or :class:`ConflictError`.
    """
    await get_scope(connection, name)
    if by is not None and not await _take_from(connection, by, name):
        raise ForbiddenError("Nobody deletes a scope that they do not have.")
    followers = select(Client.client_id).where(Client.every_scope)
    await connection.execute(
        delete(ClientScope).where(ClientScope.scope == name, ClientScope.client_id.in_(followers))
    )
    holders = {
        "users": UserScope.scope,
        "clients": ClientScope.scope,
        "API keys": ApiKeyScope.scope,
    }
    for plural, column in holders.items():
        if await connection.scalar(select(exists().where(column == name))):
            raise ConflictError(f"{plural} have the scope {name}: take it from them first")
    await connection.execute(delete(Consent).where(Consent.scope == name))
    await connection.execute(delete(Scope).where(Scope.name == name))
