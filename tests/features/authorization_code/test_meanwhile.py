"""What happens between the check of a browser's session and the writing of what it asks for.

The session is looked at again in the transaction that writes. Whoever is logged out by then has
changed nothing, and is led to log in.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.authorization_code import browser_sessions as sessions
from app.features.authorization_code import consents
from app.features.authorization_code.authorizations import Code, consume_code
from app.features.authorization_code.model import (
    AuthorizationCode,
    BrowserSession,
    Consent,
    PendingAuthorization,
)
from app.identity import users
from app.identity.users import HeldUser, hold_user
from app.management.authority import operating
from app.management.clients import change_client, delete_client
from app.models import AuditEvent, Login
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestUser, disable_user
from tests.support.flow import (
    CALLBACK,
    CodeFlow,
    Page,
    add_web_client,
    assert_asks_to_allow,
    assert_asks_to_log_in,
    assert_code_answer,
    assert_error_answer,
    assert_error_page,
    assert_logged_in,
    read_answer,
    submit,
)
from tests.support.lifecycle import is_active, take_from_user
from tests.support.meanwhile import Meanwhile

NEW = "another long and good password"

Undoing = Callable[[Server, TestUser], Awaitable[None]]


async def log_out_everywhere(server: Server, user: TestUser) -> None:
    async with server.database.transaction() as connection:
        await sessions.end_other_sessions(connection, user.id, None, server.clock.now())


async def let_the_session_run_out(server: Server, user: TestUser) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(BrowserSession)
            .where(BrowserSession.user_id == user.id)
            .values(expires_at=server.clock.now())
        )


UNDOINGS = pytest.mark.parametrize(
    "undo",
    [
        pytest.param(log_out_everywhere, id="logged_out"),
        pytest.param(let_the_session_run_out, id="run_out"),
        pytest.param(disable_user, id="disabled"),
    ],
)


async def events(server: Server) -> list[str]:
    async with server.database.read() as connection:
        return list(await connection.scalars(select(AuditEvent.type).order_by(AuditEvent.id)))


async def codes(server: Server) -> int:
    async with server.database.read() as connection:
        return len((await connection.scalars(select(AuthorizationCode.code_hash))).all())


async def remembered(server: Server) -> set[str]:
    async with server.database.read() as connection:
        return set(await connection.scalars(select(Consent.scope)))


# The account page


@UNDOINGS
@pytest.mark.parametrize("action", ["session", "browser", "elsewhere", "application", "password"])
async def test_a_form_of_the_account_page_changes_nothing_once_its_session_is_over(
    flow: CodeFlow,
    server: Server,
    other_browser: httpx2.AsyncClient,
    meanwhile: Meanwhile,
    action: str,
    undo: Undoing,
) -> None:
    elsewhere = CodeFlow(other_browser, flow.user, flow.client, scope="profile offline_access")
    kept = await elsewhere.tokens()
    await flow.finish()
    page = Page(await flow.browser.get("/account"))
    field = {"session": "session", "browser": "browser", "application": "client"}.get(action)
    forms = [form for form in page.forms if form.fields.get("action") == action]
    form = forms[-1] if field else page.form_with(action=action)
    before, allowed = await events(server), await remembered(server)
    meanwhile(server, lambda: undo(server, flow.user))
    fields = {"current_password": PASSWORD, "new_password": NEW} if action == "password" else {}
    response = await submit(flow.browser, form, fields)
    assert (response.status_code, response.headers["location"]) == (303, f"{flow.origin}/login")
    assert (await events(server), await remembered(server)) == (before, allowed)
    if undo is not disable_user:
        assert await is_active(flow.browser, flow.client, kept["refresh_token"])


async def test_a_password_that_was_changed_meanwhile_is_not_overwritten(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile
) -> None:
    await flow.finish()
    form = Page(await flow.browser.get("/account")).form_with(action="password")

    async def change() -> None:
        async with server.database.transaction() as connection:
            account = await users.get_account(connection, flow.user.id)
            assert await users.change_password(
                connection, account, "the hash of somebody faster", server.clock.now()
            )

    meanwhile(server, change)
    response = await submit(flow.browser, form, {"current_password": PASSWORD, "new_password": NEW})
    assert (response.status_code, Page(response).alert) == (400, "The current password is wrong.")
    async with server.database.read() as connection:
        account = await users.get_account(connection, flow.user.id)
    assert account.password_hash == "the hash of somebody faster"
    assert "password.changed" not in await events(server)


# The consent page


@UNDOINGS
@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_an_answer_at_the_consent_page_counts_for_nothing_once_its_session_is_over(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile, decision: str, undo: Undoing
) -> None:
    page = await flow.consent_page()
    before = await events(server)
    meanwhile(server, lambda: undo(server, flow.user))
    assert_asks_to_log_in(await flow.decide(page, decision))
    assert (await codes(server), await remembered(server)) == (0, set())
    assert await events(server) == before


async def test_a_scope_that_is_taken_away_at_the_last_moment_is_not_allowed(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile
) -> None:
    page = await flow.consent_page(scope="profile email")
    meanwhile(server, lambda: take_from_user(server, flow.user, "email"))
    code = read_answer(await flow.allow(page))["code"]
    assert (await flow.exchange(code)).json()["scope"] == "profile"
    assert await remembered(server) == {"profile"}


async def test_a_max_age_that_passes_at_the_last_moment_asks_for_the_password(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile, clock: TestClock
) -> None:
    await flow.finish(scope="profile")
    clock.advance(1)
    page = await flow.consent_page(scope="profile email", max_age="60")

    async def wait() -> None:
        clock.advance(60)

    meanwhile(server, wait)
    assert_asks_to_log_in(await flow.allow(page))
    assert await remembered(server) == {"profile"}


# The code that is issued without asking


@UNDOINGS
async def test_no_code_is_issued_once_the_session_is_over(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile, undo: Undoing
) -> None:
    await flow.finish()
    before = await codes(server)
    meanwhile(server, lambda: undo(server, flow.user))
    assert_asks_to_log_in(await flow.start())
    assert await codes(server) == before


@UNDOINGS
async def test_a_silent_request_is_told_that_a_login_is_required_then(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile, undo: Undoing
) -> None:
    await flow.finish()
    meanwhile(server, lambda: undo(server, flow.user))
    response = await flow.start(prompt="none")
    assert_error_answer(response, "login_required", "The user must log in.")


async def test_no_code_is_issued_on_a_consent_that_was_just_taken_back(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile
) -> None:
    await flow.finish()
    before = await codes(server)

    async def withdraw() -> None:
        async with server.database.transaction() as connection:
            now = server.clock.now()
            assert await consents.withdraw(connection, flow.user.id, "shop", now)

    meanwhile(server, withdraw)
    assert_asks_to_allow(await flow.start())
    assert await codes(server) == before


# The client


async def disable_and_enable(server: Server) -> None:
    for disabled in (True, False):
        async with operating(server.database, server.clock) as operator:
            await change_client(operator, "shop", {"disabled": disabled})


async def delete(server: Server) -> None:
    async with operating(server.database, server.clock) as operator:
        await delete_client(operator, "shop")


async def delete_and_register(server: Server) -> None:
    await delete(server)
    await add_web_client(server, redirect_uris=[CALLBACK])


LOSSES = pytest.mark.parametrize("lose", [disable_and_enable, delete, delete_and_register])

CHANGED = "The application changed while you were logging in"


async def waiting(server: Server) -> int:
    async with server.database.read() as connection:
        return len(
            (
                await connection.scalars(
                    select(PendingAuthorization.key_hash).where(
                        PendingAuthorization.answer.is_(None)
                    )
                )
            ).all()
        )


@LOSSES
async def test_a_client_that_loses_everything_meanwhile_is_issued_no_code(
    flow: CodeFlow,
    server: Server,
    meanwhile: Meanwhile,
    lose: Callable[[Server], Awaitable[None]],
) -> None:
    await flow.code()
    meanwhile(server, lambda: lose(server))
    assert_error_page(await flow.start(), CHANGED)
    async with server.database.read() as connection:
        unused = select(AuthorizationCode.code_hash).where(AuthorizationCode.used_at.is_(None))
        assert (await connection.scalars(unused)).all() == []


@LOSSES
async def test_a_client_that_loses_everything_meanwhile_is_allowed_nothing(
    flow: CodeFlow,
    server: Server,
    meanwhile: Meanwhile,
    lose: Callable[[Server], Awaitable[None]],
) -> None:
    page = await flow.consent_page()
    meanwhile(server, lambda: lose(server))
    assert_error_page(await flow.allow(page), CHANGED)
    assert (await codes(server), await remembered(server)) == (0, set())


@LOSSES
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_of_a_client_that_loses_everything_meanwhile_does_not_wait(
    flow: CodeFlow,
    server: Server,
    meanwhile: Meanwhile,
    lose: Callable[[Server], Awaitable[None]],
    method: str,
) -> None:
    meanwhile(server, lambda: lose(server))
    pairs = list(flow.parameters().items())
    assert_error_page(await flow.send(method, pairs), CHANGED)
    assert await waiting(server) == 0


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")
async def test_a_client_can_be_disabled_while_it_redeems_a_code(
    flow: CodeFlow, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's row is held before those of its codes, by either: else a deadlock."""
    code = await flow.code()
    disabling: list[asyncio.Task[None]] = []
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    async def disable() -> None:
        async with operating(server.database, server.clock) as operator:
            await change_client(operator, "shop", {"disabled": True})

    async def be_disabled_then(*arguments: Any) -> Code | None:
        used = await consume_code(*arguments)
        disabling.append(asyncio.create_task(disable()))
        async with server.database.read() as connection:
            while not await connection.scalar(waiting):
                pass
        return used

    monkeypatch.setattr("app.features.authorization_code.grant.consume_code", be_disabled_then)
    response = await flow.exchange(code)
    assert response.status_code == 200, response.text
    await disabling[0]
    async with server.database.read() as connection:
        logins = await connection.scalars(select(Login.id).where(Login.ended_at.is_(None)))
        assert logins.all() == []


# Logging out and in


async def test_two_browsers_whose_users_change_places_hold_them_in_one_order(
    flow: CodeFlow,
    bob: TestUser,
    other_browser: httpx2.AsyncClient,
    clock: TestClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each login holds its user, and the one whose session it ends: else a deadlock."""
    other = CodeFlow(other_browser, bob, flow.client)
    for each in (flow, other):
        await each.finish()
    clock.advance(1)
    pages = [await each.login_page(prompt="login") for each in (flow, other)]
    held: list[UUID] = []

    async def note(connection: AsyncConnection, user_id: UUID) -> HeldUser | None:
        held.append(user_id)
        return await hold_user(connection, user_id)

    for place in ("app.identity.users", "app.features.authorization_code.browser"):
        monkeypatch.setattr(f"{place}.hold_user", note)
    await flow.log_in(pages[0], username=bob.username, password=bob.password)
    first = list(dict.fromkeys(held))
    held.clear()
    await other.log_in(pages[1], username=flow.user.username, password=flow.user.password)
    assert first == list(dict.fromkeys(held)) == sorted([bob.id, flow.user.id])
    await assert_logged_in(flow.browser, "bob")
    await assert_logged_in(other.browser, "alice")


async def test_a_logout_whose_session_is_over_meanwhile_is_done_and_writes_nothing(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile
) -> None:
    await flow.finish()
    form = Page(await flow.browser.get("/logout")).form
    before = await events(server)
    meanwhile(server, lambda: log_out_everywhere(server, flow.user))
    response = await submit(flow.browser, form)
    assert (response.status_code, Page(response).heading) == (200, "You have been logged out")
    assert await events(server) == before


async def test_a_login_does_not_revive_what_a_logout_in_another_tab_just_ended(
    flow: CodeFlow, server: Server, meanwhile: Meanwhile, clock: TestClock
) -> None:
    """The same user's new session takes the place of the old one, unless that is over."""
    code = await flow.code()
    clock.advance(1)
    page = await flow.login_page(prompt="login")
    meanwhile(server, lambda: log_out_everywhere(server, flow.user))
    assert_code_answer(await flow.log_in(page))
    response = await flow.exchange(code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
