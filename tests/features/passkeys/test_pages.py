"""``/passkeys`` and the account page: passkeys are added, renamed and removed."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.features.authorization_code.account_actions import TOO_WEAK
from app.features.mfa import totp
from app.features.mfa.recovery_codes import use_recovery_code
from app.features.passkeys.enrolment import BAD
from app.features.passkeys.model import Passkey
from app.features.passkeys.pages import LOG_IN_AGAIN
from app.features.passkeys.service import MOST, PasskeyRecord, list_passkeys
from app.login.notices import CredentialAdded, FactorChanged, Notice
from app.models import User
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mfa.phones import give_phone
from tests.features.passkeys.devices import (
    HERE,
    Browser,
    add,
    asked,
    begin,
    come_back,
    enter,
    log_in_with,
    options_in,
)
from tests.support.authenticator import BACKED_UP, ES384, USER_PRESENT, Authenticator, encoded
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser, add_user, disable_user
from tests.support.flow import STALE_FORM, Page, assert_error_page, open_browser, submit
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import events


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, issuer=HERE, passkeys=True)


@pytest.fixture
def device() -> Authenticator:
    return Authenticator(HERE)


@pytest.fixture
async def browser(app: FastAPI, server: Server, alice: TestUser) -> AsyncGenerator[Browser]:
    """Alice, logged in with her password."""
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        yield browser


async def own(server: Server, user: TestUser) -> list[PasskeyRecord]:
    async with server.database.read() as connection:
        return await list_passkeys(connection, user.id)


# Adding one


@pytest.mark.rfc("webauthn", "7.1", 13)
@pytest.mark.rfc("webauthn", "13.4.6", 1)
@pytest.mark.rfc("webauthn", "15")
async def test_a_passkey_is_added_and_listed(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    added = await add(browser, device, "my laptop")
    assert Page(added).heading == "Your passkey has been added"
    assert "Add one on another device too" in added.text
    (record,) = await own(server, alice)
    assert (record.name, record.synced, record.last_used_at) == ("my laptop", False, None)
    assert "my laptop since" in Page(await browser.get("/account")).text
    (event,) = await events(server, event_type="passkey.added")
    assert event.details == {"passkey": str(record.id), "synced": False}


@pytest.mark.rfc("webauthn", "5.4", 1, 2)
@pytest.mark.rfc("webauthn", "5.4.3", 1)
@pytest.mark.rfc("webauthn", "5.4.4")
@pytest.mark.rfc("webauthn", "5.8.3")
@pytest.mark.rfc("webauthn", "7.1", 9, 13)
@pytest.mark.rfc("webauthn", "13.4.6", 2)
@pytest.mark.rfc("webauthn", "14.6.1", 1)
async def test_the_device_is_told_for_whom_and_what_there_is_already(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    device.transports = ("usb", "nfc")
    await add(browser, device)
    await come_back(browser, device)
    options = options_in(await begin(browser))
    assert options.pop("challenge")
    assert options == {
        "rp": {"id": "localhost", "name": "Latchkey"},
        "user": {"id": encoded(alice.id.bytes), "name": "alice", "displayName": "alice"},
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -8, -257)],
        "timeout": 300_000,
        "excludeCredentials": [
            {"type": "public-key", "id": encoded(device.id), "transports": ["nfc", "usb"]}
        ],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
    }


@pytest.mark.rfc("webauthn", "7.1", 13)
async def test_only_the_public_key_and_a_hash_for_the_index_are_stored(
    browser: Browser, server: Server, device: Authenticator
) -> None:
    await add(browser, device)
    async with server.database.read() as connection:
        stored = (await connection.execute(select(Passkey.__table__))).one()
    assert stored.credential_id == encoded(device.id)
    assert len(stored.credential_hash) == 64
    assert stored.sign_count == 1


async def test_a_new_one_is_told_to_its_user(
    browser: Browser,
    server: Server,
    alice: TestUser,
    device: Authenticator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Notice] = []

    async def note(_connection: object, notice: Notice) -> None:
        told.append(notice)

    monkeypatch.setattr(server, "notify", note)
    await add(browser, device)
    (notice,) = told
    assert isinstance(notice, CredentialAdded)
    assert (notice.user_id, notice.what) == (alice.id, "A passkey")


@pytest.mark.rfc("webauthn", "7.1", 1, 2, 3, 4, 5)
@pytest.mark.rfc("webauthn", "13.4.8", 2)
@pytest.mark.rfc("webauthn", "13.4.9", 1, 2)
@pytest.mark.parametrize(
    "otherwise",
    [
        {"origin": "https://localhost.example.com"},
        {"type": "webauthn.get"},
        {"rp_id": "example.com"},
        {"origin": "http://evil.localhost:8000"},
        {"crossOrigin": True},
        {"topOrigin": "https://evil.example.com"},
        {"challenge": encoded(b"made.9999999999.up")},
    ],
)
async def test_a_credential_that_was_made_otherwise_is_not_added(
    browser: Browser,
    server: Server,
    alice: TestUser,
    device: Authenticator,
    otherwise: dict[str, Any],
) -> None:
    page = await begin(browser)
    sent = device.make(options_in(page), **otherwise)
    response = await submit(browser, Page(page).form, {"passkey": sent})
    assert (response.status_code, Page(response).alert) == (400, BAD)
    assert await own(server, alice) == []


@pytest.mark.rfc("webauthn", "7.1", 9)
async def test_a_key_of_another_algorithm_is_not_added(
    browser: Browser, server: Server, alice: TestUser
) -> None:
    response = await add(browser, Authenticator(HERE, alg=ES384))
    assert (response.status_code, Page(response).alert) == (400, BAD)
    assert await own(server, alice) == []


@pytest.mark.rfc("webauthn", "7.1", 6, 8, 11)
@pytest.mark.parametrize(
    "device",
    [
        pytest.param(Authenticator(HERE, flags=0), id="nobody_was_there"),
        pytest.param(Authenticator(HERE, flags=USER_PRESENT | BACKED_UP), id="backed_up_in_vain"),
        pytest.param(Authenticator(HERE, id=b"x" * 1024), id="too_long_an_identifier"),
    ],
)
async def test_a_credential_that_no_authenticator_makes_is_not_added(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    response = await add(browser, device)
    assert (response.status_code, Page(response).alert) == (400, BAD)
    assert await own(server, alice) == []


@pytest.mark.rfc("webauthn", "7.1", 2)
async def test_a_challenge_makes_one_passkey(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    await add(browser, device)
    await come_back(browser, device)
    page = await begin(browser)
    options, form = options_in(page), Page(page).form
    await submit(browser, form, {"passkey": Authenticator(HERE).make(options)})
    second = await submit(browser, form, {"passkey": Authenticator(HERE).make(options)})
    assert Page(second).alert == BAD
    assert len(await own(server, alice)) == 2


async def test_a_login_from_before_the_factor_finishes_none(
    browser: Browser, server: Server, clock: TestClock, alice: TestUser, device: Authenticator
) -> None:
    page = await begin(browser)
    await give_phone(server, clock, alice)
    form = Page(page).form
    refused = await submit(browser, form, {"passkey": device.make(options_in(page))})
    assert Page(refused).alert == TOO_WEAK
    assert await own(server, alice) == []


async def test_codes_of_a_factor_that_is_gone_are_replaced_with_the_next(
    browser: Browser, server: Server, clock: TestClock, alice: TestUser, device: Authenticator
) -> None:
    phone = await give_phone(server, clock, alice)
    async with server.database.transaction() as connection:
        await totp.remove(connection, alice.id)
    page = Page(await add(browser, device))
    new = [code for code in page.all("code") if len(code) == 29]
    assert len(new) == 10
    assert set(new).isdisjoint(phone.recovery_codes)
    async with server.database.transaction() as connection:
        assert not await use_recovery_code(connection, alice.id, phone.recovery_codes[0])


@pytest.mark.rfc("webauthn", "7.1", 2)
async def test_a_challenge_for_a_login_makes_none(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    page = await begin(browser)
    options = options_in(page) | {"challenge": (await asked(browser))["challenge"]}
    response = await submit(browser, Page(page).form, {"passkey": device.make(options)})
    assert Page(response).alert == BAD
    assert await own(server, alice) == []


async def test_a_challenge_is_over_after_five_minutes_and_with_the_session(
    app: FastAPI,
    browser: Browser,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    device: Authenticator,
) -> None:
    page = await begin(browser)
    await submit(browser, Page(await browser.get("/logout")).form)
    await enter(browser, alice)
    form = Page(await browser.get("/passkeys")).form
    finish = {"action": "finish", "name": "laptop", "passkey": device.make(options_in(page))}
    assert Page(await submit(browser, form, finish)).alert == BAD
    page = await begin(browser)
    clock.advance(300)
    late = await submit(browser, Page(page).form, {"passkey": device.make(options_in(page))})
    assert Page(late).alert == BAD
    assert await own(server, alice) == []


@pytest.mark.rfc("webauthn", "7.1", 12)
async def test_a_credential_that_somebody_has_is_not_added_again(
    app: FastAPI, browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    await add(browser, device)
    bob = await add_user(server, "bob")
    async with open_browser(app, HERE) as bobs:
        await enter(bobs, bob)
        again = await add(bobs, device)
    assert Page(again).alert == "This passkey was added before."
    assert await own(server, bob) == []


async def test_without_the_password_nothing_is_begun(
    browser: Browser, server: Server, alice: TestUser
) -> None:
    page = await begin(browser, password="wrong")
    assert (page.status_code, Page(page).alert) == (400, "The current password is wrong.")
    form = Page(await browser.get("/passkeys")).form
    sent = Authenticator(HERE).make(
        {"user": {"id": "AA"}, "rp": {"id": "localhost"}, "challenge": "AA"}
    )
    refused = await submit(browser, form, {"action": "finish", "name": "n", "passkey": sent})
    assert Page(refused).alert == BAD
    assert await own(server, alice) == []


@pytest.mark.parametrize(
    ("name", "alert"),
    [
        ("  ", "A passkey has a name of 1 to 100 characters."),
        ("lap\u202etop", "A passkey has no control characters in its name."),
    ],
)
async def test_a_name_can_be_read(browser: Browser, name: str, alert: str) -> None:
    assert Page(await begin(browser, name)).alert == alert


async def test_a_user_has_fifty_at_most(
    browser: Browser, server: Server, device: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST == 50
    monkeypatch.setattr("app.features.passkeys.service.MOST", 1)
    await add(browser, device)
    await come_back(browser, device)
    response = await add(browser, Authenticator(HERE))
    assert Page(response).alert == "You have 1 passkeys: remove one first."


async def test_a_user_who_is_disabled_meanwhile_adds_none(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator, meanwhile: Meanwhile
) -> None:
    page = await begin(browser)
    sent = device.make(options_in(page))
    meanwhile(server, lambda: disable_user(server, alice))
    response = await submit(browser, Page(page).form, {"passkey": sent})
    assert (response.status_code, response.headers["location"]) == (303, f"{HERE}/login")
    assert await own(server, alice) == []


async def test_recovery_codes_come_with_the_first_one(
    browser: Browser, device: Authenticator
) -> None:
    assert len(Page(await add(browser, device)).all("li")) == 10
    await come_back(browser, device)
    assert "Recovery codes 10 left" in Page(await browser.get("/account")).text
    assert Page(await add(browser, Authenticator(HERE), "phone")).all("li") == []


# Changing one


async def change(browser: Browser, record: PasskeyRecord, **fields: str) -> Any:
    form = Page(await browser.get(f"/passkeys?passkey={record.id}")).form
    return await submit(browser, form, {"current_password": PASSWORD} | fields)


async def test_one_is_renamed_and_removed(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator
) -> None:
    await add(browser, device)
    await come_back(browser, device)
    (record,) = await own(server, alice)
    done = await change(browser, record, action="rename", name="desktop")
    assert (done.status_code, done.headers["location"]) == (303, f"{HERE}/account#passkeys")
    (renamed,) = await own(server, alice)
    assert (renamed.id, renamed.name) == (record.id, "desktop")
    await change(browser, record, action="remove")
    assert await own(server, alice) == []
    (event,) = await events(server, event_type="passkey.removed")
    assert event.details == {"passkey": str(record.id)}
    browser.cookies.clear()
    await log_in_with(browser, device.use(await asked(browser)))
    assert (await browser.get("/account")).status_code == 303


async def test_a_removal_is_told_to_its_user(
    browser: Browser,
    server: Server,
    alice: TestUser,
    device: Authenticator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await add(browser, device)
    await come_back(browser, device)
    (record,) = await own(server, alice)
    told: list[Notice] = []

    async def note(_connection: object, notice: Notice) -> None:
        told.append(notice)

    monkeypatch.setattr(server, "notify", note)
    await change(browser, record, action="remove")
    (notice,) = told
    assert isinstance(notice, FactorChanged)
    assert (notice.user_id, notice.what) == (alice.id, "removed")


@pytest.mark.parametrize("action", ["rename", "remove"])
async def test_without_the_password_nothing_is_changed(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator, action: str
) -> None:
    await add(browser, device)
    before = await own(server, alice)
    response = await change(
        browser, before[0], action=action, name="other", current_password="wrong"
    )
    assert Page(response).alert == "The current password is wrong."
    assert await own(server, alice) == before


@pytest.mark.parametrize("action", ["rename", "remove", "begin"])
async def test_a_login_from_before_the_first_passkey_changes_none(
    browser: Browser, server: Server, alice: TestUser, device: Authenticator, action: str
) -> None:
    await add(browser, device)
    before = await own(server, alice)
    response = await change(browser, before[0], action=action, name="other")
    told = "Log out and log in again with your second factor before you change this."
    assert Page(response).alert == told
    assert await own(server, alice) == before


@pytest.mark.parametrize("action", ["rename", "remove"])
async def test_nobody_changes_those_of_others(
    app: FastAPI,
    browser: Browser,
    server: Server,
    alice: TestUser,
    device: Authenticator,
    action: str,
) -> None:
    bob = await add_user(server, "bob")
    async with open_browser(app, HERE) as bobs:
        await enter(bobs, bob)
        await add(bobs, Authenticator(HERE))
    await add(browser, device)
    await come_back(browser, device)
    (mine,), before = await own(server, alice), await own(server, bob)
    for other in (str(before[0].id), "none"):
        response = await change(browser, mine, action=action, name="mine", id=other)
        assert Page(response).alert == "There is no such passkey."
        assert (await browser.get(f"/passkeys?passkey={other}")).status_code == 303
    assert await own(server, bob) == before


async def test_whoever_has_no_password_changes_them_right_after_a_login(
    browser: Browser, server: Server, clock: TestClock, alice: TestUser, device: Authenticator
) -> None:
    await add(browser, device)
    async with server.database.transaction() as connection:
        await connection.execute(update(User).values(password_hash=None, password_kind=None))
    browser.cookies.clear()
    await log_in_with(browser, device.use(await asked(browser)))
    (record,) = await own(server, alice)
    form = Page(await browser.get(f"/passkeys?passkey={record.id}")).form
    assert "current_password" not in form.fields
    clock.advance(timedelta(minutes=5).total_seconds())
    await submit(browser, form, {"action": "rename", "name": "new"})
    assert (await own(server, alice))[0].name == "new"
    clock.advance(1)
    late = await submit(browser, form, {"action": "remove"})
    assert Page(late).alert == LOG_IN_AGAIN
    assert len(await own(server, alice)) == 1


async def test_a_form_that_was_not_shown_changes_nothing(browser: Browser) -> None:
    form = Page(await browser.get("/passkeys")).form
    response = await submit(browser, form, {"name": "x"}, leave_out="form_token")
    assert_error_page(response, STALE_FORM)


async def test_whoever_is_not_logged_in_logs_in_first(app: FastAPI, server: Server) -> None:
    async with open_browser(app, HERE) as nobodys:
        sent = await nobodys.post("/passkeys", data={"action": "begin"})
        for response in (await nobodys.get("/passkeys"), sent):
            assert (response.status_code, response.headers["location"]) == (303, f"{HERE}/login")
