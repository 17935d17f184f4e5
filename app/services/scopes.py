"""Scopes (RFC 6749, section 3.3)."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database import Database
from app.errors import ConflictError, InvalidError
from app.models import Scope
from app.recent import Recent

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")

SPEAK_OF_A_USER = ("openid", "profile", "email", "offline_access", "account")
"""Never granted to a client that acts for itself; what a new user has unless told otherwise."""


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


async def create_scope(
    connection: AsyncConnection, *, name: str, description: str, now: datetime
) -> None:
    """Add a scope. Raises :class:`InvalidError` or :class:`ConflictError`."""
    if not SCOPE_TOKEN.fullmatch(name) or len(name) > 128:
        raise InvalidError('a scope has 1 to 128 printable ASCII characters, no space, " or \\')
    if not description.strip() or len(description) > 255:
        raise InvalidError("a scope has a description of 1 to 255 characters")
    if name in await list_scopes(connection):
        raise ConflictError(f"the scope {name} exists already")
    await connection.execute(
        insert(Scope).values(name=name, description=description, created_at=now)
    )


async def require_known(connection: AsyncConnection, names: Sequence[str]) -> list[str]:
    """``names`` without repetitions. Raises :class:`InvalidError` if one is not a scope here."""
    known = await list_scopes(connection)
    for name in names:
        if name not in known:
            raise InvalidError(f"there is no scope {name!r}")
    return list(dict.fromkeys(names))
