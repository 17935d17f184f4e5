"""SQLite's file, made for its owner alone, and its thread, entered once for each statement.

aiosqlite makes, runs, reads and closes a cursor in four trips to the thread of its connection, each
of which costs the event loop more than most statements cost SQLite. Here the four are one.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, cast

import aiosqlite

Result = TypeVar("Result")

Parameters = Sequence[Any] | Mapping[str, Any]

CHUNK_SIZE = 64
"""Rows that aiosqlite fetches at a time where it iterates, which nothing here does."""


class Cursor:
    """What SQLAlchemy wants of a cursor: once a statement is run, all of its answer is here."""

    description: Any = None
    rowcount = -1
    lastrowid: int | None = None
    arraysize = 1

    def __init__(self, connection: "Connection") -> None:
        """Nothing happens yet."""
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        """Be ready at once."""
        return self

    async def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement and fetch its rows. Raises :class:`sqlite3.Error`."""

        def run(connection: sqlite3.Connection) -> None:
            self._keep(connection.execute(sql, parameters))

        await self._connection.run(run)

    async def executemany(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """Run one statement for each set of parameters. Raises :class:`sqlite3.Error`."""

        def run(connection: sqlite3.Connection) -> None:
            self._keep(connection.executemany(sql, parameters))

        await self._connection.run(run)

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self._rows = cursor.fetchall() if cursor.description else []
        self.description, self.rowcount = cursor.description, cursor.rowcount
        self.lastrowid = cursor.lastrowid
        cursor.close()

    async def fetchall(self) -> list[Any]:
        """The rows, which were fetched already."""
        return self._rows

    async def close(self) -> None:
        """There is nothing left open."""


class Connection(aiosqlite.Connection):
    """A connection with such cursors."""

    def cursor(self) -> Cursor:  # type: ignore[override]
        """A cursor, without a trip to the thread."""
        return Cursor(self)

    async def rollback(self) -> None:
        """Roll back what was begun, without a trip if nothing was."""
        if self._conn.in_transaction:
            await super().rollback()

    async def run(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do ``work`` with the driver's connection, in its thread."""
        await self._execute(work, self._conn)

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``fn`` in the thread, or at once if it is the one in which this is called."""
        if threading.current_thread() is self._thread:
            return fn(*args, **kwargs)
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]

    def execute_here(self, sql: str) -> None:
        """Run a statement of which SQLAlchemy need not know, in the thread."""
        self._conn.execute(sql)

    async def in_its_thread(self, work: Callable[[], Result]) -> Result:
        """What ``work`` returns or raises; it is done before this ends, even if it is cancelled."""
        done = asyncio.ensure_future(self._execute(work))
        try:
            return cast(Result, await asyncio.shield(done))
        except asyncio.CancelledError:
            await asyncio.wait([done])
            raise


def create_for_owner(path: str) -> None:
    """Make an empty database that nobody else can read, unless there is a file already.

    SQLite gives the permissions of the file to those that it puts beside it.
    """
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError:
        return  # it is there; or SQLite will say why it cannot be
    os.fchmod(file, 0o600)  # whatever the umask left of it
    os.close(file)


def connect(path: str, *, one_trip: bool, **options: Any) -> aiosqlite.Connection:
    """A connection, opened when it is awaited; the options are those of ``sqlite3.connect``.

    Without ``one_trip`` its cursors are aiosqlite's own.
    """
    kind = Connection if one_trip else aiosqlite.Connection

    def open_file() -> sqlite3.Connection:
        create_for_owner(path)
        opened: sqlite3.Connection = sqlite3.connect(path, **options)
        return opened

    connection = kind(open_file, CHUNK_SIZE)
    connection._thread.daemon = True  # as SQLAlchemy does: a process may end without closing it
    return connection
