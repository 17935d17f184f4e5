"""What users hear of: new devices, another password, another address."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.audit.trail import NOWHERE
from app.features.mail.model import KnownDevice
from app.features.mail.notices import KEPT_FOR, KNOWN_FOR, MOST_IN_AN_HOUR
from app.login.notices import AccountEnds, CredentialAdded, FactorChanged
from app.management.authority import operating
from app.management.users import change_user, set_password
from app.operations.purge import purge
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mail.sent import mails
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    log_in,
)
from tests.support.flow import Page, open_browser, submit
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import EVERY_SCOPE, token_of

ALICES = "alice@example.com"
NEW_PASSWORD = "another long and good password"
SCOPES = ("profile", "email", "account")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=SCOPES)


@pytest.fixture
async def console(server: Server) -> TestClient:
    return await add_client(server, "console", scopes=EVERY_SCOPE)


@pytest.fixture
async def elsewhere(app: FastAPI, http: httpx2.AsyncClient) -> AsyncGenerator[httpx2.AsyncClient]:
    """A browser that nobody has logged in with."""
    async with open_browser(app) as browser:
        browser.headers["User-Agent"] = FIREFOX
        yield browser


async def enter(
    browser: httpx2.AsyncClient, password: str = PASSWORD, name: str = "alice"
) -> httpx2.Response:
    form = Page(await browser.get("/login")).form
    return await submit(browser, form, {"username": name, "password": password})


async def leave(browser: httpx2.AsyncClient) -> None:
    await submit(browser, Page(await browser.get("/logout")).form)


async def fill_in(browser: httpx2.AsyncClient, action: str, **fields: str) -> httpx2.Response:
    form = Page(await browser.get("/account")).form_with(action=action)
    return await submit(browser, form, fields)


async def told(server: Server, to: str = ALICES) -> list[str]:
    return [mail.kind for mail in await mails(server, to)]


# New devices


async def test_a_login_from_a_new_browser_is_told_with_when_and_where_and_what_to_do(
    http: httpx2.AsyncClient, elsewhere: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http)
    assert await told(server) == []  # with nothing to compare it to
    await enter(elsewhere)
    (mail,) = await mails(server, ALICES)
    assert mail.subject == "New login at Latchkey"
    assert f"When: {server.clock.now():%-d %B %Y, %H:%M} UTC" in mail.text
    assert "From the address: 127.0.0.1" in mail.text
    assert "With: Firefox on Linux" in mail.text
    assert "change your password there now" in mail.text
    assert "http://127.0.0.1:8000/account" in mail.text


async def test_a_browser_is_new_once(
    http: httpx2.AsyncClient, elsewhere: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    for browser in (http, elsewhere, http, elsewhere):
        assert (await enter(browser)).status_code == 303
        await leave(browser)
    assert await told(server) == ["new-login"]


async def test_a_browser_is_new_again_after_half_a_year_without_a_login(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    await enter(http)
    clock.advance(KNOWN_FOR.total_seconds())
    await enter(http)
    assert await told(server) == []
    clock.advance(KNOWN_FOR.total_seconds() + 1)
    await enter(http)
    assert await told(server) == ["new-login"]


async def test_a_browser_that_one_user_knows_is_new_to_another(
    http: httpx2.AsyncClient, elsewhere: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await add_user(server, "bob")
    await enter(elsewhere, name="bob")
    await leave(elsewhere)
    await enter(http)
    await enter(elsewhere)
    assert await told(server) == ["new-login"]


async def test_an_application_is_known_by_its_network(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, console: TestClient
) -> None:
    other = await add_client(server, "another", scopes=SCOPES)
    for client in (console, console, other, other):
        await log_in(http, alice, client, "profile")
    assert await told(server) == ["new-login"]


async def test_a_login_that_is_refused_in_the_end_is_told_to_nobody(
    http: httpx2.AsyncClient,
    elsewhere: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    meanwhile: Meanwhile,
) -> None:
    await enter(http)
    assert (await enter(elsewhere, "a wrong password")).status_code == 400
    form = Page(await elsewhere.get("/login")).form

    async def reset() -> None:
        async with operating(server.database, server.clock) as operator:
            password_hash = server.passwords.hash_now(NEW_PASSWORD)
            await set_password(operator, alice.id, password_hash, revoke=[])

    meanwhile(server, reset)
    filled = {"username": "alice", "password": PASSWORD}
    assert (await submit(elsewhere, form, filled)).status_code == 400
    assert await told(server) == []


async def test_somebody_with_the_password_cannot_fill_the_mailbox(
    app: FastAPI, http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    for _ in range(MOST_IN_AN_HOUR + 3):
        async with open_browser(app) as browser:
            await enter(browser)
    assert await told(server) == ["new-login"] * (MOST_IN_AN_HOUR - 1)


async def test_a_user_turns_mails_of_new_devices_off_and_on(
    http: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    await enter(http)
    form = Page(await http.get("/account")).form_with(action="notices")
    assert (await submit(http, form, leave_out="new-login")).status_code == 303
    async with open_browser(app) as browser:
        await enter(browser)
    assert await told(server) == []
    await fill_in(http, "notices")
    async with open_browser(app) as browser:
        await enter(browser)
    assert await told(server) == ["new-login"]


async def test_who_turned_them_off_still_hears_of_a_changed_password(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http)
    form = Page(await http.get("/account")).form_with(action="notices")
    await submit(http, form, leave_out="new-login")
    await fill_in(http, "password", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert await told(server) == ["password-changed"]


async def test_devices_that_were_not_used_for_so_long_are_purged(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    await enter(http)
    clock.advance(KEPT_FOR.total_seconds() + 1)
    assert (await purge(server))["known_devices"] == 1


async def test_an_address_that_nobody_verified_is_told_nothing(
    http: httpx2.AsyncClient, elsewhere: httpx2.AsyncClient, server: Server
) -> None:
    await add_user(server, "carol", email_verified=False)
    await enter(http, name="carol")
    await enter(elsewhere, name="carol")
    await fill_in(http, "password", current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert await mails(server) == []


# Passwords


async def test_a_password_that_was_changed_at_the_account_page_is_told(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http)
    await fill_in(http, "password", current_password=PASSWORD, new_password=NEW_PASSWORD)
    (mail,) = await mails(server, ALICES)
    assert mail.subject == "Your password at Latchkey was changed"
    assert "The password of your account at Latchkey was changed.\n" in mail.text
    assert "Account: alice\n" in mail.text
    assert "From the address: 127.0.0.1" in mail.text
    assert "If it was not you" in mail.text


async def test_a_password_that_was_changed_over_the_api_is_told(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, console: TestClient
) -> None:
    tokens = await log_in(http, alice, console, "account")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    headers = bearer(tokens["access_token"])
    assert (await http.post("/users/me/password", json=body, headers=headers)).status_code == 204
    assert await told(server) == ["password-changed"]


async def test_a_password_that_an_administrator_set_is_told_without_where_that_one_is(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, console: TestClient
) -> None:
    root = await add_user(server, "root", scopes=EVERY_SCOPE)
    headers = await token_of(server, root, *EVERY_SCOPE)
    body = {"password": NEW_PASSWORD}
    response = await http.post(f"/users/{alice.id}/password", json=body, headers=headers)
    assert response.status_code == 204
    (mail,) = await mails(server, ALICES)
    assert "was changed.\n\nAn administrator has done this.\n" in mail.text
    assert "127.0.0.1\n" not in mail.text
    assert await told(server, "root@example.com") == []


async def test_a_change_that_fails_is_told_to_nobody(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http)
    for password in ("short", PASSWORD[:-1]):
        await fill_in(http, "password", current_password=PASSWORD, new_password="short")
        await fill_in(http, "password", current_password=password, new_password=NEW_PASSWORD)
        await fill_in(http, "email", current_password=password, email="new@example.com")
    assert await mails(server) == []


# Addresses


async def test_a_changed_address_is_told_to_the_old_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await enter(http)
    await fill_in(http, "email", current_password=PASSWORD, email="new@example.com")
    (mail,) = await mails(server, ALICES)
    assert mail.subject == "Your e-mail address at Latchkey was changed"
    assert "no longer goes to the one that it had before" in mail.text
    assert "From the address: 127.0.0.1" in mail.text
    assert "new@example.com" not in mail.text  # it may be anybody's


async def test_an_address_that_an_administrator_verified_is_told_as_well_as_the_old_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, console: TestClient
) -> None:
    root = await add_user(server, "root", scopes=EVERY_SCOPE)
    headers = await token_of(server, root, *EVERY_SCOPE)
    changes = {"email": "new@example.com", "email_verified": True}
    response = await http.patch(f"/users/{alice.id}", json=changes, headers=headers)
    assert response.status_code == 200
    for address in (ALICES, "new@example.com"):
        (mail,) = await mails(server, address)
        assert "was changed.\n\nAn administrator has done this.\n" in mail.text


async def test_an_address_that_was_removed_is_told(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, console: TestClient
) -> None:
    tokens = await log_in(http, alice, console, "account")
    body = {"email": None, "current_password": PASSWORD}
    await http.patch("/users/me", json=body, headers=bearer(tokens["access_token"]))
    (mail,) = await mails(server, ALICES)
    assert mail.subject == "Your e-mail address at Latchkey was removed"


async def test_an_old_address_that_nobody_verified_is_told_nothing(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_user(server, "carol", email_verified=False)
    await enter(http, name="carol")
    await fill_in(http, "email", current_password=PASSWORD, email="new@example.com")
    assert await told(server, "carol@example.com") == []


async def test_a_change_that_leaves_the_address_alone_is_told_to_nobody(
    server: Server, alice: TestUser
) -> None:
    async with operating(server.database, server.clock) as operator:
        changes = {"name": "Alice", "email_verified": False}
        await change_user(operator, alice.id, changes, notify=server.notify)
    assert await mails(server) == []


async def test_production_without_a_mail_server_notes_no_devices(
    server: Server, settings: Settings, alice: TestUser, clock: TestClock
) -> None:
    production = make_settings(
        database_url=settings.database_url,
        environment="production",
        issuer="https://auth.example.com",
        secret_key="a secret key of thirty-two bytes or more",
    )
    from app.audit.trail import NOWHERE
    from app.login.notices import LoggedIn

    notice = LoggedIn(user_id=alice.id, at=clock.now(), origin=NOWHERE, client_id="web")
    quiet = Server(production, clock, server.features)
    async with server.database.transaction() as connection:
        await quiet.notify(connection, notice)
        assert await connection.scalar(select(func.count()).select_from(KnownDevice)) == 0
    await quiet.close()


@pytest.mark.parametrize(
    ("days", "subject", "told"),
    [
        pytest.param(
            14,
            "Your account at Latchkey will be deleted",
            "Your account at Latchkey has been closed, and will be deleted on",
            id="later",
        ),
        pytest.param(
            0,
            "Your account at Latchkey was deleted",
            "Your account at Latchkey was deleted, and all that belonged to it.",
            id="at_once",
        ),
    ],
)
async def test_a_user_hears_of_the_end_of_the_account(
    server: Server, alice: TestUser, days: int, subject: str, told: str
) -> None:
    now = server.clock.now()
    ends_at = now + timedelta(days=days)
    notice = AccountEnds(user_id=alice.id, at=now, origin=NOWHERE, ends_at=ends_at)
    async with server.database.transaction() as connection:
        await server.notify(connection, notice)
    (mail,) = await mails(server, ALICES)
    assert mail.subject == subject
    assert told in " ".join(mail.text.split())
    assert ("To keep it, log in at" in mail.text) == bool(days)
    assert (f"{ends_at:%-d %B %Y, %H:%M} UTC" in mail.text) or not days


# Another credential


async def test_another_credential_is_told_with_what_to_do(server: Server, alice: TestUser) -> None:
    now = server.clock.now()
    notice = CredentialAdded(user_id=alice.id, at=now, origin=NOWHERE, what="An app password")
    async with server.database.transaction() as connection:
        await server.notify(connection, notice)
    (mail,) = await mails(server, ALICES)
    assert (mail.kind, mail.subject) == (
        "credential-added",
        "An app password was added to your account at Latchkey",
    )
    assert f"When: {now:%-d %B %Y, %H:%M} UTC" in mail.text
    assert "If it was not you, remove it at your account page" in mail.text


async def test_another_credential_is_not_told_to_an_unverified_address(server: Server) -> None:
    bob = await add_user(server, "bob", email_verified=False)
    notice = CredentialAdded(
        user_id=bob.id, at=server.clock.now(), origin=NOWHERE, what="An app password"
    )
    async with server.database.transaction() as connection:
        await server.notify(connection, notice)
    assert await mails(server) == []


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("added", "A second factor was set up for"),
        ("removed", "A second factor was removed from"),
        ("reset", "An administrator removed the second factor from"),
        ("recovery_code_used", "Someone used a recovery code to log in to"),
        (
            "recovery_codes_replaced",
            "The recovery codes of your account at Latchkey were replaced.",
        ),
    ],
)
async def test_what_happens_to_the_second_factor_is_told(
    server: Server, alice: TestUser, what: Any, told: str
) -> None:
    notice = FactorChanged(user_id=alice.id, at=server.clock.now(), origin=NOWHERE, what=what)
    async with server.database.transaction() as connection:
        await server.notify(connection, notice)
    (mail,) = await mails(server, ALICES)
    assert (mail.kind, mail.subject) == ("second-factor", "Your second factor at Latchkey")
    assert " ".join(mail.text.split()).startswith(told)
    to_do = "If you did not expect this" if what == "reset" else "If it was not you"
    assert to_do in mail.text
