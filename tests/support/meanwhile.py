"""What somebody else does at the worst moment: between the checks of a request and its writing."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.server import Server

Work = Callable[[], Awaitable[Any]]

Meanwhile = Callable[[Server, Work], None]


def happen_before_the_next_transaction(
    monkeypatch: pytest.MonkeyPatch, server: Server, work: Work
) -> None:
    """Let ``work`` be done, and committed, just before the server begins its next transaction."""
    database = server.database
    begin, transact = database.transaction, database.transact

    async def happen() -> None:
        monkeypatch.setattr(database, "transaction", begin)
        monkeypatch.setattr(database, "transact", transact)
        await work()

    @asynccontextmanager
    async def begin_after_work() -> AsyncGenerator[AsyncConnection]:
        await happen()
        async with begin() as connection:
            yield connection

    async def transact_after_work(wanted: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
        await happen()
        return await transact(wanted)

    monkeypatch.setattr(database, "transaction", begin_after_work)
    monkeypatch.setattr(database, "transact", transact_after_work)
