"""The part of the account page in which people set up and remove their second factor."""

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.features.mfa.model import RecoveryCode, TotpSecret
from app.models import AuditEvent
from app.server import Server
from tests.features.mfa.phones import STEP, Phone, give_phone
from tests.features.mfa.test_pages import secret_on, show, type_password
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser
from tests.support.flow import Page, open_browser, submit
from tests.support.on_sqlite import backend as backend

WEAK = "Log out and log in again with your second factor before you change this."


@pytest.fixture
async def browser(http: httpx2.AsyncClient, alice: TestUser) -> httpx2.AsyncClient:
    """Alice, logged in at this server itself."""
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": alice.username, "password": alice.password})
    return http


async def press(browser: httpx2.AsyncClient, action: str, **fields: str) -> httpx2.Response:
    form = Page(await browser.get("/account")).form_with(action=action)
    return await submit(browser, form, fields)


async def has_app(server: Server) -> bool:
    async with server.database.read() as connection:
        return await connection.scalar(select(TotpSecret.confirmed_at)) is not None


async def types_of_events(server: Server) -> list[str]:
    async with server.database.read() as connection:
        query = select(AuditEvent.type).where(AuditEvent.type.startswith("mfa."))
        return list(await connection.scalars(query.order_by(AuditEvent.id)))


@pytest.mark.rfc("6238", "3", 2)
async def test_an_app_is_set_up_with_the_password_and_a_first_code(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    started = await press(browser, "enrol-otp", current_password=PASSWORD)
    page = Page(started)
    assert "<svg" in started.text
    assert not await has_app(server)
    phone = Phone(secret_on(page), clock, ())
    confirmed = Page(await show(browser, page, action="confirm-otp", otp=phone.code()))
    assert len([code for code in confirmed.all("code") if len(code) == 29]) == 10
    assert await has_app(server)
    again = await browser.get("/account")
    assert "10 left" in again.text
    assert phone.secret not in again.text.replace(" ", "")
    assert await types_of_events(server) == ["mfa.added"]


async def test_the_password_is_needed_to_set_one_up(
    browser: httpx2.AsyncClient, server: Server
) -> None:
    response = await press(browser, "enrol-otp", current_password="not the password")
    assert Page(response).alert == "The current password is wrong."
    async with server.database.read() as connection:
        assert await connection.scalar(select(TotpSecret.secret)) is None


async def test_a_wrong_first_code_changes_nothing(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    page = Page(await press(browser, "enrol-otp", current_password=PASSWORD))
    phone = Phone(secret_on(page), clock, ())
    refused = await show(browser, page, action="confirm-otp", otp=phone.wrong_code())
    again = Page(refused)
    assert again.alert == "The code is wrong. Take the one that the app shows now."
    assert "<svg" in refused.text
    assert secret_on(again) == phone.secret
    assert not await has_app(server)
    await show(browser, again, action="confirm-otp", otp=phone.code())
    assert await has_app(server)


async def test_a_secret_waits_for_its_first_code_for_a_quarter_of_an_hour(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    page = Page(await press(browser, "enrol-otp", current_password=PASSWORD))
    phone = Phone(secret_on(page), clock, ())
    clock.advance(15 * 60)
    await show(browser, page, action="confirm-otp", otp=phone.code())
    assert not await has_app(server)


async def log_in_with_code(http: httpx2.AsyncClient, user: TestUser, phone: Phone) -> None:
    page = await type_password(http, user)
    assert (await show(http, page, otp=phone.code())).status_code == 303


async def test_who_logged_in_with_it_removes_it_with_the_password(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    await log_in_with_code(http, alice, phone)
    refused = await press(http, "remove-otp", current_password="not the password")
    assert Page(refused).alert == "The current password is wrong."
    assert await has_app(server)
    assert (await press(http, "remove-otp", current_password=PASSWORD)).status_code == 303
    assert not await has_app(server)
    assert await types_of_events(server) == ["mfa.added", "mfa.removed"]


async def test_who_logged_in_without_it_cannot_remove_it(
    browser: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    await give_phone(server, clock, alice)
    for action in ("remove-otp", "recovery-codes"):
        response = await press(browser, action, current_password=PASSWORD)
        assert Page(response).alert == WEAK
    assert await has_app(server)


async def test_new_recovery_codes_end_the_old_ones(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, clock: TestClock
) -> None:
    await log_in_with_code(http, alice, phone)
    page = Page(await press(http, "recovery-codes", current_password=PASSWORD))
    new = [code for code in page.all("code") if len(code) == 29]
    http.cookies.clear()
    clock.advance(STEP)
    page = await type_password(http, alice)
    old = await show(http, page, recovery_code=phone.recovery_codes[0])
    assert old.status_code == 400
    assert (await show(http, Page(old), recovery_code=new[0])).status_code == 303


@pytest.mark.parametrize("changes", [{"mfa": "off"}], ids=["off"])
async def test_where_it_is_off_there_is_no_such_part(browser: httpx2.AsyncClient) -> None:
    assert "Second factor" not in Page(await browser.get("/account")).all("h2")


async def test_a_login_from_before_the_factor_finishes_no_second_one(
    browser: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser
) -> None:
    page = Page(await press(browser, "enrol-otp", current_password=PASSWORD))
    begun = Phone(secret_on(page), clock, ())
    theirs = await give_phone(server, clock, alice)
    refused = await show(browser, page, action="confirm-otp", otp=begun.code())
    assert Page(refused).alert == WEAK
    async with server.database.read() as connection:
        left = await connection.scalar(select(func.count()).select_from(RecoveryCode))
    assert left == len(theirs.recovery_codes)


async def test_an_app_that_was_begun_elsewhere_meanwhile_is_set_up_anew(
    browser: httpx2.AsyncClient, app: FastAPI, server: Server, clock: TestClock, alice: TestUser
) -> None:
    page = Page(await press(browser, "enrol-otp", current_password=PASSWORD))
    first = Phone(secret_on(page), clock, ())
    async with open_browser(app) as other:
        form = Page(await other.get("/login")).form
        await submit(other, form, {"username": alice.username, "password": alice.password})
        there = Page(await press(other, "enrol-otp", current_password=PASSWORD))
    assert secret_on(there) != first.secret
    refused = Page(await show(browser, page, action="confirm-otp", otp=first.code()))
    assert refused.alert == (
        "Set the app up anew: this took too long, or was begun again elsewhere."
    )
    assert not await has_app(server)
