"""A revocation that races a refresh, each at its own server: the revocation wins."""

import asyncio
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.databases import Backend
from tests.support.live_server import serving_twice
from tests.support.live_tokens import (
    REFUSED,
    Tokens,
    http_client,
    log_in,
    outcome,
    received,
    refresh,
    refresh_everywhere,
    revoke,
    use_everywhere,
)
from tests.support.rounds import rounds_of_race

ROUNDS = rounds_of_race(12)
CHAINS = rounds_of_race(6)
CHAIN_MAX_LENGTH = 200

HEAD_STARTS = (0, 0.001, 0.002, 0.004)
"""Seconds by which one of the two requests is sent ahead of the other, in turn."""


@dataclass(frozen=True)
class Round:
    """What one race came to."""

    revocation: int
    refresh: tuple[int, str | None]
    access_tokens_at_once: list[int]
    """As soon as the revocation was answered, whatever the refresh did."""
    access_tokens_afterwards: list[int]
    refresh_tokens_afterwards: list[tuple[int, str | None]]


@pytest.fixture(scope="module")
def servers(backend: Backend) -> Generator[tuple[str, str]]:
    """Two servers on one database."""
    database_url = backend.seeded()
    with serving_twice(database_url) as urls:
        yield urls
    backend.drop(database_url)


@pytest.fixture(scope="module")
def rounds(servers: tuple[str, str]) -> list[Round]:
    """The refresh token is presented to /revoke in even rounds, the access token in odd ones."""

    async def race() -> list[Round]:
        async with http_client() as http:
            return [await _round(http, servers, n) for n in range(ROUNDS)]

    return asyncio.run(race())


async def _round(http: httpx2.AsyncClient, urls: tuple[str, str], n: int) -> Round:
    refreshing, revoking = urls if n % 4 < 2 else urls[::-1]
    login = await log_in(http, refreshing)
    assert await use_everywhere(http, urls, [login.access]) == [200, 200]
    revoked = login.access if n % 2 else login.refresh
    head_start = HEAD_STARTS[n // 4 % len(HEAD_STARTS)]
    revoke_first = n // 6 % 2

    # The head starts spread the races over both orders and everything between.
    async def delayed(seconds: float, work: Awaitable[httpx2.Response]) -> httpx2.Response:
        await asyncio.sleep(seconds)
        return await work

    refresh_task = asyncio.create_task(
        delayed(head_start * revoke_first, refresh(http, refreshing, login.refresh))
    )
    revocation = await delayed(head_start * (1 - revoke_first), revoke(http, revoking, revoked))
    at_once = await use_everywhere(http, urls, [login.access])
    refreshed = await refresh_task
    successors = [received(refreshed)] if refreshed.is_success else []
    return Round(
        revocation=revocation.status_code,
        refresh=outcome(refreshed),
        access_tokens_at_once=at_once,
        access_tokens_afterwards=await use_everywhere(
            http, urls, [login.access, *(tokens.access for tokens in successors)]
        ),
        # The successors come first: a used token that is presented again would end the family.
        refresh_tokens_afterwards=await refresh_everywhere(
            http, urls, [*(tokens.refresh for tokens in successors), login.refresh]
        ),
    )


def test_every_revocation_is_answered_with_200(rounds: list[Round]) -> None:
    assert [each.revocation for each in rounds] == [200] * ROUNDS


def test_the_racing_refresh_succeeds_or_is_refused(rounds: list[Round]) -> None:
    assert {each.refresh for each in rounds} <= {(200, None), REFUSED}


def test_the_access_token_stops_at_both_servers_as_soon_as_the_revocation_is_answered(
    rounds: list[Round],
) -> None:
    assert [each.access_tokens_at_once for each in rounds] == [[401, 401]] * ROUNDS


def test_no_access_token_works_at_either_server_afterwards(rounds: list[Round]) -> None:
    for each in rounds:
        issued = 2 if each.refresh == (200, None) else 1
        assert each.access_tokens_afterwards == [401, 401] * issued


def test_no_refresh_token_works_at_either_server_afterwards(rounds: list[Round]) -> None:
    for each in rounds:
        issued = 2 if each.refresh == (200, None) else 1
        assert each.refresh_tokens_afterwards == [REFUSED, REFUSED] * issued


# A chain that goes on while its first token is revoked


@dataclass(frozen=True)
class Chain:
    """A client that refreshed, at both servers in turn, until it was refused."""

    tokens: Sequence[Tokens]
    end: tuple[int, str | None]
    access_tokens_afterwards: list[int]
    last_afterwards: list[tuple[int, str | None]]


@pytest.fixture(scope="module")
def chains(servers: tuple[str, str]) -> list[Chain]:
    """Chains of refreshes, each revoked by its first token, which is used by then."""

    async def run() -> list[Chain]:
        async with http_client() as http:
            return [await _chain(http, servers, n) for n in range(CHAINS)]

    return asyncio.run(run())


async def _chain(http: httpx2.AsyncClient, urls: tuple[str, str], n: int) -> Chain:
    chain = [await log_in(http, urls[0])]
    under_way = asyncio.Event()
    end: list[tuple[int, str | None]] = []

    async def keep_refreshing() -> None:
        for use in range(CHAIN_MAX_LENGTH):
            answer = await refresh(http, urls[use % 2], chain[-1].refresh)
            if not answer.is_success:
                end.append(outcome(answer))
                return
            chain.append(received(answer))
            if use == n % 4:
                under_way.set()

    client = asyncio.create_task(keep_refreshing())
    await asyncio.wait_for(under_way.wait(), 10)
    revocation = await revoke(http, urls[n % 2], chain[0].refresh)
    assert revocation.status_code == 200
    await client
    return Chain(
        tokens=chain,
        end=end[0] if end else (200, None),
        access_tokens_afterwards=await use_everywhere(http, urls, [t.access for t in chain]),
        last_afterwards=await refresh_everywhere(http, urls, [chain[-1].refresh]),
    )


def test_a_client_that_keeps_refreshing_is_refused_once_an_older_token_is_revoked(
    chains: list[Chain],
) -> None:
    assert [each.end for each in chains] == [REFUSED] * CHAINS


def test_nothing_of_a_chain_works_after_an_older_token_was_revoked(chains: list[Chain]) -> None:
    for each in chains:
        assert each.access_tokens_afterwards == [401, 401] * len(each.tokens)
        assert each.last_afterwards == [REFUSED, REFUSED]
