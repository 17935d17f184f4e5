"""What a server asks of its database."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import event

from app.server import Server

Result = TypeVar("Result")

LOCK = 4711
"""Which nobody else takes."""

WAITS = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"


@contextmanager
def noting(server: Server) -> Generator[list[tuple[str, Any]]]:
    """The statements that are run within, with their parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cu: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    engines = (server.database._reader.sync_engine, server.database._writer.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


@asynccontextmanager
async def paused_at(
    server: Server, where: str, work: Coroutine[Any, Any, Result]
) -> AsyncGenerator[asyncio.Task[Result]]:
    """Let something happen between the beginning of a statement and its first row.

    ``work`` runs a statement with the words ``where``, on PostgreSQL, which has taken its snapshot
    when the block begins and goes on when the block ends.
    """
    reader = server.database._reader.sync_engine

    def wait(_c: object, _cu: object, statement: str, parameters: Any, *_: object) -> Any:
        waiting = f"FROM (SELECT pg_advisory_xact_lock({LOCK})) AS paused, "
        return statement.replace(where, where.replace("FROM ", waiting), 1), parameters

    connection = await asyncpg.connect(server.database.url)
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    event.listen(reader, "before_cursor_execute", wait, retval=True)
    task = asyncio.create_task(work)
    try:
        while not task.done() and await connection.fetchrow(WAITS, LOCK) is None:
            pass
        event.remove(reader, "before_cursor_execute", wait)
        yield task
    finally:
        await connection.close()
