"""Housekeeping: one worker at a time, and another if that one dies."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, insert, select

from app.database.engines import Database
from app.models import Chore, RevokedToken
from app.operations import housekeeping
from app.operations.housekeeping import INTERVAL, LEASE, ROTATED_AFTER, Housekeeping
from app.server import Server
from app.settings import Settings
from app.tokens.key_rotation import PROPAGATION, list_keys
from tests.support.clock import TestClock


@pytest.fixture
def worker(server: Server) -> Housekeeping:
    return Housekeeping(server)


@pytest.fixture
async def other_worker(server: Server, settings: Settings) -> AsyncGenerator[Housekeeping]:
    """A worker of another process on the same database."""
    other = Server(settings, server.clock, server.features)
    yield Housekeeping(other)
    await other.close()


async def add_expired(server: Server, number: int = 1) -> None:
    over = server.clock.now() - timedelta(days=30)
    async with server.database.transaction() as connection:
        for each in range(number):
            await connection.execute(
                insert(RevokedToken).values(token_id=f"{over} {each}", expires_at=over)
            )


async def count_expired(database: Database) -> int | None:
    async with database.read() as connection:
        found: int | None = await connection.scalar(select(func.count()).select_from(RevokedToken))
        return found


async def test_a_round_deletes_what_has_expired(worker: Housekeeping, server: Server) -> None:
    await add_expired(server)
    assert await worker.look() is True
    assert await count_expired(server.database) == 0


async def test_a_round_is_done_once_in_an_hour_by_whichever_worker_looks_first(
    worker: Housekeeping, other_worker: Housekeeping, clock: TestClock
) -> None:
    assert [await worker.look(), await other_worker.look(), await worker.look()] == [
        True,
        False,
        False,
    ]
    clock.advance(INTERVAL.total_seconds())
    assert [await other_worker.look(), await worker.look()] == [True, False]


async def test_of_workers_that_look_at_the_same_time_one_does_the_round(
    worker: Housekeeping, other_worker: Housekeeping
) -> None:
    assert sorted(await asyncio.gather(worker.look(), other_worker.look())) == [False, True]


async def test_no_worker_begins_while_another_one_is_at_it(
    worker: Housekeeping,
    other_worker: Housekeeping,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await add_expired(server)
    seen: list[bool] = []
    go_on = worker._go_on

    async def look_meanwhile() -> None:
        seen.append(await other_worker.look())
        await go_on()

    monkeypatch.setattr(worker, "_go_on", look_meanwhile)
    assert await worker.look() is True
    assert seen == [False]


async def test_a_long_round_keeps_its_lease(
    worker: Housekeeping,
    other_worker: Housekeeping,
    server: Server,
    clock: TestClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.database.expired.BATCH", 1)
    await add_expired(server, 3)
    seen: list[bool] = []
    go_on = worker._go_on

    async def take_long() -> None:
        clock.advance(LEASE.total_seconds() - 60)
        await go_on()
        seen.append(await other_worker.look())

    monkeypatch.setattr(worker, "_go_on", take_long)
    assert await worker.look() is True
    assert seen == [False, False, False]


async def test_the_round_of_a_worker_that_died_is_taken_over_when_its_lease_ends(
    worker: Housekeeping, other_worker: Housekeeping, clock: TestClock
) -> None:
    assert await worker._take() is True  # and nothing more is heard of it
    clock.advance(LEASE.total_seconds() - 1)
    assert await other_worker.look() is False
    clock.advance(1)
    assert await other_worker.look() is True


async def test_a_round_that_fails_is_free_for_the_next_look(
    worker: Housekeeping, other_worker: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(housekeeping, "purge", fail)
        with pytest.raises(RuntimeError):
            await worker.look()
    assert await other_worker.look() is True


async def test_a_worker_that_stops_ends_after_its_transaction_and_leaves_the_rest(
    worker: Housekeeping,
    other_worker: Housekeeping,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.database.expired.BATCH", 1)
    await add_expired(server, 2)
    worker.stop()
    assert await worker.look() is True
    assert await count_expired(server.database) == 1
    assert await other_worker.look() is True
    assert await count_expired(server.database) == 0


# Signing keys


async def active_from(server: Server) -> dict[str, list[datetime]]:
    """When the keys of each algorithm begin to sign."""
    async with server.database.read() as connection:
        keys = await list_keys(connection, server.clock.now())
    found: dict[str, list[datetime]] = {}
    for key in keys:
        found.setdefault(key.alg, []).append(key.active_from)
    return found


async def test_a_key_that_has_signed_for_long_is_rotated(
    worker: Housekeeping, server: Server, clock: TestClock
) -> None:
    before = await active_from(server)
    clock.advance(ROTATED_AFTER.total_seconds() - 3600)
    await worker.look()
    assert await active_from(server) == before
    clock.advance(2 * 3600)
    await worker.look()
    after = await active_from(server)
    assert {alg: len(begins) for alg, begins in after.items()} == dict.fromkeys(before, 2)
    assert {max(begins) for begins in after.values()} == {
        clock.now() + timedelta(seconds=PROPAGATION)
    }


async def test_a_key_is_rotated_once(
    worker: Housekeeping, server: Server, clock: TestClock
) -> None:
    clock.advance(ROTATED_AFTER.total_seconds() + 3600)
    for _ in range(2):
        await worker.look()
        clock.advance(INTERVAL.total_seconds())
    assert {len(begins) for begins in (await active_from(server)).values()} == {2}


# In the application


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a worker looks, which it does without a pause."""
    event = asyncio.Event()

    async def look(_: Housekeeping) -> bool:
        event.set()
        return False

    monkeypatch.setattr(housekeeping, "LOOK", 0.001)
    monkeypatch.setattr(Housekeeping, "look", look)
    return event


class TestOn:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"housekeeping": True})

    async def test_a_worker_keeps_house_if_the_setting_says_so(
        self, looked: asyncio.Event, app: FastAPI
    ) -> None:
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(looked.wait(), 10)


async def test_no_worker_keeps_house_unless_the_setting_says_so(
    looked: asyncio.Event, http: httpx2.AsyncClient
) -> None:
    for _ in range(10):
        await asyncio.sleep(0)
    assert not looked.is_set()


async def test_when_the_last_round_was_done_is_known(
    worker: Housekeeping, server: Server, clock: TestClock
) -> None:
    await worker.look()
    async with server.database.read() as connection:
        assert await connection.scalar(select(Chore.done_at)) == clock.now()


async def test_a_database_that_is_away_does_not_end_the_rounds(
    worker: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:
            worker.stop()
        raise ConnectionError

    monkeypatch.setattr(housekeeping, "LOOK", 0.001)
    monkeypatch.setattr(worker, "look", look)
    await worker.run()
    assert looks == 2
