"""One refresh token, used many times at once at two servers: exactly one use succeeds."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.databases import Backend
from tests.support.live_server import serving_twice
from tests.support.live_tokens import (
    REFUSED,
    http_client,
    log_in,
    outcome,
    received,
    refresh,
    refresh_everywhere,
    use_everywhere,
)
from tests.support.rounds import rounds_of_race

USES = 24
ROUNDS = rounds_of_race(10)


@dataclass(frozen=True)
class Round:
    """What one race came to."""

    outcomes: list[tuple[int, str | None]]
    winners: set[int]
    """Which servers answered a use that succeeded."""
    successor_afterwards: list[tuple[int, str | None]]
    access_tokens_afterwards: list[int]


@pytest.fixture(scope="module")
def rounds(backend: Backend) -> Generator[list[Round]]:
    """All races, run once for each kind of database."""
    database_url = backend.seeded()
    with serving_twice(database_url) as urls:
        yield asyncio.run(_race(urls))
    backend.drop(database_url)


async def _race(urls: tuple[str, str]) -> list[Round]:
    async with http_client() as http:
        return [await _round(http, urls, n) for n in range(ROUNDS)]


async def _round(http: httpx2.AsyncClient, urls: tuple[str, str], n: int) -> Round:
    order = urls[::-1] if n % 2 else urls  # each server is the first to be asked in turn
    login = await log_in(http, order[0])
    assert await use_everywhere(http, urls, [login.access]) == [200, 200]
    asked = [order[use % 2] for use in range(USES)]
    answers = await asyncio.gather(*(refresh(http, url, login.refresh) for url in asked))
    won = [(url, answer) for url, answer in zip(asked, answers, strict=True) if answer.is_success]
    issued = [received(answer) for _, answer in won]
    return Round(
        outcomes=sorted(outcome(answer) for answer in answers),
        winners={urls.index(url) for url, _ in won},
        access_tokens_afterwards=await use_everywhere(
            http, urls, [login.access, *(tokens.access for tokens in issued)]
        ),
        successor_afterwards=await refresh_everywhere(
            http, urls, [tokens.refresh for tokens in issued]
        ),
    )


def test_exactly_one_of_24_simultaneous_uses_succeeds_and_the_rest_are_invalid_grants(
    rounds: list[Round],
) -> None:
    expected = [(200, None)] + [REFUSED] * (USES - 1)
    assert [each.outcomes for each in rounds] == [expected] * ROUNDS


def test_the_successor_is_refused_by_both_servers_afterwards(rounds: list[Round]) -> None:
    assert [each.successor_afterwards for each in rounds] == [[REFUSED, REFUSED]] * ROUNDS


def test_every_access_token_of_the_family_is_refused_by_both_servers_afterwards(
    rounds: list[Round],
) -> None:
    before_and_after_the_refresh_at_both = [401] * 4
    assert [each.access_tokens_afterwards for each in rounds] == [
        before_and_after_the_refresh_at_both
    ] * ROUNDS


def test_over_the_rounds_either_server_wins(rounds: list[Round]) -> None:
    assert set[int]().union(*(each.winners for each in rounds)) == {0, 1}
