"""Which kinds of password hashes are in use: every failed login takes one of each.

So a failure takes the same time whoever it is about: nobody, or a user whose hash came from
elsewhere, or was made at another cost.
"""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.models import User
from app.security.passwords import PasswordHasher

# A loose scan of the index: one look-up for each kind, however many users have it.
_first = select(func.min(User.password_kind).label("kind")).cte("kinds", recursive=True)
_KINDS = _first.union_all(
    select(
        select(func.min(User.password_kind))
        .where(User.password_kind > _first.c.kind)
        .scalar_subquery()
    ).where(_first.c.kind.is_not(None))
)
_KINDS_IN_USE = select(_KINDS.c.kind).where(_KINDS.c.kind.is_not(None))


async def find_kinds(connection: AsyncConnection) -> Sequence[str]:
    """The kinds of the hashes of all users, as :func:`~app.security.passwords.kind_of` has them."""
    return (await connection.scalars(_KINDS_IN_USE)).all()


class PasswordKinds:
    """The kinds in use, as of a moment ago, each ready to be computed."""

    def __init__(self, database: Database, passwords: PasswordHasher, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._passwords = passwords
        self._recent: Recent[str, Sequence[str]] = Recent(self._load, clock)

    async def _load(self, _key: str) -> Sequence[str]:
        async with self._database.read() as connection:
            kinds = await find_kinds(connection)
        await self._passwords.prepare((self._passwords.kind, *kinds))
        return kinds

    async def in_use(self) -> Sequence[str]:
        """What the users have, at most two seconds ago."""
        return await self._recent.get("all")
