"""A database that says nothing: the connection stands, and no answer comes.

A failover without a reset, or a proxy that is stuck. PostgreSQL alone: SQLite is a file.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from time import monotonic

import httpx2
import pytest

from app.database import postgresql as driver
from app.database.engines import Database
from app.main import create_app
from app.web import health
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.relay import Relay, relay_to
from tests.support.started import started

BOUND = 0.3
"""Seconds for a statement here."""

SOON = 2.5
"""Seconds in which whoever has asked is answered: with the closing of the connection."""


@pytest.fixture
def url(postgresql: Backend) -> Generator[str]:
    made = postgresql.migrated()
    yield made
    postgresql.drop(made)


@pytest.fixture
async def relay(url: str) -> AsyncGenerator[Relay]:
    async with relay_to(url) as made:
        yield made


@pytest.fixture
async def http(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[httpx2.AsyncClient]:
    monkeypatch.setattr(driver, "STATEMENT_TIMEOUT", BOUND)
    monkeypatch.setattr(driver, "CONNECT_TIMEOUT", BOUND)
    monkeypatch.setattr(health, "PATIENCE", BOUND)
    async with started(create_app(make_settings(database_url=relay.url), TestClock())) as client:
        yield client
        relay.talk()


async def assert_soon_unavailable(response: httpx2.Response, began: float) -> None:
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert monotonic() - began < SOON


async def test_a_statement_without_an_answer_is_503(http: httpx2.AsyncClient, relay: Relay) -> None:
    relay.fall_silent()
    began = monotonic()
    response = await http.get("/.well-known/jwks.json")
    await assert_soon_unavailable(response, began)


async def test_everybody_who_waits_for_the_same_look_up_is_released(
    http: httpx2.AsyncClient, relay: Relay, clock: TestClock
) -> None:
    relay.fall_silent()
    began = monotonic()
    form = {"grant_type": "client_credentials", "client_id": "service", "client_secret": "s"}
    responses = await asyncio.gather(
        *(http.post("/token", data=form) for _ in range(20)),
    )
    for response in responses:
        await assert_soon_unavailable(response, began)


async def test_a_transaction_without_an_answer_is_given_up(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "STATEMENT_TIMEOUT", BOUND)
    database = Database(relay.url)

    async def transact() -> None:
        async with database.transaction() as connection:
            await connection.exec_driver_sql("SELECT 1")
            relay.fall_silent()

    began = monotonic()
    with pytest.raises(TimeoutError):
        await transact()
    assert monotonic() - began < SOON
    await database.close()


async def test_readiness_always_answers(http: httpx2.AsyncClient, relay: Relay) -> None:
    relay.fall_silent()
    began = monotonic()
    response = await http.get("/readyz")
    told = response.json()
    assert (response.status_code, told["status"]) == (503, "unready")
    assert told["database"] == "unreachable"
    assert monotonic() - began < SOON


async def test_a_connection_that_was_silent_is_not_used_again(
    http: httpx2.AsyncClient, relay: Relay
) -> None:
    before = relay.connections
    relay.fall_silent()
    await http.get("/.well-known/jwks.json")
    relay.talk()
    assert (await http.get("/.well-known/jwks.json")).status_code == 200
    assert relay.connections > before


async def test_the_system_asks_whether_the_other_end_is_still_there(relay: Relay) -> None:
    database = Database(relay.url)
    async with database.read() as connection:
        raw = await connection.get_raw_connection()
        opened = raw.driver_connection._transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    await database.close()
