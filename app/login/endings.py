"""What ends along with logins, in the same transaction.

Logins themselves end in :mod:`app.login.logins`. What a feature keeps, such as browser sessions, it
ends by an :class:`Along`, which it hands down when it is imported: so does whatever serves, and
whatever commands end anything.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, kw_only=True)
class Along:
    """What ends of what a feature keeps."""

    with_logins: Callable[[AsyncConnection, uuid.UUID, uuid.UUID | None, datetime], Awaitable[None]]
    """With all logins of the user of that id but one, if one is kept. The user is held."""
    with_client: Callable[[AsyncConnection, str, datetime], Awaitable[None]]
    """With all that was issued through the client of that id, which is held."""
    with_scope: Callable[[AsyncConnection, str], Awaitable[None]]
    """With a scope, which is deleted."""


_along: list[Along] = []


def end_along(along: Along) -> None:
    """Let this end along from now on."""
    _along.append(along)


async def end_with_logins(
    connection: AsyncConnection, user_id: uuid.UUID, kept: uuid.UUID | None, now: datetime
) -> None:
    """End what ends with all logins of a user but ``kept``."""
    for each in _along:
        await each.with_logins(connection, user_id, kept, now)


async def end_with_client(connection: AsyncConnection, client_id: str, now: datetime) -> None:
    """End what ends with what was issued through a client."""
    for each in _along:
        await each.with_client(connection, client_id, now)


async def end_with_scope(connection: AsyncConnection, scope: str) -> None:
    """End what ends with a scope."""
    for each in _along:
        await each.with_scope(connection, scope)
