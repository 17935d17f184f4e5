"""Let something happen between two transactions of a request, without waiting for it by time."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database

Begin = Callable[[Database], AbstractAsyncContextManager[AsyncConnection]]


class Between:
    """Counts what begins to write, and lets ``happen`` happen right before the one of ``turn``.

    Every write goes through :meth:`Database.transaction`, :meth:`Database.transact` or
    :meth:`Database.statement`.
    """

    def __init__(self, turn: int = 0, happen: Callable[[], Awaitable[None]] | None = None) -> None:
        self.begun = 0
        self._turn = turn
        self._happen = happen
        self._is_happening = False

    @contextmanager
    def applied(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("transaction", "statement"):
                patch.setattr(Database, name, self._counted(getattr(Database, name)))
            patch.setattr(Database, "transact", self._counted_work(Database.transact))
            yield

    async def _begin(self) -> None:
        if not self._is_happening:
            self.begun += 1
            if self.begun == self._turn and self._happen is not None:
                self._is_happening = True
                await self._happen()
                self._is_happening = False

    def _counted_work(self, transact: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def counted(database: Database, work: Any) -> Any:
            if database.is_sqlite:  # elsewhere it begins a transaction, which is counted
                await self._begin()
            return await transact(database, work)

        return counted

    def _counted(self, begin: Begin) -> Begin:
        @asynccontextmanager
        async def counted(database: Database) -> AsyncGenerator[AsyncConnection]:
            await self._begin()
            async with begin(database) as connection:
                yield connection

        return counted
