"""Ending all that a user is logged in to, and what ends along with it in the same transaction.

What a feature keeps beside logins, such as browser sessions, it ends by an :class:`Along`. It hands
that down when it is imported, which whatever serves does, and whatever commands end anything.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.identity.users import hold_user
from app.models import Login


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


async def end_other_logins(
    connection: AsyncConnection, user_id: uuid.UUID, kept: uuid.UUID | None, now: datetime
) -> None:
    """End every login of a user but one, every single one for None, and what ends along."""
    await hold_user(connection, user_id)
    await connection.execute(
        update(Login)
        .where(Login.user_id == user_id, Login.id != kept, Login.ended_at.is_(None))
        .values(ended_at=now)
    )
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
