"""What of the code flow and of the account page is written into the audit trail."""

import pytest
from fastapi import FastAPI

from app.server import Server
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.flow import CodeFlow, Page, add_web_client, open_browser, submit
from tests.support.lifecycle import login_of
from tests.support.operators import add_somebody, events
from tests.support.trail import AGENT, an_event, written

NEW_PASSWORD = "another horse battery staple"

pytestmark = pytest.mark.usefixtures("http")


async def test_a_failed_login_at_the_page_is_written_down(app: FastAPI, server: Server) -> None:
    alice = await add_somebody(server)
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        page = Page(await browser.get("/login"))
        await submit(browser, page.form, {"username": alice.username, "password": "wrong"})
    assert await written(server, "login.failed") == [
        an_event(None, alice.id, None, door="login", reason="wrong password")
    ]


async def test_the_code_flow_is_written_down_step_by_step(app: FastAPI, server: Server) -> None:
    alice = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server, scopes=["openid", "profile"])
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        tokens = await CodeFlow(browser, alice, shop).tokens()
    assert [event.type for event in await events(server)] == [
        "login.succeeded",
        "consent.granted",
        "token.issued",
    ]
    assert await written(server, "login.succeeded") == [
        an_event(alice.id, alice.id, shop.client_id, door="login")
    ]
    assert await written(server, "consent.granted") == [
        an_event(alice.id, alice.id, shop.client_id, scope="openid profile")
    ]
    assert await written(server, "token.issued") == [
        an_event(
            alice.id,
            alice.id,
            shop.client_id,
            grant="authorization_code",
            scope="openid profile",
            session=str(login_of(tokens)),
        )
    ]


async def test_a_second_use_of_a_code_is_written_down_once_however_often_it_comes(
    app: FastAPI, server: Server
) -> None:
    alice = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server)
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        flow = CodeFlow(browser, alice, shop)
        code = await flow.code()
        session = str(login_of((await flow.exchange(code)).json()))
        for _ in range(3):
            assert_oauth2_error(await flow.exchange(code), "invalid_grant")
    assert await written(server, "code.reused") == [
        an_event(None, alice.id, shop.client_id, session=session)
    ]


async def test_a_code_that_is_refused_is_written_down_and_its_second_use_ends_nothing(
    app: FastAPI, server: Server
) -> None:
    alice = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server)
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        flow = CodeFlow(browser, alice, shop)
        code = await flow.code()
        wrong = await flow.exchange(code, code_verifier="x" * 43)
        assert_oauth2_error(wrong, "invalid_grant")
        assert_oauth2_error(await flow.exchange(code), "invalid_grant")
    assert await written(server, "code.refused") == [
        an_event(None, alice.id, shop.client_id, reason="the code verifier is wrong")
    ]
    assert await written(server, "code.reused") == []
    assert await written(server, "token.issued") == []


async def test_a_strangers_attempt_with_a_code_is_no_event(app: FastAPI, server: Server) -> None:
    alice = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server)
    stranger = await add_web_client(server, "stranger")
    async with open_browser(app) as browser:
        flow = CodeFlow(browser, alice, shop)
        code = await flow.code()
        await CodeFlow(browser, alice, stranger).exchange(code)
    assert [event.type for event in await events(server)] == ["login.succeeded", "consent.granted"]


async def test_a_consent_that_is_denied_is_written_down(app: FastAPI, server: Server) -> None:
    alice = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server)
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        flow = CodeFlow(browser, alice, shop)
        await flow.deny(await flow.consent_page())
    assert await written(server, "consent.denied") == [an_event(alice.id, alice.id, shop.client_id)]
    assert await written(server, "consent.granted") == []


async def test_a_session_that_another_users_login_replaces_is_written_down_as_ended(
    app: FastAPI, server: Server, clock: TestClock
) -> None:
    alice = await add_somebody(server, "openid", "profile")
    bob = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server)
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        await CodeFlow(browser, alice, shop).tokens()
        clock.advance(1)
        await CodeFlow(browser, bob, shop).finish(prompt="login")
    assert await written(server, "session.ended") == [an_event(alice.id, alice.id, None)]


async def test_what_a_user_does_at_the_account_page_is_written_down(
    app: FastAPI, server: Server
) -> None:
    alice = await add_somebody(server, "openid", "profile")
    shop = await add_web_client(server, scopes=["openid", "profile"])
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = AGENT
        tokens = await CodeFlow(browser, alice, shop).tokens()
        for fields, more in (
            ({"action": "session"}, {}),
            ({"action": "application"}, {}),
            (
                {"action": "password"},
                {"current_password": alice.password, "new_password": NEW_PASSWORD},
            ),
        ):
            page = Page(await browser.get("/account"))
            response = await submit(browser, page.form_with(**fields), more)
            assert response.status_code == 303, response.text
        page = Page(await browser.get("/logout"))
        await submit(browser, page.form)
    login = str(login_of(tokens))
    assert await written(server, "session.ended") == [
        an_event(alice.id, alice.id, None, session=login),
        an_event(alice.id, alice.id, None),
    ]
    assert await written(server, "consent.withdrawn") == [
        an_event(alice.id, alice.id, shop.client_id)
    ]
    assert await written(server, "password.changed") == [an_event(alice.id, alice.id, None)]
