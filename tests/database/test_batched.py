"""Look-ups that share a query."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from app.database.batched import Batched


def test_after_a_loop_that_ended_meanwhile_the_next_one_is_answered() -> None:
    answers = True

    async def load(keys: Sequence[str]) -> Mapping[str, str]:
        if not answers:
            await asyncio.Event().wait()
        return {key: key for key in keys}

    batched = Batched(load)

    async def ask_and_leave() -> None:
        asking = [asyncio.ensure_future(batched.get("the first"))]
        await asyncio.sleep(0)  # it begins
        await asyncio.sleep(0)  # its query begins
        asking.append(asyncio.ensure_future(batched.get("the second")))
        await asyncio.sleep(0)

    answers = False
    asyncio.run(ask_and_leave())
    answers = True
    assert asyncio.run(asyncio.wait_for(batched.get("the third"), 5)) == "the third"


async def test_whoever_waits_for_a_query_that_is_cancelled_is_told() -> None:
    async def load(keys: Sequence[str]) -> Mapping[str, str]:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(Batched(load).get("a key"), 5)


async def test_no_more_are_asked_at_once_than_there_may_be_and_none_is_passed_over() -> None:
    asked: list[list[int]] = []

    async def load(keys: Sequence[int]) -> Mapping[int, int]:
        asked.append(list(keys))
        return {key: -key for key in keys}

    batched = Batched(load, most=2)
    assert await asyncio.gather(*map(batched.get, range(5))) == [0, -1, -2, -3, -4]
    assert asked == [[0, 1], [2, 3], [4]]
