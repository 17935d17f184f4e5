"""Whoever has to have a passkey and has none gets one before they are logged in."""

from collections.abc import AsyncGenerator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.features.mfa.model import MfaRequirement
from app.features.passkeys.enrolment import BAD
from app.login.strength import Level
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mfa.phones import give_phone
from tests.features.passkeys.devices import (
    HERE,
    Browser,
    asked,
    begin,
    enter,
    log_in_with,
    login_form,
    options_in,
)
from tests.support.authenticator import Authenticator
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user
from tests.support.flow import USER_SCOPES, CodeFlow, Page, add_web_client, open_browser, submit
from tests.support.forger import read_claims
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events

HIDDEN = " No passkey was made. Perhaps there is one on this device already. Try again, or choose "
HIDDEN += "another device."
"""What the page says when its script gets none."""


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, issuer=HERE, passkeys=True)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=USER_SCOPES)


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(HERE)


@pytest.fixture
async def browser(app: FastAPI, server: Server) -> AsyncGenerator[Browser]:
    async with open_browser(app, HERE) as browser:
        yield browser


async def require(server: Server, **whom: object) -> None:
    values = {"level": int(Level.PASSKEY), **whom}
    async with server.database.transaction() as connection:
        await connection.execute(insert(MfaRequirement).values(**values))


async def step(browser: Browser, user: TestUser) -> httpx2.Response:
    """The page that comes after the right password."""
    response = await enter(browser, user)
    assert response.headers["location"] == f"{HERE}/second-factor"
    return await browser.get("/second-factor")


async def create(
    browser: Browser, page: httpx2.Response, device: Authenticator, **otherwise: str
) -> httpx2.Response:
    sent = device.make(options_in(page), **otherwise)
    return await submit(browser, login_form(page, "passkey"), {"name": "laptop", "passkey": sent})


async def is_logged_in(browser: Browser) -> bool:
    return (await browser.get("/account")).status_code == 200


async def test_a_user_of_whom_one_is_required_gets_it_after_the_password(
    server: Server, browser: Browser, alice: TestUser, device: Authenticator
) -> None:
    await require(server, user_id=alice.id)
    page = await step(browser, alice)
    assert Page(page).heading == "Add a passkey"
    assert not await is_logged_in(browser)
    done = Page(await create(browser, page, device))
    assert (done.heading, len(done.all("li"))) == ("Save your recovery codes", 10)
    assert await is_logged_in(browser)
    last = (await events(server, event_type="login.succeeded"))[-1]
    assert last.details["amr"] == ["pwd", "hwk", "user", "mfa"]
    assert len(await events(server, event_type="passkey.added")) == 1
    browser.cookies.clear()
    await log_in_with(browser, device.use(await asked(browser)))
    assert await is_logged_in(browser)


async def test_an_application_that_takes_one_leads_to_it_and_on(
    server: Server, browser: Browser, alice: TestUser, device: Authenticator
) -> None:
    shop = await add_web_client(server)
    await require(server, client_id="shop")
    flow = CodeFlow(browser, alice, shop)
    typed = login_form(await flow.login_page())
    password = {"username": alice.username, "password": alice.password}
    page = await flow.follow(await submit(browser, typed, password))
    codes = await create(browser, page, device)
    assert Page(codes).heading == "Save your recovery codes"
    tokens = await flow.tokens()
    told = read_claims(tokens["id_token"])
    assert (told["acr"], told["amr"]) == ("phr", ["pwd", "hwk", "user", "mfa"])


async def test_whoever_has_an_app_shows_it_first(
    server: Server, clock: TestClock, browser: Browser, alice: TestUser, device: Authenticator
) -> None:
    phone = await give_phone(server, clock, alice)
    await require(server, user_id=alice.id)
    page = await step(browser, alice)
    assert Page(page).heading == "One more step"
    onward = await submit(browser, login_form(page, "otp"), {"otp": phone.code()})
    page = await browser.get(onward.headers["location"])
    assert Page(page).heading == "Add a passkey"
    assert not await is_logged_in(browser)
    done = await create(browser, page, device)
    assert done.status_code == 303  # there are recovery codes already
    assert await is_logged_in(browser)


@pytest.mark.parametrize("otherwise", [{"origin": "https://example.com"}, {"rp_id": "example.com"}])
async def test_a_passkey_that_was_made_otherwise_logs_nobody_in(
    server: Server,
    browser: Browser,
    alice: TestUser,
    device: Authenticator,
    otherwise: dict[str, str],
) -> None:
    await require(server, user_id=alice.id)
    page = await step(browser, alice)
    refused = await create(browser, page, device, **otherwise)
    assert (refused.status_code, Page(refused).alert) == (400, BAD + HIDDEN)
    assert not await is_logged_in(browser)
    await create(browser, refused, device)
    assert await is_logged_in(browser)


async def test_a_challenge_of_the_account_page_is_none_for_it(
    app: FastAPI, server: Server, browser: Browser, alice: TestUser, device: Authenticator
) -> None:
    await enter(browser, alice)
    earlier = options_in(await begin(browser))
    await submit(browser, Page(await browser.get("/logout")).form)
    await require(server, user_id=alice.id)
    page = await step(browser, alice)
    sent = device.make(earlier)
    form = login_form(page, "passkey")
    refused = await submit(browser, form, {"name": "laptop", "passkey": sent})
    assert Page(refused).alert == BAD + HIDDEN
    assert not await is_logged_in(browser)
