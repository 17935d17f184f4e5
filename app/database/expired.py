"""Deleting rows whose time is over, however many, without a stall for anybody else."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Row, Select, and_, delete, select, true
from sqlalchemy.orm import InstrumentedAttribute

from app.database.engines import Database

Columns = TypeVarTuple("Columns")

BATCH = 500
"""Rows in one transaction."""

READ = 20 * BATCH
"""Keys that are read at once where there can be many for each parent."""

KEPT_LONGER = timedelta(days=1)
"""What keeps something from being good again stays for so long after that is over by itself: a
purge by a clock that is ahead by less brings nothing back."""

Progress = Callable[[], Awaitable[None]]
"""What is told after each transaction."""


@dataclass(frozen=True)
class Expired:
    """Rows of one table that are over."""

    key: InstrumentedAttribute[Any]
    """The primary key."""
    at: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
    """When a row is over: a column with an index."""
    before: datetime
    also: ColumnElement[bool] | None = None
    """What else has to be true."""
    children: Sequence[tuple[InstrumentedAttribute[Any], InstrumentedAttribute[Any]]] = ()
    """Key and reference of rows that go with them, where there can be many for each."""

    @property
    def table(self) -> str:
        """Its name."""
        name: str = self.key.class_.__tablename__
        return name


async def delete_expired(database: Database, expired: Expired, progress: Progress) -> int:
    """Delete what is over, the oldest first, in short transactions; return how many rows.

    Each batch begins where the last one ended. A query for any that are over would pass all that
    were deleted before, again and again: they stay in PostgreSQL's table until it is vacuumed, and
    ten million rows would take the square of their time.

    After each transaction everybody else has the database for as long as it took.
    """
    is_over = and_(expired.at < expired.before, true() if expired.also is None else expired.also)
    query = select(expired.key, expired.at).where(is_over).order_by(expired.at).limit(BATCH)
    deleted = 0
    since: datetime | None = None
    while True:
        rows = await _read(database, query if since is None else query.where(expired.at >= since))
        keys = [row[0] for row in rows]
        for key, reference in expired.children:
            await _delete_children(database, key, reference.in_(keys), progress)
        # A row may have been given more time since it was read.
        deleted += await _delete(database, expired.key, keys, is_over, progress)
        if len(rows) < BATCH:
            return deleted
        since = rows[-1][1]


async def _delete_children(
    database: Database,
    key: InstrumentedAttribute[Any],
    goes: ColumnElement[bool],
    progress: Progress,
) -> None:
    """Read many keys at once, since each query passes what was deleted before."""
    query = select(key).where(goes).limit(READ)
    while rows := await _read(database, query):
        keys = [row[0] for row in rows]
        for start in range(0, len(keys), BATCH):
            await _delete(database, key, keys[start : start + BATCH], goes, progress)
        if len(rows) < READ:
            return


async def _read(database: Database, query: Select[*Columns]) -> Sequence[Row[*Columns]]:
    async with database.read() as connection:
        return (await connection.execute(query)).all()


async def _delete(
    database: Database,
    key: InstrumentedAttribute[Any],
    keys: Sequence[Any],
    goes: ColumnElement[bool],
    progress: Progress,
) -> int:
    """Delete those of ``keys`` of which that is true still, in one transaction."""
    if not keys:
        return 0
    began = time.monotonic()
    async with database.transaction() as connection:
        gone = await connection.execute(delete(key.class_).where(key.in_(keys), goes))
    await progress()
    await asyncio.sleep(time.monotonic() - began)
    return gone.rowcount
