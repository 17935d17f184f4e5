"""Audit events of requests that write nothing else, gathered and written within a second.

A client's own tokens and introspections come by the thousand and touch no row; a transaction for
each would make them several times as slow. All other events are written with what they tell.
"""

import asyncio
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from app.database import Database
from app.log import get_logger
from app.models import AuditEvent
from app.services.audit import Event

log = get_logger("latchkey")

INTERVAL = 0.5
"""Seconds between an event and its row."""

MAX_WAITING = 10_000
"""Events that wait while the database does not answer; past it the oldest are dropped, and the
log says how many."""


class AuditBatch:
    """Events that wait for the next write."""

    def __init__(self, database: Database) -> None:
        """Nothing waits yet."""
        self._database = database
        self._waiting: list[dict[str, Any]] = []
        self._timer: asyncio.Task[None] | None = None

    def add(self, event: Event, now: datetime) -> None:
        """Have ``event`` written within a second."""
        self._waiting.append(event.row(now))
        if self._timer is None:
            self._timer = asyncio.create_task(self._write_later())

    async def _write_later(self) -> None:
        await asyncio.sleep(INTERVAL)
        self._timer = None
        await self.write()

    async def write(self) -> None:
        """Write what waits, now."""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        try:
            async with self._database.transaction() as connection:
                await connection.execute(insert(AuditEvent), rows)
        except (SQLAlchemyError, OSError) as error:
            waiting = rows + self._waiting
            self._waiting = waiting[-MAX_WAITING:]
            lost = len(waiting) - len(self._waiting)
            log.error("audit events wait", kind=type(error).__name__, lost=lost)

    async def close(self) -> None:
        """Write what waits, for the last time."""
        if self._timer is not None:
            self._timer.cancel()
        await self.write()
