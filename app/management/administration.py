"""That somebody is left who can administer: the last one cannot go, be disabled or lose it."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ConflictError
from app.message import Message
from app.models import User, UserScope

ADMINISTRATION = ("users:write", "clients:write", "scopes:write")
"""The scopes of which none is taken away from the last user who can log in and has it."""


async def find_administered(connection: AsyncConnection) -> frozenset[str]:
    """Those of :data:`ADMINISTRATION` that an enabled user with a password has."""
    held = (
        select(UserScope.scope)
        .join(User, User.id == UserScope.user_id)
        .where(
            UserScope.scope.in_(ADMINISTRATION),
            User.disabled_at.is_(None),
            User.password_hash.is_not(None),
        )
        .distinct()
    )
    return frozenset(await connection.scalars(held))


async def require_administered(connection: AsyncConnection, before: Collection[str]) -> None:
    """Raise :class:`ConflictError` if nobody has one of the scopes that somebody had ``before``.

    Whoever manages does so one after the other: else two of them could go at once.
    """
    if before and not (await find_administered(connection)).issuperset(before):
        raise ConflictError(
            told=Message("This is the last administrator: create another one first.")
        )
