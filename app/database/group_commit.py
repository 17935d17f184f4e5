"""SQLite's transactions, committed together.

A commit that outlives a power cut waits for the disk, and SQLite has one writer at a time. So what
has arrived while one commit was under way goes into the next one: each piece of work in a savepoint
of its own, in the thread of the connection, which is entered once for all of them. Whoever asked is
answered after the commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database.sqlite_driver import Connection

Result = TypeVar("Result")
Work = Callable[[AsyncConnection], Awaitable[Result]]

MOST_TOGETHER = 64
"""Pieces of work in one commit: the first of them waits for the last."""


@dataclass(frozen=True)
class _Waiting:
    work: Work[Any]
    context: Context
    answer: asyncio.Future[Any]


class GroupCommit:
    """Does work in transactions of ``writer``, whose connections are :class:`.Connection`."""

    def __init__(self, writer: AsyncEngine) -> None:
        """Nothing waits yet."""
        self._writer = writer
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None

    async def transact(self, work: Work[Result]) -> Result:
        """What ``work`` returns or raises, when it is committed or undone.

        It may wait for nothing but its connection: see :func:`run_to_end`.
        """
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, copy_context(), answer))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        return await answer

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                async with self._writer.connect() as connection:
                    group, self._waiting = (
                        self._waiting[:MOST_TOGETHER],
                        self._waiting[MOST_TOGETHER:],
                    )
                    await _commit(connection, group)
        except Exception as error:
            for waiting in self._waiting:
                _fail(waiting, error)
            self._waiting.clear()
        finally:
            self._committing = None

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._committing is not None:
            await self._committing


async def _commit(connection: AsyncConnection, group: Sequence[_Waiting]) -> None:
    try:
        raw = await connection.get_raw_connection()
        driver = cast(Connection, raw.driver_connection)
        outcomes = await driver.in_its_thread(
            lambda: run_to_end(_together(connection, driver, group))
        )
    except Exception as error:
        for waiting in group:
            _fail(waiting, error)
        return
    for waiting, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, _Raised):
            _fail(waiting, outcome.error)
        elif not waiting.answer.done():
            waiting.answer.set_result(outcome)


def _fail(waiting: _Waiting, error: BaseException) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)


@dataclass(frozen=True)
class _Raised:
    error: BaseException


async def _together(
    connection: AsyncConnection, driver: Connection, group: Sequence[_Waiting]
) -> Sequence[Any]:
    """What each piece of work returns, or raises; then its part of the transaction is undone.

    Raises :class:`ConnectionError` for all of them if SQLite ended the transaction itself, as it
    does where a statement finds the disk full or broken: then nothing of it is left, and a further
    savepoint would begin another one.
    """
    outcomes: list[Any] = []
    async with connection.begin():
        for waiting in group:
            driver.execute_here("SAVEPOINT work")
            try:
                work = cast(Coroutine[Any, Any, Any], waiting.work(connection))
                outcomes.append(waiting.context.run(run_to_end, work))
            except BaseException as error:  # whatever it is, it is told to whoever asked
                outcomes.append(_Raised(error))
                if driver.in_transaction:
                    driver.execute_here("ROLLBACK TO work")
            if not driver.in_transaction:
                raise ConnectionError("the transaction was ended before its commit")
            driver.execute_here("RELEASE work")
    return outcomes


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work``, which never has to wait, because its connection answers at once.

    Raises :class:`RuntimeError` if it waits for anything else.
    """
    try:
        work.send(None)
    except StopIteration as ended:
        return cast(Result, ended.value)
    work.close()
    raise RuntimeError("a transaction may wait for nothing but its connection")
