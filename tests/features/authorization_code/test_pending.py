"""Authorization requests that wait: which do, how many, and what a deployment makes of them."""

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.features.authorization_code import authorizations
from app.features.authorization_code.model import PendingAuthorization
from app.server import Server
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.flow import (
    FINISHED,
    CodeFlow,
    Page,
    assert_asks_to_allow,
    assert_asks_to_log_in,
    assert_code_answer,
    assert_error_answer,
    assert_error_page,
    read_answer,
)

TOO_LONG = "The request is too long."


async def waiting(server: Server) -> int:
    async with server.database.read() as connection:
        return (
            await connection.scalar(
                select(func.count()).where(PendingAuthorization.answer.is_(None))
            )
            or 0
        )


# Which wait


async def test_a_request_whose_user_has_to_log_in_waits_until_it_is_answered(
    flow: CodeFlow, server: Server
) -> None:
    assert_asks_to_log_in(await flow.start())
    assert await waiting(server) == 1


async def test_a_request_that_is_answered_at_once_is_not_stored(
    flow: CodeFlow, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def store_nothing(*_: object) -> None:
        raise AssertionError("a request was stored")

    await flow.finish()
    assert await waiting(server) == 0
    monkeypatch.setattr("app.features.authorization_code.code_flow.store_pending", store_nothing)
    assert_code_answer(await flow.start())
    assert_code_answer(await flow.start(prompt="none"))


@pytest.mark.rfc("6749", "4.1.1", 6)
@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none", "max_age": "0"}, "login_required"),
        ({"prompt": "bad"}, "invalid_request"),
    ],
)
async def test_a_request_that_gets_an_error_at_once_is_not_stored(
    flow: CodeFlow, server: Server, parameters: dict[str, str], error: str
) -> None:
    for _ in range(3):
        assert read_answer(await flow.start(**parameters))["error"] == error
    assert await waiting(server) == 0


async def test_a_silent_request_without_a_consent_is_not_stored(
    flow: CodeFlow, server: Server
) -> None:
    await flow.finish(scope="profile")
    response = await flow.start(scope="profile email", prompt="none")
    assert_error_answer(response, "consent_required", "The user must consent.")
    assert await waiting(server) == 0


async def test_a_request_by_form_is_answered_once_and_then_gone(
    flow: CodeFlow, server: Server
) -> None:
    await flow.finish()
    response = await flow.post()
    assert await waiting(server) == 1
    assert_code_answer(await flow.follow(response))
    assert await waiting(server) == 0
    silent = await flow.follow(await flow.post(prompt="none", scope="profile email"))
    assert_error_answer(silent, "consent_required", "The user must consent.")
    assert await waiting(server) == 0


async def test_a_request_that_asks_for_the_consent_alone_waits_too(
    flow: CodeFlow, server: Server
) -> None:
    await flow.finish(scope="profile")
    assert_asks_to_allow(await flow.start(scope="profile email"))
    assert await waiting(server) == 1


# How many wait

Comer = Callable[[str], httpx2.AsyncClient]


@pytest.fixture
async def come_from(app: FastAPI, http: httpx2.AsyncClient) -> AsyncGenerator[Comer]:
    """Opens a browser at an address."""
    opened: list[httpx2.AsyncClient] = []

    def open_at(address: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, client=(address, 1))
        opened.append(httpx2.AsyncClient(transport=transport, base_url=ISSUER))
        return opened[-1]

    yield open_at
    for browser in opened:
        await browser.aclose()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizations, "MOST_WAITING", 3)


@pytest.mark.usefixtures("few")
async def test_of_too_many_requests_of_one_network_the_oldest_go(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    pages = []
    for _ in range(5):
        pages.append(await flow.start())
        clock.advance(1)
    assert await waiting(server) == 3
    for page in pages[:2]:
        assert_error_page(await flow.follow(page), FINISHED)
    for page in pages[2:]:
        assert Page(await flow.follow(page)).heading == "Log in"


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("address", "another", "left"),
    [
        pytest.param("192.0.2.1", "192.0.2.2", 6, id="two_ipv4_addresses"),
        pytest.param("2001:db8::1", "2001:db8::2:1", 3, id="one_ipv6_network"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", 6, id="two_ipv6_networks"),
    ],
)
async def test_a_network_fills_its_own_room_alone(
    flow: CodeFlow, server: Server, come_from: Comer, address: str, another: str, left: int
) -> None:
    for source in (address, another):
        flow.browser = come_from(source)
        for _ in range(4):
            await flow.start()
    assert await waiting(server) == left


async def test_the_table_does_not_tell_where_a_request_came_from(
    flow: CodeFlow, server: Server
) -> None:
    await flow.start()
    async with server.database.read() as connection:
        (network,) = await connection.scalars(select(PendingAuthorization.network_hash))
    assert network is not None
    assert len(network) == 64


@pytest.mark.parametrize("letter", ["x", "\u00e4", "\U0001f511"], ids=["ascii", "umlaut", "emoji"])
async def test_a_request_is_stored_in_twelve_kilobytes_at_the_most(
    flow: CodeFlow, server: Server, letter: str
) -> None:
    """However it is written: the database has it as JSON."""
    for length in range(100, 1000, 100):
        many = letter * length
        await flow.start(nonce=many, login_hint=many, state="s")
    async with server.database.read() as connection:
        stored = list(await connection.scalars(select(PendingAuthorization.request)))
    assert 0 < max(len(json.dumps(request)) for request in stored) <= 12_288


async def test_a_request_that_is_too_long_as_a_whole_is_refused(
    flow: CodeFlow, server: Server
) -> None:
    many = "n" * 4096
    response = await flow.start(nonce=many, login_hint=many, state=many)
    assert_error_answer(response, "invalid_request", TOO_LONG, state=many)
    assert await waiting(server) == 0


# What a deployment finds


async def change_stored(server: Server, change: Callable[[dict[str, Any]], Any]) -> None:
    async with server.database.transaction() as connection:
        (request,) = await connection.scalars(select(PendingAuthorization.request))
        await connection.execute(update(PendingAuthorization).values(request=change(request)))


async def test_a_field_that_another_version_stored_is_left_alone(
    flow: CodeFlow, server: Server
) -> None:
    page = await flow.consent_page()
    await change_stored(server, lambda request: request | {"of_tomorrow": ["x"]})
    assert_code_answer(await flow.allow(page))


@pytest.mark.parametrize(
    "name", ["nonce", "response_mode", "prompt", "max_age", "login_hint", "hinted_user"]
)
async def test_a_field_that_another_version_did_not_store_has_its_default(
    flow: CodeFlow, server: Server, name: str
) -> None:
    page = await flow.consent_page()

    def without(request: dict[str, Any]) -> dict[str, Any]:
        del request[name]
        return request

    await change_stored(server, without)
    assert_code_answer(await flow.allow(page))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda request: {}, id="empty"),
        pytest.param(lambda request: [], id="a_list"),
        pytest.param(lambda request: "x", id="a_word"),
        pytest.param(lambda request: 1, id="a_number"),
        pytest.param(lambda request: request | {"scopes": "profile"}, id="another_type"),
        pytest.param(lambda request: request | {"scopes": None}, id="nothing"),
        pytest.param(lambda request: request | {"max_age": "soon"}, id="no_number"),
        pytest.param(
            lambda request: {k: v for k, v in request.items() if k != "code_challenge"},
            id="without_its_challenge",
        ),
    ],
)
async def test_a_request_that_cannot_be_read_any_more_says_to_start_again(
    flow: CodeFlow, server: Server, change: Callable[[dict[str, Any]], Any]
) -> None:
    page = await flow.consent_page()
    await change_stored(server, change)
    assert_error_page(await flow.allow(page), FINISHED)
    key = {"request": Page(page).form.fields["request"]}
    for path in ("/login", "/consent"):
        response = await flow.browser.get(path, params=key)
        assert_error_page(response, FINISHED)
        assert "log in again from there" in Page(response).text
