"""Values that a worker keeps for a moment: app/database/recent.py."""

import asyncio

import pytest

from app.database.recent import MAX_AGE, MAX_SIZE, Recent
from tests.support.clock import TestClock


class Source:
    """Something that changes, and counts how often it is read."""

    def __init__(self, clock: TestClock) -> None:
        self.value: str | None = "first"
        self.loads: list[str] = []
        self.takes = 0.0
        self.broken = False
        self._clock = clock

    async def load(self, key: str) -> str | None:
        self.loads.append(key)
        if self.broken:
            raise ConnectionError
        read = self.value
        self._clock.advance(self.takes)
        return read


@pytest.fixture
def source(clock: TestClock) -> Source:
    return Source(clock)


@pytest.fixture
def recent(source: Source, clock: TestClock) -> Recent[str, str | None]:
    return Recent(source.load, clock)


async def test_a_value_is_loaded_once_while_it_is_recent(
    recent: Recent[str, str | None], source: Source, clock: TestClock
) -> None:
    assert await recent.get("key") == "first"
    source.value = "second"
    clock.advance(MAX_AGE - 0.001)
    assert await recent.get("key") == "first"
    assert source.loads == ["key"]


async def test_a_value_is_loaded_again_when_it_is_old(
    recent: Recent[str, str | None], source: Source, clock: TestClock
) -> None:
    await recent.get("key")
    source.value = "second"
    clock.advance(MAX_AGE)
    assert await recent.get("key") == "second"
    assert source.loads == ["key", "key"]


async def test_reading_a_value_does_not_make_it_younger(
    recent: Recent[str, str | None], source: Source, clock: TestClock
) -> None:
    await recent.get("key")
    source.value = "second"
    for _ in range(4):
        clock.advance(MAX_AGE / 4)
        read = await recent.get("key")
    assert read == "second"


async def test_the_age_of_a_value_begins_before_it_was_read(
    recent: Recent[str, str | None], source: Source, clock: TestClock
) -> None:
    source.takes = 1.0
    await recent.get("key")
    source.value = "second"
    clock.advance(MAX_AGE - 1.0)
    assert await recent.get("key") == "second"


def test_a_change_reaches_every_worker_within_two_seconds() -> None:
    assert MAX_AGE < 2


async def test_each_key_has_its_own_value(recent: Recent[str, str | None], source: Source) -> None:
    await recent.get("one")
    source.value = "second"
    assert (await recent.get("two"), await recent.get("one")) == ("second", "first")
    assert source.loads == ["one", "two"]


async def test_what_is_not_there_is_asked_for_each_time(
    recent: Recent[str, str | None], source: Source
) -> None:
    source.value = None
    assert await recent.get("key") is None
    source.value = "made meanwhile"
    assert await recent.get("key") == "made meanwhile"


async def test_a_value_that_is_gone_is_not_kept(
    recent: Recent[str, str | None], source: Source, clock: TestClock
) -> None:
    await recent.get("key")
    source.value = None
    clock.advance(MAX_AGE)
    assert await recent.get("key") is None
    assert await recent.get("key") is None
    assert len(source.loads) == 3


async def test_a_failed_load_is_raised_and_tried_again(
    recent: Recent[str, str | None], source: Source
) -> None:
    source.broken = True
    with pytest.raises(ConnectionError):
        await recent.get("key")
    source.broken = False
    assert await recent.get("key") == "first"


async def test_an_old_value_does_not_stand_in_for_a_failed_load(
    recent: Recent[str, str | None], source: Source, clock: TestClock
) -> None:
    await recent.get("key")
    source.broken = True
    clock.advance(MAX_AGE)
    with pytest.raises(ConnectionError):
        await recent.get("key")


async def test_everything_can_be_forgotten(recent: Recent[str, str | None], source: Source) -> None:
    await recent.get("one")
    await recent.get("two")
    source.value = "second"
    recent.forget()
    assert [await recent.get("one"), await recent.get("two")] == ["second", "second"]


async def test_all_are_dropped_when_there_are_too_many(
    recent: Recent[str, str | None], source: Source
) -> None:
    for number in range(MAX_SIZE):
        await recent.get(str(number))
    await recent.get("0")
    assert len(source.loads) == MAX_SIZE
    await recent.get("one too many")
    await recent.get("one too many")
    assert len(source.loads) == MAX_SIZE + 1
    await recent.get("0")
    assert len(source.loads) == MAX_SIZE + 2


async def test_simultaneous_requests_all_get_the_value(
    recent: Recent[str, str | None], source: Source
) -> None:
    assert await asyncio.gather(*(recent.get("key") for _ in range(10))) == ["first"] * 10
