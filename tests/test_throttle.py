"""Throttling of failed logins, through the doors where passwords are checked."""

import httpx2
import pytest

from app.server import Server
from app.settings import Settings
from tests.assertions import assert_oauth2_error, assert_problem
from tests.clock import TestClock
from tests.conftest import ISSUER, make_settings
from tests.factories import TestClient, TestUser

LIMIT = 3
LOCKOUT = 300


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(
        database_url=database_url,
        login_max_failures=LIMIT,
        login_max_failures_per_address=2 * LIMIT,
        login_lockout_seconds=LOCKOUT,
    )


async def log_in(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str, address: str = ""
) -> httpx2.Response:
    """From ``address``, or from where the test client says that it is."""
    form = {"grant_type": "password", "username": username, "password": password}
    if not address:
        return await http.post("/token", data=form, auth=web.basic)
    app = http._transport.app  # type: ignore[attr-defined]
    transport = httpx2.ASGITransport(app=app, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as elsewhere:
        return await elsewhere.post("/token", data=form, auth=web.basic)


async def fail(
    http: httpx2.AsyncClient,
    web: TestClient,
    times: int,
    username: str = "alice",
    address: str = "",
) -> None:
    for _ in range(times):
        response = await log_in(http, web, username, "wrong", address)
        assert_oauth2_error(response, "invalid_grant")


def assert_must_wait(response: httpx2.Response, seconds: int) -> None:
    assert_oauth2_error(response, "temporarily_unavailable", 429)
    assert response.headers["retry-after"] == str(seconds)


async def test_an_account_with_too_many_failures_has_to_wait(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, LIMIT)
    assert_must_wait(await log_in(http, web, "alice", alice.password), LOCKOUT)


async def test_an_attempt_that_has_to_wait_costs_no_hash(
    http: httpx2.AsyncClient,
    web: TestClient,
    alice: TestUser,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fail(http, web, LIMIT)
    monkeypatch.setattr(server.passwords, "verify", None)
    assert_must_wait(await log_in(http, web, "alice", "wrong"), LOCKOUT)


async def test_a_name_that_does_not_exist_is_counted_like_one_that_does(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    await fail(http, web, LIMIT, "nobody")
    assert_must_wait(await log_in(http, web, "nobody", "wrong"), LOCKOUT)


async def test_names_that_are_the_same_user_are_counted_together(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, 1, "alice")
    await fail(http, web, LIMIT - 1, "ALICE")
    assert_must_wait(await log_in(http, web, "Alice", alice.password), LOCKOUT)


async def test_after_the_wait_the_right_password_is_let_in(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    await fail(http, web, LIMIT)
    clock.advance(LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


async def test_each_further_failure_doubles_the_wait(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    await fail(http, web, LIMIT)
    clock.advance(LOCKOUT)
    await fail(http, web, 1)
    assert_must_wait(await log_in(http, web, "alice", alice.password), 2 * LOCKOUT)


async def test_a_success_clears_the_count(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, LIMIT - 1)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200
    await fail(http, web, LIMIT - 1)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


async def test_failures_are_forgotten_after_a_day(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    await fail(http, web, LIMIT - 1)
    clock.advance(24 * 3600 + 1)
    await fail(http, web, LIMIT - 1)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


async def test_an_address_with_too_many_failures_has_to_wait_whatever_the_name(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", "192.0.2.1")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "192.0.2.1"), LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.2")).status_code == 200


async def test_ipv6_addresses_are_counted_by_their_network(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", f"2001:db8::{number:x}")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "2001:db8::ffff"), LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "2001:db8:0:1::1")).status_code == 200


async def test_a_stranger_cannot_lock_a_user_out_of_where_they_log_in(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    await fail(http, web, LIMIT, "alice", "203.0.113.9")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "203.0.113.9"), LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200


async def test_a_known_address_has_a_limit_of_its_own(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    await fail(http, web, LIMIT, "alice", "192.0.2.1")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "192.0.2.1"), LOCKOUT)


async def test_the_counts_are_shared_with_http_basic(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, LIMIT)
    response = await http.get("/schemes/http/basic", auth=("alice", alice.password))
    assert_problem(response, 429)
    assert response.headers["retry-after"] == str(LOCKOUT)


async def test_a_limit_of_zero_is_none(
    http: httpx2.AsyncClient, web: TestClient, server: Server, alice: TestUser
) -> None:
    server.authenticator._throttle._per_account = 0
    server.authenticator._throttle._per_address = 0
    await fail(http, web, 4 * LIMIT)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200
