"""Housekeeping without cron: one worker at a time, of all that share the database.

Each worker looks once a minute whether a round is due. The one that takes it holds a lease in the
table ``chores``, which it renews as it goes on: if it dies, another takes over when the lease ends.
A lease in a row, and not a lock of a connection, works on both databases and through a pooler.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from sqlalchemy import update

from app import NAME
from app.clock import Clock
from app.database.engines import OUTAGES, insert_unless
from app.log import get_logger
from app.management.authority import operating
from app.models import Chore
from app.operations.purge import purge
from app.server import Server
from app.tokens.key_rotation import algorithms_in_use, find_old_keys, rotate_keys

log = get_logger(NAME)

CHORE = "housekeeping"

INTERVAL = timedelta(hours=1)
"""Between the end of a round and the next."""

LEASE = timedelta(minutes=5)
"""After which a worker that holds a round and says nothing is taken for dead."""

RENEWAL = timedelta(minutes=1)
"""After which a lease is renewed."""

LOOK = 60.0
"""Seconds between two looks of one worker."""

ROTATED_AFTER = timedelta(days=90)
"""How long a key signs."""

PATIENCE = 5.0
"""Seconds that a round may take to end when the server stops."""


class _StoppedError(Exception):
    """The server stops: the rest is for another worker, or another day."""


class Housekeeping:
    """The rounds of one worker."""

    def __init__(self, server: Server) -> None:
        """Nothing is done yet: see :meth:`run`."""
        self._server = server
        self._clock: Clock = server.clock
        self._stopping = asyncio.Event()
        self._renew_at = self._clock.now()

    async def run(self) -> None:
        """Look from time to time until :meth:`stop`; workers that started together look apart."""
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                pause = random.uniform(LOOK / 2, LOOK * 3 / 2)  # noqa: S311 - only to spread
                await asyncio.wait_for(self._stopping.wait(), pause)
                return
            try:
                await self.look()
            except OUTAGES as error:
                log.warning("housekeeping waits", kind=type(error).__name__)
            except Exception:
                log.exception("housekeeping failed")

    def stop(self) -> None:
        """End after the transaction that is under way."""
        self._stopping.set()

    async def look(self) -> bool:
        """Do a round, if one is due and nobody else is at it; return whether this worker did."""
        if not await self._take():
            return False
        done = False
        try:
            deleted = await purge(self._server, progress=self._go_on)
            await self._rotate_keys()
            done = True
            if self._server.metrics is not None:
                self._server.metrics.housekeeping_done(self._clock.now().timestamp(), deleted)
            log.info("housekeeping", **{table: rows for table, rows in deleted.items() if rows})
        except _StoppedError:
            log.info("housekeeping is left to another worker")
        finally:
            await self._give_back(done)
        return True

    async def _rotate_keys(self) -> None:
        """As ``latchkey keys rotate``, for each algorithm whose newest key is old."""
        server = self._server
        async with operating(server.database, self._clock) as operator:
            used = await algorithms_in_use(operator.connection, server.settings)
            old = await find_old_keys(operator.connection, operator.now, ROTATED_AFTER)
            if not used & old:
                return
            kids, _ = await rotate_keys(
                operator.connection,
                server.encryption,
                used & old,
                self._clock,
                server.settings,
                at_once=False,
            )
            for kid in kids.values():
                await operator.record("key.rotated", kid=kid)

    async def _take(self) -> bool:
        now = self._clock.now()
        async with self._server.database.transaction() as connection:
            new = insert_unless(connection, Chore).values(name=CHORE, due_at=now, held_until=now)
            await connection.execute(new.on_conflict_do_nothing())
            free = update(Chore).where(
                Chore.name == CHORE, Chore.due_at <= now, Chore.held_until <= now
            )
            taken = await connection.execute(free.values(held_until=now + LEASE))
        self._renew_at = now + RENEWAL
        return taken.rowcount == 1

    async def _go_on(self) -> None:
        """After each transaction of the round."""
        if self._stopping.is_set():
            raise _StoppedError
        now = self._clock.now()
        if now >= self._renew_at:
            await self._write(held_until=now + LEASE)
            self._renew_at = now + RENEWAL

    async def _give_back(self, done: bool) -> None:
        now = self._clock.now()
        if done:
            await self._write(held_until=now, due_at=now + INTERVAL, done_at=now)
        else:
            await self._write(held_until=now)

    async def _write(self, **values: datetime) -> None:
        async with self._server.database.transaction() as connection:
            await connection.execute(update(Chore).where(Chore.name == CHORE).values(values))


@asynccontextmanager
async def keeping_house(server: Server) -> AsyncGenerator[None]:
    """Keep house while the server serves, if ``LATCHKEY_HOUSEKEEPING`` is on."""
    if not server.settings.housekeeping:
        yield
        return
    housekeeping = Housekeeping(server)
    rounds = asyncio.create_task(housekeeping.run())
    try:
        yield
    finally:
        housekeeping.stop()
        await asyncio.wait([rounds], timeout=PATIENCE)
        rounds.cancel()
        with suppress(asyncio.CancelledError):
            await rounds
