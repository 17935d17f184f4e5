"""What ends with a browser session that runs out: nothing of yesterday stays logged in."""

import httpx2
import pytest

from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestClient, bearer
from tests.support.flow import CodeFlow, Page, add_web_client, assert_asks_to_log_in, submit
from tests.support.lifecycle import (
    INACTIVE,
    Tokens,
    introspected,
    is_active,
    login_of,
    refresh,
    refreshed,
)
from tests.support.on_sqlite import backend as backend

SESSION_TTL = 2000
"""Seconds; an access token lives for 900."""

pytestmark = pytest.mark.parametrize(
    "changes", [{"session_ttl": SESSION_TTL}], ids=["2000_seconds"]
)


async def assert_over(flow: CodeFlow, tokens: Tokens) -> None:
    for name in ("access_token", "refresh_token"):
        assert await introspected(flow.browser, flow.client, tokens[name]) == INACTIVE
    response = await flow.browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert response.status_code == 401
    response = await refresh(flow.browser, flow.client, tokens["refresh_token"])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_login_without_offline_access_ends_when_the_session_runs_out(
    flow: CodeFlow, clock: TestClock
) -> None:
    tokens = await flow.tokens()
    clock.advance(SESSION_TTL - 1)
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert tokens["expires_in"] == 1
    clock.advance(1)
    await assert_over(flow, tokens)
    assert_asks_to_log_in(await flow.start())


async def test_a_login_that_began_late_in_the_session_ends_with_it(
    flow: CodeFlow, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(SESSION_TTL - 100)
    tokens = await flow.tokens()
    assert tokens["expires_in"] == 100
    told = await introspected(flow.browser, flow.client, tokens["refresh_token"])
    assert told["exp"] - told["iat"] == 100
    clock.advance(100)
    await assert_over(flow, tokens)


async def test_a_client_that_may_not_refresh_gets_no_token_that_outlives_the_session(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    flow.client = await add_web_client(server, "plain", grant_types=["authorization_code"])
    await flow.finish()
    clock.advance(SESSION_TTL - 100)
    assert (await flow.tokens())["expires_in"] == 100


async def test_a_login_with_offline_access_goes_on(flow: CodeFlow, clock: TestClock) -> None:
    tokens = await flow.tokens(scope="openid offline_access")
    clock.advance(SESSION_TTL)
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert tokens["expires_in"] == 900
    assert await is_active(flow.browser, flow.client, tokens["access_token"])


async def test_a_logout_of_the_next_day_leaves_nothing_of_the_day_before(
    flow: CodeFlow, clock: TestClock
) -> None:
    """In the same browser, which has forgotten the session of the day before."""
    yesterdays = await flow.tokens()
    clock.advance(SESSION_TTL)
    todays = await flow.tokens()
    assert login_of(yesterdays) != login_of(todays)
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    await assert_over(flow, yesterdays)
    await assert_over(flow, todays)


@pytest.mark.parametrize("offline", [False, True])
async def test_a_code_of_a_session_that_has_run_out_is_good_for_offline_access_alone(
    flow: CodeFlow, clock: TestClock, offline: bool
) -> None:
    flow.scope = "openid offline_access" if offline else "openid"
    await flow.finish()
    clock.advance(SESSION_TTL - 1)
    code = await flow.code()
    clock.advance(1)
    response = await flow.exchange(code)
    assert response.status_code == (200 if offline else 400)
    if not offline:
        assert response.json()["error"] == "invalid_grant"


async def test_a_new_session_does_not_prolong_the_logins_of_the_one_that_it_replaces(
    flow: CodeFlow, clock: TestClock
) -> None:
    tokens = await flow.tokens()
    clock.advance(SESSION_TTL - 100)
    await flow.log_in(await flow.login_page(prompt="login"))
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    clock.advance(100)
    await assert_over(flow, tokens)
    again = await flow.tokens(prompt="none")  # and nobody is asked anything
    assert await is_active(flow.browser, flow.client, again["access_token"])


async def test_the_logins_of_a_session_that_was_replaced_end_with_a_logout_from_the_new_one(
    flow: CodeFlow, clock: TestClock
) -> None:
    tokens = await flow.tokens()
    clock.advance(100)
    await flow.log_in(await flow.login_page(prompt="login"))
    assert await is_active(flow.browser, flow.client, tokens["access_token"])
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    await assert_over(flow, tokens)


async def test_a_login_by_the_password_grant_does_not_end_with_any_session(
    http: httpx2.AsyncClient, flow: CodeFlow, server: Server, shop: TestClient, clock: TestClock
) -> None:
    await flow.finish()
    other = await add_web_client(server, "own", grant_types=["password", "refresh_token"])
    form = {"grant_type": "password", "username": "alice", "password": flow.user.password}
    response = await http.post("/token", data=form, auth=other.basic)
    clock.advance(SESSION_TTL)
    await refreshed(http, other, response.json()["refresh_token"])
