"""Scopes (RFC 6749, section 3.3)."""

import re
from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.errors import InvalidError, NotFoundError
from app.message import Message
from app.models import Scope

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")

ABOUT_THE_USER = ("openid", "profile", "email", "offline_access")
"""What any client that registered itself may be granted here: to know the user, not to act."""

SPEAK_OF_A_USER = (*ABOUT_THE_USER, "account")
"""Never granted to a client that acts for itself; what a new user has unless told otherwise."""


BUILT_IN = frozenset(
    {
        *SPEAK_OF_A_USER,
        *("users:read", "users:write"),
        *("clients:read", "clients:write"),
        *("scopes:read", "scopes:write"),
        "audit:read",
    }
)
"""What the routes of the core ask for; each feature has its own."""


class ScopeRefusedError(InvalidError):
    """A scope that cannot be given. Only the command line says which: no answer repeats input."""

    def __init__(self, *, told: str, line: str, field: str = "scopes") -> None:
        """``told`` is for an answer, ``line`` names the scope."""
        super().__init__(told=told, field=field)
        self.args = (line,)
        self._line = line

    @property
    def line(self) -> str:
        """With the name of the scope."""
        return self._line


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
        raise NotFoundError(told="There is no such scope.")
    return known[name]


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
                told=Message("there is no scope with that name"),
                line=f"there is no scope {name!r}",
                field=field,
            )
    return list(dict.fromkeys(names))
