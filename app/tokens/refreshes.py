"""Refreshes that arrive together are rotated together.

Under load they arrive faster than the database answers. Then all that have arrived while others
were under way share a transaction: one trip, and one wait for the disk.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.batched import Batched
from app.database.engines import Database, is_outage
from app.tokens import refresh_postgresql
from app.tokens.families import Family
from app.tokens.refresh_tokens import hold_login_of_token
from app.tokens.rotation import Rotation, rotate

TOGETHER = True
"""False rotates every token by itself, in steps."""

MOST_TOGETHER = 64
"""Tokens in one transaction, which keeps SQLite's other writers waiting."""


class Refreshes:
    """Those of one worker."""

    def __init__(self, database: Database, grace: timedelta) -> None:
        """``grace`` is how long a token that was just used may come again."""
        self._database = database
        self._grace = grace
        self._together = Batched(self._rotate_together, MOST_TOGETHER)

    async def rotate(self, rotation: Rotation) -> Family | None:
        """Consume the token and issue its successor; None if that cannot be.

        What is left of those that came together is judged once more, by itself: it may have waited
        for somebody else, or be one of several successors. So is each of them if one cannot be
        written, so that nobody fails for another one.
        """
        if TOGETHER:
            try:
                family = await self._together.get(rotation)
            except (DBAPIError, UnicodeError) as error:
                if isinstance(error, DBAPIError) and is_outage(error):
                    raise
            else:
                if family is not None or self._database.is_sqlite:  # where nobody waits for a row
                    return family
        return await self._database.transact(lambda each: self._by_itself(each, rotation))

    async def _rotate_together(self, rotations: Sequence[Rotation]) -> Mapping[Rotation, Family]:
        now = max(each.at for each in rotations)
        if not self._database.is_sqlite:
            return await refresh_postgresql.rotate(self._database, rotations, now)
        return await self._database.transact(
            lambda connection: rotate(connection, rotations, now, self._grace)
        )

    async def _by_itself(self, connection: AsyncConnection, rotation: Rotation) -> Family | None:
        await hold_login_of_token(connection, rotation.token)
        rotated = await rotate(connection, [rotation], rotation.at, self._grace)
        return rotated.get(rotation)
