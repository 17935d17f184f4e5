"""Events that are gathered: none is lost while the database is away for a while, or at the end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError

from app.audit import batch as audit_batch
from app.audit.batch import AuditBatch
from app.audit.trail import Event
from app.database.engines import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Trail:
    """A database that is away for the first ``outages`` writes, and slow if it is told so."""

    def __init__(self, outages: int = 0) -> None:
        self.attempts: list[float] = []
        self.written: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self._outages = outages

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["Trail"]:
        self.attempts.append(asyncio.get_running_loop().time())
        await self.answers.wait()
        if len(self.attempts) <= self._outages:
            raise OperationalError("INSERT", {}, Exception("down"))
        yield self

    async def execute(self, _statement: object, rows: Sequence[dict[str, Any]]) -> None:
        self.written += [row["client_id"] for row in rows]


def batch_of(trail: Trail) -> AuditBatch:
    return AuditBatch(cast(Database, trail))


def add(batch: AuditBatch, client_id: str) -> None:
    batch.add(Event(type="token.issued", client_id=client_id), NOW)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not happened():  # noqa: ASYNC110 - several different things can happen
            await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_batch, "INTERVAL", 0.01)
    monkeypatch.setattr(audit_batch, "LONGEST_INTERVAL", 0.04)


async def test_a_write_that_fails_is_tried_again_without_another_event() -> None:
    trail = Trail(outages=2)
    batch = batch_of(trail)
    add(batch, "first")
    await until(lambda: trail.written == ["first"])
    assert len(trail.attempts) == 3


async def test_the_pauses_between_attempts_grow_up_to_a_limit() -> None:
    trail = Trail(outages=5)
    batch = batch_of(trail)
    add(batch, "first")
    await until(lambda: bool(trail.written))
    pairs = zip(trail.attempts, trail.attempts[1:], strict=False)
    pauses = [later - earlier for earlier, later in pairs]
    least = [0.019, 0.039, 0.039, 0.039, 0.039]  # uvloop counts whole milliseconds
    assert all(pause >= wanted for pause, wanted in zip(pauses, least, strict=True))


async def test_what_comes_during_a_write_is_written_by_the_next_one_and_in_order() -> None:
    trail = Trail()
    batch = batch_of(trail)
    add(batch, "first")
    trail.answers.clear()
    await until(lambda: len(trail.attempts) == 1)
    add(batch, "second")
    trail.answers.set()
    await until(lambda: trail.written == ["first", "second"])


async def test_an_end_waits_for_the_write_that_is_under_way_and_writes_the_rest() -> None:
    trail = Trail()
    batch = batch_of(trail)
    add(batch, "first")
    trail.answers.clear()
    await until(lambda: len(trail.attempts) == 1)
    add(batch, "second")
    closing = asyncio.create_task(batch.close())
    await asyncio.sleep(0.02)
    assert not closing.done()
    trail.answers.set()
    await closing
    assert trail.written == ["first", "second"]


async def test_an_end_waits_for_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_batch, "INTERVAL", 3600)
    trail = Trail()
    batch = batch_of(trail)
    add(batch, "first")
    async with asyncio.timeout(1):
        await batch.close()
    assert trail.written == ["first"]


async def test_an_end_without_a_database_tries_once_and_gives_up() -> None:
    trail = Trail(outages=100)
    batch = batch_of(trail)
    add(batch, "first")
    async with asyncio.timeout(1):
        await batch.close()
    assert (len(trail.attempts), trail.written) == (1, [])


async def test_an_end_without_a_database_says_how_many_events_are_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch = batch_of(Trail(outages=100))
    add(batch, "first")
    add(batch, "second")
    await batch.close()
    assert "audit events are lost" in caplog.text
    assert "'lost': 2" in caplog.text


async def test_the_oldest_events_are_dropped_when_too_many_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_batch, "MAX_WAITING", 2)
    trail = Trail(outages=1)
    batch = batch_of(trail)
    for client_id in ("first", "second", "third"):
        add(batch, client_id)
    await until(lambda: bool(trail.written))
    assert trail.written == ["second", "third"]
