"""Over a slow line people press "Log in" twice, and their browser drops the first answer."""

import asyncio

import httpx2
import pytest
from sqlalchemy import func, select

from app.features.authorization_code.model import AuthorizationCode
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestUser
from tests.support.flow import (
    FINISHED,
    CodeFlow,
    Page,
    add_web_client,
    assert_error_answer,
    assert_error_page,
    assert_logged_in,
    read_answer,
    submit,
)
from tests.support.lifecycle import refresh, refreshed, take_from_user
from tests.support.on_sqlite import backend as backend

SESSION = "latchkey_session"


@pytest.fixture
async def page(flow: CodeFlow) -> httpx2.Response:
    """The login page of a client that Alice has allowed everything before."""
    await flow.finish()
    flow.browser.cookies.delete(SESSION)
    return await flow.login_page()


async def press_in_vain(flow: CodeFlow, page: httpx2.Response) -> str:
    """Where the browser was sent, which it does not hear of."""
    answer = await flow.log_in(page)
    flow.browser.cookies.delete(SESSION)
    location: str = answer.headers["location"]
    return location


async def test_a_second_press_is_answered_like_the_first(
    flow: CodeFlow, page: httpx2.Response
) -> None:
    first = await press_in_vain(flow, page)
    again = await flow.log_in(page)
    assert again.headers["location"] == first
    await assert_logged_in(flow.browser)
    assert (await flow.exchange(read_answer(again)["code"])).status_code == 200


async def test_what_comes_of_it_ends_with_the_session_that_the_browser_knows_of(
    flow: CodeFlow, page: httpx2.Response
) -> None:
    await press_in_vain(flow, page)
    code = read_answer(await flow.log_in(page))["code"]
    tokens = (await flow.exchange(code)).json()
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    refused = await refresh(flow.browser, flow.client, tokens["refresh_token"])
    assert refused.json()["error"] == "invalid_grant"


async def test_a_second_press_after_the_cookie_has_arrived_is_answered_like_the_first(
    flow: CodeFlow, page: httpx2.Response
) -> None:
    first = await flow.log_in(page)
    assert (await flow.log_in(page)).headers["location"] == first.headers["location"]


async def test_a_second_press_of_whoever_was_logged_in_is_answered_like_the_first(
    flow: CodeFlow, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(1)
    page = await flow.login_page(prompt="login")
    known = flow.browser.cookies[SESSION]
    first = await flow.log_in(page)
    assert "code" in read_answer(first)
    flow.browser.cookies.delete(SESSION)
    flow.browser.cookies.set(SESSION, known, domain="127.0.0.1")
    again = await flow.log_in(page)
    assert again.headers["location"] == first.headers["location"]
    await assert_logged_in(flow.browser)


async def test_presses_at_the_same_time_are_one_code(
    flow: CodeFlow, page: httpx2.Response, server: Server
) -> None:
    async with server.database.read() as connection:
        count = select(func.count()).select_from(AuthorizationCode)
        before = await connection.scalar(count)
    answers = await asyncio.gather(*(flow.log_in(page) for _ in range(4)))
    assert len({read_answer(answer)["code"] for answer in answers}) == 1
    async with server.database.read() as connection:
        assert await connection.scalar(count) == (before or 0) + 1


async def test_a_refusal_is_told_again_too(flow: CodeFlow, server: Server) -> None:
    client = await add_web_client(server, "reports", scopes=("items:write",))
    flow = CodeFlow(flow.browser, flow.user, client, scope="items:write")
    page = await flow.login_page()
    await take_from_user(server, flow.user, "items:write")
    for _ in range(2):
        await press_in_vain(flow, page)
        assert_error_answer(
            await flow.log_in(page), "access_denied", "None of the scopes can be granted."
        )


async def test_somebody_else_gets_no_answer_of_the_first(
    flow: CodeFlow, page: httpx2.Response, bob: TestUser
) -> None:
    await press_in_vain(flow, page)
    response = await flow.log_in(page, username=bob.username, password=bob.password)
    assert "code=" not in response.headers.get("location", "")


async def test_a_wrong_password_gets_no_answer(flow: CodeFlow, page: httpx2.Response) -> None:
    await press_in_vain(flow, page)
    assert Page(await flow.log_in(page, password="wrong")).heading == "Log in"


async def test_a_code_that_is_used_is_not_told_again(flow: CodeFlow, page: httpx2.Response) -> None:
    first = await flow.log_in(page)
    tokens = (await flow.exchange(read_answer(first)["code"])).json()
    assert_error_page(await flow.log_in(page), FINISHED)
    await refreshed(flow.browser, flow.client, tokens["refresh_token"])


async def test_a_second_press_is_answered_as_long_as_the_code_is_good(
    flow: CodeFlow, page: httpx2.Response, clock: TestClock
) -> None:
    await press_in_vain(flow, page)
    clock.advance(59)
    assert "code" in read_answer(await flow.log_in(page))
    clock.advance(1)
    assert_error_page(await flow.log_in(page), FINISHED)
