"""The account page: browsers, logins of applications, what they may do, and the password."""

import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.database.paging import Place
from app.errors import NotFoundError
from app.identity import users
from app.login import browser_sessions as sessions
from app.login.authentication import AuthenticationError, Door
from app.login.browser_sessions import LiveSession, Session
from app.login.logins import LiveLogin, end_own_login, list_logins
from app.login.throttle import TooManyFailuresError
from app.oauth2.redirect_uris import with_parameters
from app.pages.browser import Browser, CurrentBrowser, LoggedOutError
from app.pages.errors import PageRoute
from app.pages.rendering import render
from app.security.passwords import QueueFullError, UnacceptablePasswordError
from app.server import CurrentServer, Server
from app.tokens import consents
from app.web.cursors import ROW_CURSOR, page, row_place_at, row_place_of
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "account"

SHOWN = 50
"""Browsers on a page, and logins of applications."""

WRONG = "The current password is wrong."

NOTICES = {
    "password": "Your password is changed. You are logged out everywhere else.",
    "session": "The session is ended.",
    "browser": "That browser is logged out.",
    "elsewhere": "You are logged out everywhere else.",
    "application": "The application may no longer use your account.",
}


@router.head("/account")
@router.get("/account")
async def account_page(
    server: CurrentServer,
    browser: CurrentBrowser,
    done: Annotated[str, Query()] = "",
    proof: Annotated[str, Query()] = "",
    browsers: Annotated[str, Query()] = "",
    logins: Annotated[str, Query()] = "",
) -> Response:
    """Show the account, or the login page first.

    ``done`` is believed with a ``proof`` alone: no link from elsewhere can say what was done.
    ``browsers`` and ``logins`` are where their lists begin, if not with the newest.
    """
    if browser.session is None:
        return _to_login(server)
    proven = server.form_tokens.check(proof, browser.key, f"done {done}")
    notice = NOTICES.get(done, "") if proven else ""
    return await _page(browser, browser.session, notice=notice, browsers=browsers, logins=logins)


@router.post("/account")
async def change_account(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Do what one of the forms of the page asks for. Whoever is logged out logs in first."""
    form = await browser.read_form()
    session = browser.session
    if session is None:
        return _to_login(server)
    browser.require_shown(form, PURPOSE)
    action = form.get("action", "")
    error = ""
    try:
        if action == "session":
            await _end(browser, end_own_login, form.get("session", ""))
        elif action == "browser":
            await _end(browser, sessions.end_own_session, form.get("browser", ""))
        elif action == "elsewhere":
            await _log_out_elsewhere(browser)
        elif action == "application":
            await _withdraw(browser, form.get("client", ""))
        elif action == "password":
            error = await _change_password(
                browser, session, form.get("current_password", ""), form.get("new_password", "")
            )
    except LoggedOutError:
        return _to_login(server)
    if error:
        return await _page(browser, session, error=error, status=400)
    proof = server.form_tokens.issue(browser.key, f"done {action}")
    told = {"done": action, "proof": proof}
    return RedirectResponse(with_parameters(f"{server.settings.issuer}/account", told), 303)


def _to_login(server: Server) -> Response:
    return RedirectResponse(f"{server.settings.issuer}/login", 303)


EndOwn = Callable[[AsyncConnection, uuid.UUID, uuid.UUID, datetime], Awaitable[None]]


async def _end(browser: Browser, end_own: EndOwn, ended_id: str) -> None:
    async def end(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        await end_own(connection, session.user_id, uuid.UUID(ended_id), now)
        ended = browser.event("session.ended", details={"session": ended_id})
        await record(connection, now, ended)

    with suppress(ValueError, NotFoundError):  # it is over already: what the user wanted is so
        await browser.transact(end)


async def _log_out_elsewhere(browser: Browser) -> None:
    async def log_out(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
        ended = browser.event("session.ended", details={"session": "all others"})
        await record(connection, now, ended)

    await browser.transact(log_out)


async def _withdraw(browser: Browser, client_id: str) -> None:
    async def withdraw(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        if await consents.withdraw(connection, session.user_id, client_id, now):
            await record(connection, now, browser.event("consent.withdrawn", client_id=client_id))

    await browser.transact(withdraw)


async def _change_password(
    browser: Browser, session: Session, current_password: str, new_password: str
) -> str:
    """Change the password; return what is wrong, or nothing. Raises :class:`LoggedOutError`."""
    server = browser.server
    door = Door("account", origin_of(browser.request), device=browser.key)
    try:
        account = await server.authenticator.authenticate(session.username, current_password, door)
        server.password_rules.check(new_password, session.username)
        password_hash = await server.passwords.hash(new_password)
    except AuthenticationError:
        return WRONG
    except TooManyFailuresError:
        return "Too many attempts have failed. Wait a few minutes, then try again."
    except UnacceptablePasswordError as refusal:
        text = str(refusal)
        return text[0].upper() + text[1:] + "."
    except QueueFullError:
        return "Many people log in at the moment. Try again in a few seconds."

    async def change(connection: AsyncConnection, session: Session) -> str:
        now = server.clock.now()
        if not await users.change_password(connection, account, password_hash, now):
            return WRONG  # by now
        await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
        await record(connection, now, browser.event("password.changed"))
        return ""

    return await browser.transact(change)


async def _page(
    browser: Browser,
    session: Session,
    *,
    notice: str = "",
    error: str = "",
    status: int = 200,
    browsers: str = "",
    logins: str = "",
) -> Response:
    server = browser.server
    async with server.database.read() as connection:
        now = server.clock.now()
        others = await sessions.list_other_sessions(
            connection, session, now, limit=SHOWN + 1, before=_place_at(browsers)
        )
        live = await list_logins(
            connection, session.user_id, now, limit=SHOWN + 1, before=_place_at(logins)
        )
        allowed = await consents.list_allowed(connection, session.user_id)
    described = await server.scopes.all()
    rendered = render(
        "account.html",
        server.settings,
        status=status,
        form_token=browser.form_token(PURPOSE),
        session=session,
        min_length=server.settings.password_min_length,
        browsers=others[:SHOWN],
        older_browsers=_behind(others),
        logins=live[:SHOWN],
        older_logins=_behind(live),
        applications=[
            (client, [described.get(scope, scope) for scope in client.scopes]) for client in allowed
        ],
        notice=notice,
        error=error,
    )
    return browser.remember(rendered)


def _place_at(cursor: str) -> Place | None:
    """None for what is no cursor: then the list begins with the newest."""
    return row_place_at(cursor) if re.fullmatch(ROW_CURSOR, cursor) else None


def _behind(listed: Sequence[LiveLogin | LiveSession]) -> str | None:
    """Where the next page begins, if there is one."""
    _, cursor = page(listed, SHOWN, lambda row: row_place_of(row.created_at, row.id))
    return cursor
