"""The database: two engines on one URL.

``read()`` gives a connection in autocommit: each statement stands alone, no BEGIN or COMMIT
travels. ``statement()`` is the same for a single statement that writes. ``transaction()`` gives
one that commits at the end of its block and rolls back when the block raises. Work is written as
SQLAlchemy Core statements on the mapped classes of :mod:`app.models`: columns, not entities.

SQLite lets one connection write at a time. Its transactions begin with BEGIN IMMEDIATE, and its
writing engine has a single connection, so that the writers of one process queue here, in order,
instead of busy-waiting on the file's lock.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Insert, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.database import postgresql as postgresql_driver
from app.database import sqlite_driver
from app.database.group_commit import GroupCommit
from app.errors import ConflictError
from app.settings import Settings
from app.settings.database_url import connect_timeout, driver_url

Result = TypeVar("Result")

SQLITE_BUSY_TIMEOUT = 5_000
"""Milliseconds that a writer waits for another process."""

ONE_TRIP_CURSORS = True
"""False leaves aiosqlite its own cursors, which are slower: see :mod:`.sqlite_driver`."""

POOL_SIZE = 8
"""Connections of each engine, unless the settings say otherwise."""

POOL_TIMEOUT = 5
"""Seconds that a request waits for a connection; past it the answer is 503."""


class Database:
    """The engines of one process. Close it when done."""

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE, pgbouncer: bool = False) -> None:
        """``url`` is the setting ``LATCHKEY_DATABASE_URL``; nothing is opened yet.

        ``pool_size`` is the most connections of each engine, but for the writing one of SQLite.
        """
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        # A statement's parameters are never put into an error's text: they may be credentials.
        options: dict[str, Any] = {"hide_parameters": True, "pool_timeout": POOL_TIMEOUT}
        if self.is_sqlite:
            writer_pool = {"pool_size": 1, "max_overflow": 0}
            connect = partial(sqlite_driver.connect, one_trip=ONE_TRIP_CURSORS)
            options["connect_args"] = {"async_creator_fn": connect}
        else:
            writer_pool = {"pool_size": pool_size, "max_overflow": 0}
            options["connect_args"] = postgresql_driver.connect_arguments(
                pgbouncer=pgbouncer, timeout=connect_timeout(url)
            )
        self._reader = create_async_engine(
            driver_url(url),
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,  # safe in autocommit alone: nothing is ever left open
            pool_size=pool_size,
            max_overflow=0,
            **options,
        )
        self._writer = create_async_engine(driver_url(url), **writer_pool, **options)
        self._group: GroupCommit | None = None
        if self.is_sqlite:
            _prepare_sqlite(self._reader)
            _prepare_sqlite(self._writer)
            event.listen(self._writer.sync_engine, "begin", _begin_immediate)
            self._group = GroupCommit(self._writer) if ONE_TRIP_CURSORS else None
        else:
            postgresql_driver.prepare(self._reader)
            postgresql_driver.repeat_outdated(self._reader)
            postgresql_driver.prepare(self._writer)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The database that the settings name."""
        return cls(
            settings.database_url,
            pool_size=settings.database_pool_size,
            pgbouncer=settings.database_pgbouncer,
        )

    @property
    def is_missing(self) -> bool:
        """Whether SQLite has no file, and would make an empty one with the first connection."""
        if not self.is_sqlite:
            return False
        file = Path(self.url.removeprefix("sqlite:///"))
        return file.parent.is_dir() and not file.exists()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection in autocommit, for queries."""
        return self._reader.connect()

    def statement(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection for one statement that writes, which needs no BEGIN and COMMIT around it.

        On SQLite it is a transaction all the same, to stand in line with the other writers.
        """
        return self._writer.begin() if self.is_sqlite else self._reader.connect()

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection whose work is committed at the end of the block, or not at all."""
        return self._writer.begin()

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """Do ``work`` in one transaction, and again if the database undid it for another one.

        Nothing of an undone transaction is left, so ``work`` may only have effects through its
        connection. What goes before it, such as the check of a password, is not done again. It
        must not wait for anything else either.
        """
        if self._group is not None:
            return await retry_conflicts(partial(self._group.transact, work))

        async def once() -> Result:
            async with self.transaction() as connection:
                return await work(connection)

        return await retry_conflicts(once)

    async def takes_writes(self, connection: AsyncConnection) -> bool:
        """Whether this is neither a standby nor told, or unable, to stay as it is.

        SQLite is unable where its disk is full.
        """
        if self.is_sqlite:
            file = Path(self.url.removeprefix("sqlite:///"))
            return os.access(file, os.W_OK) and disk_usage(file.parent).free > 0
        setting = await connection.scalar(text("SELECT current_setting('transaction_read_only')"))
        return bool(setting == "off")

    async def close(self) -> None:
        """Close every connection."""
        if self._group is not None:
            await self._group.close()
        await self._reader.dispose()
        await self._writer.dispose()


def _prepare_sqlite(engine: AsyncEngine) -> None:
    """With synchronous=FULL, so that what was answered to a revocation outlives a power cut."""

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours: see _begin_immediate
        pragmas = f"""
            PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT};
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            PRAGMA foreign_keys = ON;
        """
        connection.run_async(lambda driver: driver.executescript(pragmas))


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def insert_unless(
    connection: AsyncConnection, table: type[Any]
) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what to do when the row is there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


async def insert_new(connection: AsyncConnection, refusal: str, statement: Insert) -> None:
    """Insert a row that was not there when it was looked for.

    Somebody else may have been faster: then raise :class:`~app.errors.ConflictError` with the
    sentence ``refusal``.
    """
    try:
        await connection.execute(statement)
    except IntegrityError:
        raise ConflictError(told=refusal) from None


OUTAGES = (DBAPIError, PoolTimeoutError, ConnectionError, TimeoutError)
"""What is raised when the database does not answer. The first of them tells other things too."""

_OUTAGE_STATES = ("08", postgresql_driver.READ_ONLY, "40", "53", "55P03", "57")
"""Beginnings of SQLSTATE: connection lost, a standby, conflicts that last, no room, a lock that is
not given up, and a server that stops or that had no time."""


def is_outage(error: Exception) -> bool:
    """Whether one of :data:`OUTAGES` says that the same may work in a moment."""
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    named = isinstance(error, (OperationalError, InterfaceError))
    outdated = postgresql_driver.is_outdated(error.orig)
    return error.connection_invalidated or named or outdated or state.startswith(_OUTAGE_STATES)


def lost_a_reference(error: Exception) -> bool:
    """Whether somebody else deleted what a row refers to, or referred to what is deleted.

    Between the check and the write: on PostgreSQL alone, for on SQLite writers stand in line.
    """
    orig = error.orig if isinstance(error, IntegrityError) else None
    return getattr(orig, "sqlstate", None) == "23503"


SERIALIZATION_FAILURES = frozenset({"40001", "40P01"})
ATTEMPTS = 4


async def retry_conflicts(work: Callable[[], Awaitable[Result]]) -> Result:
    """Do ``work``, and again if the database undid its transaction in favour of another one.

    PostgreSQL reports a serialization failure, a deadlock, or a statement that a migration has
    outdated; nothing of the transaction is left then, so that doing it again is safe. Past
    :data:`ATTEMPTS` the error is raised.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return await work()
        except DBAPIError as error:
            undone = getattr(error.orig, "sqlstate", None) in SERIALIZATION_FAILURES
            if not (undone or postgresql_driver.is_outdated(error.orig)):
                raise
    return await work()


async def lock(connection: AsyncConnection, name: str) -> None:
    """Hold the application lock ``name`` until the transaction ends, across all processes.

    On SQLite the transaction itself is that lock already.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name}
        )
