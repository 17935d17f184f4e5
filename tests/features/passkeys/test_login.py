"""Logging in with a passkey and nothing typed."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.features.authorization_code.model import BrowserSession
from app.features.passkeys.model import Passkey, UsedChallenge
from app.models import User
from app.operations.purge import purge
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.passkeys.devices import (
    HERE,
    Browser,
    add,
    asked,
    begin,
    come_back,
    enter,
    log_in_with,
    login_form,
    options_in,
)
from tests.support.authenticator import (
    BACKED_UP,
    EDDSA,
    ES256,
    RS256,
    USER_PRESENT,
    Authenticator,
    decoded,
    encoded,
)
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_client, add_user, disable_user
from tests.support.flow import (
    USER_SCOPES,
    CodeFlow,
    Page,
    add_web_client,
    open_browser,
    read_answer,
    submit,
)
from tests.support.forger import read_claims
from tests.support.operators import events

REFUSED = "This passkey was not accepted. Try again, or log in with your password."


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
async def alices(app: FastAPI, server: Server, alice: TestUser, device: Authenticator) -> Browser:
    """Alice's browser, logged in, whose device has her passkey."""
    browser = open_browser(app, HERE)
    await enter(browser, alice)
    assert "has been added" in (await add(browser, device)).text
    return browser


@pytest.fixture
def browser(app: FastAPI, alices: Browser) -> Browser:
    """A browser that nobody has logged in with."""
    return open_browser(app, HERE)


async def whose(browser: Browser) -> str | None:
    """Who is logged in."""
    response = await browser.get("/account")
    if response.status_code == 303:
        return None
    return Page(response).all("strong")[0]


async def reasons(server: Server) -> list[str]:
    failed = await events(server, event_type="login.failed")
    return [event.details["reason"] for event in failed]


async def assert_refused(server: Server, browser: Browser, sent: str, reason: str) -> None:
    response = await log_in_with(browser, sent)
    assert (response.status_code, Page(response).alert) == (400, REFUSED + NOT_USED)
    assert await whose(browser) is None
    assert await reasons(server) == [reason]


NOT_USED = " No passkey was used. Try again, or log in with your password."
"""Is in the page, and hidden."""

BAD = "an answer of a passkey that is not good"


@pytest.mark.rfc("webauthn", "5.4.3", 2)
@pytest.mark.rfc("webauthn", "7.2", 14)
@pytest.mark.parametrize("alg", [ES256, EDDSA, RS256])
async def test_a_passkey_logs_its_user_in(
    app: FastAPI, server: Server, alice: TestUser, alg: int
) -> None:
    device = Authenticator(HERE, alg=alg)
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        await add(browser, device)
    async with open_browser(app, HERE) as browser:
        response = await log_in_with(browser, device.use(await asked(browser)))
        assert response.status_code == 303
        assert await whose(browser) == "alice"
    last = (await events(server, event_type="login.succeeded"))[-1]
    assert last.details == {"door": "login", "amr": ["hwk", "user", "mfa"]}


@pytest.mark.rfc("webauthn", "5.4.3", 2)
@pytest.mark.rfc("webauthn", "14.6.2", 1)
@pytest.mark.rfc("webauthn", "14.6.3", 1)
async def test_nobody_is_named_to_the_browser_beforehand(browser: Browser) -> None:
    options = await asked(browser)
    assert options.pop("challenge")
    assert options == {
        "rpId": "localhost",
        "timeout": 300_000,
        "userVerification": "required",
        "allowCredentials": [],
    }


@pytest.mark.rfc("openid-connect-core", "2", 15)
async def test_a_login_for_an_application_goes_on_there_and_is_told_as_strong(
    server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    shop = await add_web_client(server)
    flow = CodeFlow(browser, alice, shop)
    form = login_form(await flow.login_page(), "passkey")
    sent = device.use(await asked(browser))
    consent = await flow.follow(await submit(browser, form, {"passkey": sent}))
    answer = read_answer(await flow.allow(consent))
    tokens = (await flow.exchange(answer["code"])).json()
    told = read_claims(tokens["id_token"])
    assert (told["acr"], told["amr"]) == ("phr", ["hwk", "user", "mfa"])


@pytest.mark.rfc("webauthn", "7.1", 13)
@pytest.mark.rfc("webauthn", "7.2", 15)
async def test_a_passkey_that_its_maker_syncs_is_a_key_in_software(
    app: FastAPI, server: Server, alice: TestUser
) -> None:
    device = Authenticator(HERE, synced=True, counts=False)
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        await add(browser, device)
    for _ in range(2):  # without a counter there is none that goes on
        async with open_browser(app, HERE) as browser:
            await log_in_with(browser, device.use(await asked(browser)))
            assert await whose(browser) == "alice"
    last = (await events(server, event_type="login.succeeded"))[-1]
    assert last.details["amr"] == ["swk", "user", "mfa"]


@pytest.mark.rfc("webauthn", "7.1", 14)
@pytest.mark.rfc("webauthn", "7.2", 17)
async def test_what_extensions_tell_that_nobody_asked_for_is_ignored(
    app: FastAPI, server: Server, alice: TestUser
) -> None:
    device = Authenticator(HERE, extensions={"credProtect": 2})
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        await add(browser, device)
    async with open_browser(app, HERE) as browser:
        await log_in_with(browser, device.use(await asked(browser)))
        assert await whose(browser) == "alice"


@pytest.mark.rfc("webauthn", "13.4.6", 1)
async def test_either_of_two_passkeys_logs_in(
    app: FastAPI, alices: Browser, device: Authenticator
) -> None:
    second = Authenticator(HERE)
    await come_back(alices, device)
    await add(alices, second, "phone")
    for each in (device, second):
        async with open_browser(app, HERE) as browser:
            await log_in_with(browser, each.use(await asked(browser)))
            assert await whose(browser) == "alice"


# What is refused


@pytest.mark.rfc("webauthn", "7.2", 3, 5, 6, 7, 8, 9)
@pytest.mark.rfc("webauthn", "13.4.3", 1)
@pytest.mark.rfc("webauthn", "13.4.8", 2)
@pytest.mark.rfc("webauthn", "13.4.9", 1, 2)
@pytest.mark.parametrize(
    ("otherwise", "reason"),
    [
        ({"origin": "https://localhost.example.com"}, BAD),
        ({"origin": "http://localhost:8001"}, BAD),
        ({"type": "webauthn.create"}, BAD),
        ({"rp_id": "example.com"}, BAD),
        ({"origin": "http://evil.localhost:8000"}, BAD),
        ({"crossOrigin": True}, "a passkey that was used in a frame of another site"),
        (
            {"topOrigin": "https://evil.example.com"},
            "a passkey that was used in a frame of another site",
        ),
        ({"user_handle": b"somebody else"}, "a passkey of another user"),
        ({"user_handle": b""}, "a passkey that does not say whose it is"),
        (
            {"challenge": encoded(b"made.9999999999.up")},
            "a challenge that is over, used or not for this browser",
        ),
        ({"challenge": encoded(b"\xff")}, "client data of a passkey that cannot be read"),
        ({"challenge": 7}, "client data of a passkey that cannot be read"),
    ],
)
async def test_an_answer_that_is_not_what_was_asked_for_is_refused(
    server: Server, browser: Browser, device: Authenticator, otherwise: dict[str, Any], reason: str
) -> None:
    sent = device.use(await asked(browser), **otherwise)
    await assert_refused(server, browser, sent, reason)


@pytest.mark.rfc("webauthn", "7.2", 5)
@pytest.mark.parametrize("sent", ["{}", "[]", "nothing", '{"id": 1}', "null", '{"id":"a"'])
async def test_what_is_no_answer_is_refused(server: Server, browser: Browser, sent: str) -> None:
    await assert_refused(server, browser, sent, "an answer of a passkey that cannot be read")


@pytest.mark.rfc("webauthn", "7.2", 14)
async def test_an_answer_that_was_tampered_with_is_refused(
    server: Server, browser: Browser, device: Authenticator
) -> None:
    device.verifies_user = False
    sent = json.loads(device.use(await asked(browser)))
    data = bytearray(decoded(sent["response"]["authenticatorData"]))
    data[32] |= 0x04  # the user was verified, it now says
    sent["response"]["authenticatorData"] = encoded(bytes(data))
    await assert_refused(server, browser, json.dumps(sent), BAD)


@pytest.mark.rfc("webauthn", "7.2", 13)
@pytest.mark.parametrize("synced", [True, False])
async def test_a_passkey_that_can_be_copied_stays_one_and_no_other_becomes_one(
    server: Server, app: FastAPI, alice: TestUser, synced: bool
) -> None:
    device = Authenticator(HERE, synced=synced)
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        await add(browser, device)
    device.synced = not synced
    async with open_browser(app, HERE) as browser:
        sent = device.use(await asked(browser))
        await assert_refused(
            server, browser, sent, "a passkey that can be copied now, or no longer can be"
        )


@pytest.mark.rfc("webauthn", "7.2", 11)
async def test_a_user_who_was_not_verified_is_refused(
    server: Server, browser: Browser, device: Authenticator
) -> None:
    device.verifies_user = False
    await assert_refused(server, browser, device.use(await asked(browser)), BAD)


@pytest.mark.rfc("webauthn", "7.2", 10, 12)
@pytest.mark.parametrize(
    "flags", [0, USER_PRESENT | BACKED_UP], ids=["nobody_was_there", "backed_up_and_never_can_be"]
)
async def test_an_authenticator_that_cannot_be_right_is_refused(
    server: Server, browser: Browser, device: Authenticator, flags: int
) -> None:
    device.flags = flags
    await assert_refused(server, browser, device.use(await asked(browser)), BAD)


@pytest.mark.rfc("webauthn", "7.2", 15, 16)
async def test_a_counter_that_goes_back_is_refused(
    server: Server, browser: Browser, device: Authenticator
) -> None:
    await log_in_with(browser, device.use(await asked(browser)))
    assert await whose(browser) == "alice"
    browser.cookies.clear()
    device.count -= 2
    sent = device.use(await asked(browser))
    await assert_refused(server, browser, sent, "the counter of a passkey went back")


@pytest.mark.rfc("webauthn", "7.2", 6)
async def test_an_answer_counts_once(server: Server, app: FastAPI, browser: Browser) -> None:
    bob, device = await add_user(server, "bob"), Authenticator(HERE, counts=False)
    async with open_browser(app, HERE) as own:
        await enter(own, bob)
        await add(own, device)
    sent = device.use(await asked(browser))
    await log_in_with(browser, sent)
    assert await whose(browser) == "bob"
    await submit(browser, Page(await browser.get("/logout")).form)
    over = "a challenge that is over, used or not for this browser"
    await assert_refused(server, browser, sent, over)


async def test_of_two_answers_to_one_challenge_at_once_one_counts(
    app: FastAPI, server: Server, alice: TestUser, device: Authenticator, browser: Browser
) -> None:
    form = login_form(await browser.get("/login"), "passkey")
    options = await asked(browser)
    sent = [device.use(options) for _ in range(4)]
    answers = await asyncio.gather(*(submit(browser, form, {"passkey": each}) for each in sent))
    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400]
    async with server.database.read() as connection:
        begun = select(BrowserSession.id).where(BrowserSession.user_id == alice.id)
        assert len((await connection.scalars(begun)).all()) == 2  # with that of the password


@pytest.mark.rfc("webauthn", "7.2", 6)
@pytest.mark.rfc("webauthn", "13.4.3", 1)
async def test_an_answer_counts_in_the_browser_that_was_asked_alone(
    server: Server, app: FastAPI, browser: Browser, device: Authenticator
) -> None:
    sent = device.use(await asked(browser))
    async with open_browser(app, HERE) as another:
        await another.get("/login")
        over = "a challenge that is over, used or not for this browser"
        await assert_refused(server, another, sent, over)


@pytest.mark.rfc("webauthn", "13.4.3", 3)
async def test_a_challenge_is_good_for_five_minutes(
    server: Server, clock: TestClock, browser: Browser, device: Authenticator
) -> None:
    options = await asked(browser)
    clock.advance(300)
    over = "a challenge that is over, used or not for this browser"
    await assert_refused(server, browser, device.use(options), over)


@pytest.mark.rfc("webauthn", "7.2", 6)
async def test_a_challenge_for_a_new_passkey_is_none_for_a_login(
    server: Server, alices: Browser, device: Authenticator
) -> None:
    await come_back(alices, device)
    options = options_in(await begin(alices))
    await submit(alices, Page(await alices.get("/logout")).form)
    over = "a challenge that is over, used or not for this browser"
    sent = device.use({"challenge": options["challenge"], "rpId": "localhost"})
    await assert_refused(server, alices, sent, over)


@pytest.mark.rfc("webauthn", "7.2", 4)
async def test_an_unknown_passkey_is_refused(server: Server, browser: Browser) -> None:
    stranger = Authenticator(HERE)
    stranger.make({"user": {"id": "AA"}, "rp": {"id": "localhost"}, "challenge": "AA"})
    sent = stranger.use(await asked(browser))
    await assert_refused(server, browser, sent, "an unknown passkey")


async def test_a_disabled_user_is_refused(
    server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    await disable_user(server, alice)
    reason = "disabled or given another password in the meantime"
    await assert_refused(server, browser, device.use(await asked(browser)), reason)


async def test_a_form_that_was_not_shown_logs_nobody_in(
    browser: Browser, device: Authenticator
) -> None:
    form = login_form(await browser.get("/login"), "passkey")
    sent = device.use(await asked(browser))
    await submit(browser, form, {"passkey": sent}, leave_out="form_token")
    assert await whose(browser) is None


async def test_a_network_that_keeps_failing_has_to_wait_and_fills_no_trail(
    app: FastAPI, server: Server, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.settings, "login_max_failures_per_address", 2)
    answers = [(await log_in_with(browser, "{}")).status_code for _ in range(4)]
    assert answers == [400, 400, 429, 429]
    assert len(await reasons(server)) == 2


# Around it


async def test_whoever_has_a_passkey_alone_gets_nothing_for_a_password(
    http: Browser, server: Server, alice: TestUser, browser: Browser, device: Authenticator
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(update(User).values(password_hash=None, password_kind=None))
    web = await add_client(server)
    form = {"grant_type": "password", "username": "alice", "password": alice.password}
    response = await http.post("/token", data=form, auth=web.basic)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    await log_in_with(browser, device.use(await asked(browser)))
    assert await whose(browser) == "alice"


async def test_used_challenges_are_purged_a_day_after_their_end(
    server: Server, clock: TestClock, alices: Browser
) -> None:
    async with server.database.read() as connection:
        assert len((await connection.scalars(select(UsedChallenge.challenge_hash))).all()) == 1
    clock.advance(300 + 24 * 3600)
    assert (await purge(server))["used_passkey_challenges"] == 0
    clock.advance(1)
    assert (await purge(server))["used_passkey_challenges"] == 1


async def test_the_time_of_the_last_use_is_noted(
    server: Server, clock: TestClock, browser: Browser, device: Authenticator
) -> None:
    clock.advance(60)
    await log_in_with(browser, device.use(await asked(browser)))
    async with server.database.read() as connection:
        assert await connection.scalar(select(Passkey.last_used_at)) == clock.now()
