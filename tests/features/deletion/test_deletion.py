"""Users delete their own account, and can change their mind for some days."""

import asyncio
import re

import httpx2
import pytest
from fastapi import FastAPI

from app.features.deletion import LATE
from app.features.deletion.service import KEPT, REQUESTED
from app.identity.users import find_account
from app.management.authority import operating
from app.management.users import change_user
from app.operations.doctor import diagnose
from app.operations.purge import purge
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.deletion.closing import GRACE, close
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser, add_user, disable_user, log_in
from tests.support.flow import (
    STALE_FORM,
    Page,
    assert_error_page,
    assert_logged_in,
    assert_logged_out,
    open_browser,
    submit,
)
from tests.support.lifecycle import INACTIVE, add_refreshing, introspected
from tests.support.meanwhile import Meanwhile
from tests.support.operators import EVERY_SCOPE, events
from tests.support.untranslated import left_in_english, mark_sentences

CLOSED = "Your account is closed"
DELETED = "Your account has been deleted"
WRONG_LOGIN = "The user name or the password is wrong."
NOTHING_TO_KEEP = "There is no account to keep"


@pytest.fixture
def grace() -> int:
    return 14


@pytest.fixture
def settings(database_url: str, grace: int) -> Settings:
    return make_settings(
        database_url=database_url, account_deletion="on", account_deletion_grace=grace
    )


AT_ONCE = pytest.mark.parametrize("grace", [0], ids=["at_once"])


async def enter(browser: httpx2.AsyncClient, user: TestUser, password: str = "") -> httpx2.Response:
    form = Page(await browser.get("/login")).form
    fields = {"username": user.username, "password": password or user.password}
    return await submit(browser, form, fields)


@pytest.fixture
async def browser(http: httpx2.AsyncClient, alice: TestUser) -> httpx2.AsyncClient:
    """Alice, logged in."""
    await enter(http, alice)
    return http


async def delete(browser: httpx2.AsyncClient, password: str = PASSWORD) -> httpx2.Response:
    form = Page(await browser.get("/delete-account")).form
    return await submit(browser, form, {"current_password": password})


async def keep_page(browser: httpx2.AsyncClient, user: TestUser) -> httpx2.Response:
    """Where a login leads."""
    response = await enter(browser, user)
    assert response.status_code == 303, response.text
    return await browser.get(response.headers["location"])


async def exists(server: Server, user: TestUser) -> bool:
    async with server.database.read() as connection:
        return await find_account(connection, user.username) is not None


# Closing


async def test_the_account_page_leads_to_the_deletion(browser: httpx2.AsyncClient) -> None:
    page = Page(await browser.get("/account"))
    assert "Delete your account" in page.all("a")


async def test_the_page_says_what_ends_and_when(browser: httpx2.AsyncClient) -> None:
    page = Page(await browser.get("/delete-account"))
    assert page.heading == "Delete your account?"
    assert page.all("li")[1].startswith("For 14 days the account is closed.")


@AT_ONCE
async def test_without_grace_the_page_says_that_it_is_at_once(browser: httpx2.AsyncClient) -> None:
    page = Page(await browser.get("/delete-account"))
    assert "It is deleted now, with all that belongs to it, and nobody can bring it back." in (
        page.all("li")
    )


async def test_who_is_logged_out_is_led_to_the_login(http: httpx2.AsyncClient) -> None:
    form = {"current_password": PASSWORD}
    for response in (
        await http.get("/delete-account"),
        await http.post("/delete-account", data=form),
    ):
        assert (response.status_code, response.headers["location"][-6:]) == (303, "/login")


async def test_a_closed_account_is_disabled_for_everything_at_once(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server, alice: TestUser
) -> None:
    client = await add_refreshing(server)
    tokens = await log_in(browser, alice, client, "profile")
    async with open_browser(app) as other:
        await enter(other, alice)
        response = await delete(browser)
        page = Page(response)
        assert (response.status_code, page.heading) == (200, CLOSED)
        ends = (server.clock.now() + GRACE).strftime("%-d %B %Y, %H:%M UTC")
        assert f"alice will be deleted on {ends}." in page.text
        for each in (browser, other):
            await assert_logged_out(each)
    for name in ("access_token", "refresh_token"):
        assert await introspected(browser, client, tokens[name]) == INACTIVE
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    refused = await browser.post("/token", data=form, auth=client.basic)
    assert refused.json()["error"] == "invalid_grant"
    assert await exists(server, alice)
    (event,) = await events(server, event_type=REQUESTED)
    assert (event.actor, event.user_id) == (str(alice.id), str(alice.id))


@AT_ONCE
async def test_without_grace_the_account_is_gone_at_once(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    assert Page(await delete(browser)).heading == DELETED
    assert not await exists(server, alice)
    await assert_logged_out(browser)
    (event,) = await events(server, event_type="user.deleted")
    assert (event.actor, event.details) == (str(alice.id), {"username": "alice"})


@pytest.mark.parametrize("password", ["", "a wrong one"])
async def test_without_the_password_nothing_ends(
    browser: httpx2.AsyncClient, server: Server, password: str
) -> None:
    response = await delete(browser, password)
    page = Page(response)
    assert (response.status_code, page.alert) == (400, "The current password is wrong.")
    await assert_logged_in(browser)
    assert await events(server, event_type=REQUESTED) == []


@pytest.mark.parametrize("grace", [0, 14])
async def test_the_last_administrator_cannot_go(http: httpx2.AsyncClient, server: Server) -> None:
    root = await add_user(server, "root", scopes=EVERY_SCOPE)
    await enter(http, root)
    response = await delete(http)
    assert response.status_code == 400
    alert = "This is the last administrator: create another one first."
    assert Page(response).alert == alert
    await assert_logged_in(http, "root")
    await add_user(server, "other", scopes=EVERY_SCOPE)
    assert (await delete(http)).status_code == 200


@pytest.mark.parametrize("grace", [0, 14])
async def test_of_two_last_administrators_who_leave_at_once_one_stays(
    app: FastAPI, http: httpx2.AsyncClient, server: Server
) -> None:
    async with open_browser(app) as other:
        browsers = {"root": http, "other": other}
        for name, browser in browsers.items():
            await enter(browser, await add_user(server, name, scopes=EVERY_SCOPE))
        responses = await asyncio.gather(*map(delete, browsers.values()))
        assert sorted(response.status_code for response in responses) == [200, 400]


@pytest.mark.parametrize("grace", [0, 14])
async def test_a_form_without_its_token_or_from_another_site_ends_nothing(
    browser: httpx2.AsyncClient,
) -> None:
    form = Page(await browser.get("/delete-account")).form
    fields = {"current_password": PASSWORD}
    foreign = await submit(browser, form, fields, headers={"Sec-Fetch-Site": "cross-site"})
    of_the_account = Page(await browser.get("/account")).form_with(action="password").fields
    stale = await browser.post(
        "/delete-account", data=fields | {"form_token": of_the_account["form_token"]}
    )
    for response in (foreign, stale):
        assert_error_page(response, STALE_FORM)
    await assert_logged_in(browser)


async def test_a_session_that_ends_meanwhile_deletes_nothing(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, meanwhile: Meanwhile
) -> None:
    form = Page(await browser.get("/delete-account")).form
    meanwhile(server, lambda: disable_user(server, alice))
    response = await submit(browser, form, {"current_password": PASSWORD})
    assert (response.status_code, response.headers["location"][-6:]) == (303, "/login")
    assert await events(server, event_type=REQUESTED) == []


@pytest.mark.parametrize("grace", [14])
async def test_it_is_off_unless_it_is_switched_on(database_url: str, grace: int) -> None:
    assert make_settings(database_url=database_url).account_deletion == "off"


# Keeping


async def test_a_login_within_the_grace_offers_to_keep_the_account(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await delete(browser)
    page = Page(await keep_page(browser, alice))
    assert page.heading == "Keep your account?"
    kept = Page(await submit(browser, page.form))
    assert kept.heading == "Your account is kept"
    await enter(browser, alice)
    await assert_logged_in(browser)
    assert [each.actor for each in await events(server, event_type=KEPT)] == [str(alice.id)]
    server.clock.advance(GRACE.total_seconds() + 1)  # type: ignore[attr-defined]
    await purge(server)
    assert await exists(server, alice)


async def test_to_look_at_the_offer_keeps_nothing(
    browser: httpx2.AsyncClient, alice: TestUser
) -> None:
    await delete(browser)
    for _ in range(2):
        assert Page(await keep_page(browser, alice)).heading == "Keep your account?"
    await assert_logged_out(browser)


async def test_a_wrong_password_is_offered_nothing(
    browser: httpx2.AsyncClient, alice: TestUser
) -> None:
    await delete(browser)
    response = await enter(browser, alice, "a wrong one")
    assert (response.status_code, Page(response).alert) == (400, WRONG_LOGIN)


async def test_a_user_who_was_disabled_by_somebody_else_is_offered_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await disable_user(server, alice)
    response = await enter(http, alice)
    assert (response.status_code, Page(response).alert) == (400, WRONG_LOGIN)


async def test_who_an_administrator_disables_within_the_grace_is_offered_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    await close(server, alice)
    clock.advance(60)
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"disabled": True}, notify=server.notify)
    assert (await enter(http, alice)).status_code == 400


async def test_the_offer_is_good_in_the_browser_alone_in_which_the_password_was_typed(
    browser: httpx2.AsyncClient, app: FastAPI, alice: TestUser
) -> None:
    await delete(browser)
    location = (await enter(browser, alice)).headers["location"]
    form = Page(await browser.get(location)).form
    async with open_browser(app) as other:
        await other.get("/login")
        assert_error_page_to_log_in(await other.get(location))
        assert_error_page(await submit(other, form), STALE_FORM)
    forged = re.sub(r"proof=.", "proof=0x", location)
    assert_error_page_to_log_in(await browser.get(forged))


def assert_error_page_to_log_in(response: httpx2.Response) -> None:
    page = Page(response)
    assert (response.status_code, page.heading) == (400, NOTHING_TO_KEEP)
    assert page.tags["form"] == 0


@pytest.mark.parametrize("user", ["", "x", "00000000-0000-4000-8000-000000000000"])
async def test_what_is_no_user_is_offered_nothing(http: httpx2.AsyncClient, user: str) -> None:
    await http.get("/login")
    assert_error_page_to_log_in(await http.get("/keep-account", params={"user": user}))


async def test_when_the_grace_is_over_there_is_no_offer(
    browser: httpx2.AsyncClient, alice: TestUser, clock: TestClock
) -> None:
    await delete(browser)
    form = Page(await keep_page(browser, alice)).form
    clock.advance(GRACE.total_seconds())
    assert_error_page_to_log_in(await submit(browser, form))
    response = await enter(browser, alice)
    assert (response.status_code, Page(response).alert) == (400, WRONG_LOGIN)


# The purge


async def test_a_purge_deletes_what_is_due_and_nothing_else(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    bob = await add_user(server, "bob")
    await delete(browser)
    clock.advance(GRACE.total_seconds() - 1)
    assert (await purge(server))["users"] == 0
    clock.advance(1)
    assert (await purge(server))["users"] == 1
    assert (await exists(server, alice), await exists(server, bob)) == (False, True)
    (event,) = await events(server, event_type="user.deleted")
    assert (event.actor, event.user_id) == ("operator", str(alice.id))
    assert (await purge(server))["users"] == 0


async def test_who_was_enabled_by_an_administrator_meanwhile_stays(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    await delete(browser)
    for disabled in (False, True):
        clock.advance(1)
        async with operating(server.database, clock) as operator:
            await change_user(operator, alice.id, {"disabled": disabled})
    response = await enter(browser, alice)
    assert (response.status_code, Page(response).alert) == (400, WRONG_LOGIN)
    clock.advance(GRACE.total_seconds())
    assert (await purge(server))["users"] == 0
    assert await exists(server, alice)


async def test_an_account_can_be_closed_again(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    await delete(browser)
    clock.advance(60)
    async with operating(server.database, clock) as operator:
        await change_user(operator, alice.id, {"disabled": False})
    await enter(browser, alice)
    assert Page(await delete(browser)).heading == CLOSED
    clock.advance(GRACE.total_seconds())
    assert (await purge(server))["users"] == 1


async def test_the_doctor_finds_that_nobody_purges(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    await delete(browser)
    clock.advance((GRACE + LATE).total_seconds())
    assert "account-deletions" not in {each.check for each in await diagnose(server)}
    clock.advance(1)
    (found,) = [each for each in await diagnose(server) if each.check == "account-deletions"]
    assert found.found == "Accounts that should have been deleted by now: 1"
    await purge(server)
    assert "account-deletions" not in {each.check for each in await diagnose(server)}


async def test_many_that_are_due_are_deleted_in_short_transactions(
    server: Server, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.features.deletion.service.BATCH", 2)
    for number in range(5):
        user = await add_user(server, f"user{number}")
        await close(server, user)
    clock.advance(GRACE.total_seconds())
    told = 0

    async def progress() -> None:
        nonlocal told
        told += 1

    assert (await purge(server, progress=progress))["users"] == 5
    assert told >= 5


# Languages


async def test_no_sentence_of_the_pages_stays_in_english(
    http: httpx2.AsyncClient, alice: TestUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_sentences(monkeypatch)
    await enter(http, alice)
    asked = await http.get("/delete-account")
    wrong = await submit(http, Page(asked).form, {"current_password": "wrong"})
    closed = await submit(http, Page(wrong).form, {"current_password": PASSWORD})
    offered = await http.get((await enter(http, alice)).headers["location"])
    kept = await submit(http, Page(offered).form)
    nothing = await submit(http, Page(offered).form)
    for page in (asked, wrong, closed, offered, kept, nothing):
        assert left_in_english(page, "alice") == []
