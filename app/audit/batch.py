"""Audit events of requests that write nothing else, gathered and written within a second.

A client's own tokens and introspections come by the thousand and touch no row; a transaction for
each would make them several times as slow. All other events are written with what they tell.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from app import NAME
from app.audit.trail import Event
from app.database.engines import Database
from app.database.faults import named
from app.log import get_logger
from app.models import AuditEvent

log = get_logger(NAME)

INTERVAL = 0.5
"""Seconds between an event and its row."""

LONGEST_INTERVAL = 30.0
"""Seconds between two attempts while the database does not answer."""

MAX_WAITING = 10_000
"""Events that wait while the database does not answer; past it the oldest are dropped, and the
log says how many."""


class AuditBatch:
    """Events that wait for the next write."""

    def __init__(self, database: Database) -> None:
        """Nothing waits yet."""
        self._database = database
        self._waiting: list[dict[str, Any]] = []
        self._counted: dict[tuple[object, ...], dict[str, Any]] = {}
        """The details of those that wait and are counted."""
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, event: Event, now: datetime) -> None:
        """Have ``event`` written within a second."""
        self._waiting.append(event.row(now))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())

    def add_counted(self, event: Event, now: datetime) -> None:
        """The same, for what comes in floods: until they are written, equal events become one row.

        Its details say how many ``times``; the user agent is the first one's.
        """
        kind = (event.type, event.client_id, event.origin.address, *event.details.items())
        if kind in self._counted:
            self._counted[kind]["times"] += 1
            return
        self.add(replace(event, details={**event.details, "times": 1}), now)
        self._counted[kind] = self._waiting[-1]["details"]

    async def _write_all(self) -> None:
        """Write until nothing waits, after a pause that doubles with each failure."""
        pause = INTERVAL
        try:
            while self._waiting:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)
                if await self.write():
                    pause = INTERVAL
                elif self._closing.is_set():
                    return
                else:
                    pause = min(2 * pause, LONGEST_INTERVAL)
        finally:
            self._writer = None

    async def write(self) -> bool:
        """Write what waits, now; False if it has to wait on, or is lost because it is the end."""
        rows, self._waiting = self._waiting, []
        self._counted.clear()
        if not rows:
            return True
        try:
            async with self._database.transaction() as connection:
                await connection.execute(insert(AuditEvent), rows)
        except (SQLAlchemyError, OSError) as error:
            waiting = rows + self._waiting
            self._waiting = [] if self._closing.is_set() else waiting[-MAX_WAITING:]
            log.error(
                "audit events wait" if self._waiting else "audit events are lost",
                **named(error),
                waiting=len(self._waiting),
                lost=len(waiting) - len(self._waiting),
            )
            return False
        return True

    async def close(self) -> None:
        """Write what waits, for the last time; wait for a write that is under way."""
        self._closing.set()
        if self._writer is not None:
            await self._writer
        self._closing = asyncio.Event()  # for the next start, which has another loop
