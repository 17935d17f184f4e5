"""A passkey after the password."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.login.strength import Level
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.passkeys.devices import HERE, Browser, add, asked, enter, login_form, options_in
from tests.support.authenticator import Authenticator, encoded
from tests.support.factories import TestUser, add_client, add_user
from tests.support.flow import Page, open_browser, submit
from tests.support.on_sqlite import backend as backend
from tests.support.operators import EVERY_SCOPE, add_console, add_somebody, events, token_of

REFUSED = "This passkey was not accepted. Try again."
NOT_USED = " No passkey was used. Try again."
"""Is in the page, and hidden."""

OVER = "a challenge that is over, used or not for this browser"


@pytest.fixture
def second_factor() -> str:
    return "optional"


@pytest.fixture
def settings(database_url: str, second_factor: str) -> Settings:
    return make_settings(database_url=database_url, issuer=HERE, passkeys=True, mfa=second_factor)


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(HERE)


@pytest.fixture
async def codes(app: FastAPI, alice: TestUser, device: Authenticator) -> list[str]:
    """Alice's recovery codes, which came with her passkey."""
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        return Page(await add(browser, device)).all("li")


@pytest.fixture
async def browser(app: FastAPI, codes: list[str]) -> AsyncGenerator[Browser]:
    """A browser that nobody has logged in with; alice has a passkey."""
    async with open_browser(app, HERE) as browser:
        yield browser


async def step(browser: Browser, user: TestUser) -> httpx2.Response:
    """The page that comes after the right password."""
    response = await enter(browser, user)
    assert (response.status_code, response.headers["location"]) == (303, f"{HERE}/second-factor")
    return await browser.get("/second-factor")


async def show(browser: Browser, page: httpx2.Response, sent: str) -> httpx2.Response:
    return await submit(browser, login_form(page, "passkey"), {"passkey": sent})


async def is_logged_in(browser: Browser) -> bool:
    return (await browser.get("/account")).status_code == 200


async def reasons(server: Server) -> list[str]:
    failed = await events(server, event_type="login.failed")
    return [event.details["reason"] for event in failed]


@pytest.mark.parametrize(
    ("verified", "amr"),
    [(True, ["pwd", "hwk", "user", "mfa"]), (False, ["pwd", "hwk", "mfa"])],
    ids=["verified", "not verified"],
)
async def test_after_the_password_comes_the_passkey_with_or_without_a_verified_user(
    server: Server,
    alice: TestUser,
    browser: Browser,
    device: Authenticator,
    verified: bool,
    amr: list[str],
) -> None:
    page = await step(browser, alice)
    assert not await is_logged_in(browser)
    device.verifies_user = verified
    response = await show(browser, page, device.use(options_in(page)))
    assert response.status_code == 303
    assert await is_logged_in(browser)
    last = (await events(server, event_type="login.succeeded"))[-1]
    assert last.details == {"door": "login", "amr": amr}


@pytest.mark.rfc("webauthn", "7.2", 1)
async def test_the_browser_is_told_the_passkeys_of_that_user_alone(
    app: FastAPI, server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    bob = await add_user(server, "bob")
    async with open_browser(app, HERE) as bobs:
        await enter(bobs, bob)
        await add(bobs, Authenticator(HERE))
    options = options_in(await step(browser, alice))
    assert options["allowCredentials"] == [
        {"type": "public-key", "id": encoded(device.id), "transports": []}
    ]
    assert options["userVerification"] == "preferred"


@pytest.mark.rfc("webauthn", "14.6.2", 1)
@pytest.mark.rfc("webauthn", "14.6.3", 1)
async def test_a_wrong_password_leads_to_no_list_of_passkeys(
    browser: Browser, alice: TestUser, device: Authenticator
) -> None:
    form = login_form(await browser.get("/login"))
    response = await submit(browser, form, {"username": "alice", "password": "wrong"})
    assert encoded(device.id) not in response.text
    asked_again = await browser.get("/second-factor")
    assert asked_again.status_code == 303


@pytest.mark.rfc("webauthn", "7.2", 2)
@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"origin": "https://localhost.example.com"}, "an answer of a passkey that is not good"),
        ({"user_handle": b"somebody else"}, "a passkey of another user"),
    ],
)
async def test_an_answer_that_is_not_what_was_asked_for_is_refused(
    server: Server,
    alice: TestUser,
    browser: Browser,
    device: Authenticator,
    otherwise: dict[str, Any],
    reason: str,
) -> None:
    page = await step(browser, alice)
    response = await show(browser, page, device.use(options_in(page), **otherwise))
    assert (response.status_code, Page(response).alert) == (400, REFUSED + NOT_USED)
    assert await reasons(server) == [reason]
    assert not await is_logged_in(browser)
    response = await show(browser, response, device.use(options_in(response)))
    assert await is_logged_in(browser)


@pytest.mark.rfc("webauthn", "7.2", 1, 2)
async def test_the_passkey_of_somebody_else_is_refused(
    app: FastAPI, server: Server, alice: TestUser, browser: Browser
) -> None:
    bob, bobs_device = await add_user(server, "bob"), Authenticator(HERE)
    async with open_browser(app, HERE) as bobs:
        await enter(bobs, bob)
        await add(bobs, bobs_device)
    page = await step(browser, alice)
    await show(browser, page, bobs_device.use(options_in(page)))
    assert await reasons(server) == ["a passkey of another user"]
    assert not await is_logged_in(browser)


async def test_a_challenge_of_the_login_page_is_none_for_the_second_step(
    server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    page = await step(browser, alice)
    await show(browser, page, device.use(await asked(browser)))
    assert await reasons(server) == [OVER]
    assert not await is_logged_in(browser)


async def test_a_challenge_of_the_second_step_is_none_for_the_login_page(
    server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    options = options_in(await step(browser, alice))
    form = login_form(await browser.get("/login"), "passkey")
    await submit(browser, form, {"passkey": device.use(options)})
    assert await reasons(server) == [OVER]


async def test_a_counter_that_goes_back_is_refused(
    server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    device.count -= 1
    page = await step(browser, alice)
    await show(browser, page, device.use(options_in(page)))
    assert await reasons(server) == ["the counter of a passkey went back"]
    assert not await is_logged_in(browser)


async def test_whoever_has_lost_it_uses_a_recovery_code(
    alice: TestUser, browser: Browser, codes: list[str]
) -> None:
    page = await step(browser, alice)
    form = login_form(page, "recovery_code")
    assert (await submit(browser, form, {"recovery_code": codes[0]})).status_code == 303
    assert await is_logged_in(browser)


async def test_a_program_is_told_to_ask_for_what_it_can_pass_on(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, codes: list[str]
) -> None:
    web = await add_client(server)
    form = {"grant_type": "password", "username": "alice", "password": alice.password}
    response = await http.post("/token", data=form, auth=web.basic)
    assert response.json()["error"] == "mfa_required"
    assert response.json()["mfa_methods"] == ["recovery_code"]


async def test_a_reset_by_an_administrator_takes_them_away(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, browser: Browser
) -> None:
    await add_console(server)
    as_admin = await token_of(server, await add_somebody(server, *EVERY_SCOPE), *EVERY_SCOPE)
    reset = await http.post(f"/users/{alice.id}/mfa/reset", headers=as_admin)
    assert reset.json()["removed"] == ["recovery_code", "passkey"]
    await enter(browser, alice)
    assert await is_logged_in(browser)


@pytest.mark.parametrize("second_factor", ["off"])
async def test_where_second_factors_are_off_the_password_is_enough(
    alice: TestUser, browser: Browser, codes: list[str]
) -> None:
    assert codes == []
    assert (await enter(browser, alice)).status_code == 303
    assert await is_logged_in(browser)


async def test_it_reaches_the_level_of_passkeys(server: Server) -> None:
    (factor,) = [each for each in server.second_factors.factors if each.method == "passkey"]
    assert (factor.level, factor.elsewhere) == (Level.PASSKEY, False)
    assert "phr" in server.second_factors.acr_values
