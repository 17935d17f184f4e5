"""A code that is exchanged while its user logs out or takes the consent back: nothing goes on.

The two requests are at two servers, at the same time.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser
from tests.support.flow import VERIFIER, CodeFlow, Page
from tests.support.lifecycle import credentials
from tests.support.live_server import serving_twice
from tests.support.live_tokens import REFUSED, TIMEOUT, outcome, use_everywhere
from tests.support.rounds import rounds_of_race

ROUNDS = rounds_of_race(8)

ALICE = TestUser(uuid.UUID(int=0), "alice", "alice-in-wonderland")
SHOP = TestClient("demo-web", "demo-web-secret-for-development-only")
CALLBACK = "http://127.0.0.1:9000/callback"

HEAD_STARTS = (0, 0, 0.001, 0.002)
"""Seconds by which one of the two requests is sent ahead of the other, in turn."""

Ending = Callable[[httpx2.AsyncClient], Awaitable[dict[str, str]]]


@dataclass(frozen=True)
class Round:
    """What one race came to."""

    exchange: tuple[int, str | None]
    ending: int
    access_token_afterwards: list[int]
    refresh_token_afterwards: list[tuple[int, str | None]]


async def _logout(browser: httpx2.AsyncClient) -> dict[str, str]:
    """The form that logs out, filled in."""
    return Page(await browser.get("/logout")).form.fields


async def _withdrawal(browser: httpx2.AsyncClient) -> dict[str, str]:
    """The form that takes the consent back, filled in."""
    return Page(await browser.get("/account")).form_with(client=SHOP.client_id).fields


ENDINGS: dict[str, Ending] = {"/logout": _logout, "/account": _withdrawal}


@pytest.fixture(scope="module")
def servers(backend: Backend) -> Generator[tuple[str, str]]:
    """Two servers on one database."""
    database_url = backend.seeded()
    with serving_twice(database_url) as urls:
        yield urls
    backend.drop(database_url)


@pytest.fixture(scope="module", params=ENDINGS, ids=["logout", "withdrawal"])
def rounds(request: pytest.FixtureRequest, servers: tuple[str, str]) -> list[Round]:
    async def race() -> list[Round]:
        limits = httpx2.Limits(max_connections=8, max_keepalive_connections=8)
        async with httpx2.AsyncClient(
            base_url=servers[0], trust_env=False, timeout=TIMEOUT, limits=limits
        ) as browser:
            return [await _round(browser, servers, request.param, n) for n in range(ROUNDS)]

    return asyncio.run(race())


async def _round(browser: httpx2.AsyncClient, urls: tuple[str, str], path: str, n: int) -> Round:
    flow = CodeFlow(browser, ALICE, SHOP, CALLBACK)
    code = await flow.code()
    ending = await ENDINGS[path](browser)
    exchanging, ending_at = urls if n % 2 else urls[::-1]
    ahead = HEAD_STARTS[n // 4 % len(HEAD_STARTS)]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **credentials(SHOP),
    }

    async def delayed(seconds: float, url: str, data: dict[str, str]) -> httpx2.Response:
        await asyncio.sleep(seconds)
        return await browser.post(url, data=data)

    exchange, ended = await asyncio.gather(
        delayed(ahead if n // 2 % 2 else 0, f"{exchanging}/token", form),
        delayed(0 if n // 2 % 2 else ahead, f"{ending_at}{path}", ending),
    )
    tokens = exchange.json() if exchange.is_success else None
    return Round(
        exchange=outcome(exchange),
        ending=ended.status_code,
        access_token_afterwards=(
            await use_everywhere(browser, urls, [tokens["access_token"]]) if tokens else []
        ),
        refresh_token_afterwards=(
            [await _refresh(browser, url, tokens["refresh_token"]) for url in urls]
            if tokens
            else []
        ),
    )


async def _refresh(browser: httpx2.AsyncClient, url: str, token: str) -> tuple[int, str | None]:
    form = {"grant_type": "refresh_token", "refresh_token": token, **credentials(SHOP)}
    return outcome(await browser.post(f"{url}/token", data=form))


def test_the_exchange_succeeds_or_is_refused_and_the_ending_always_succeeds(
    rounds: list[Round],
) -> None:
    assert {each.exchange for each in rounds} <= {(200, None), REFUSED}
    assert {each.ending for each in rounds} <= {200, 303}


def test_no_token_that_the_exchange_gave_works_afterwards(rounds: list[Round]) -> None:
    for each in rounds:
        given = each.exchange == (200, None)
        assert each.access_token_afterwards == [401, 401] * given
        assert each.refresh_token_afterwards == [REFUSED, REFUSED] * given
