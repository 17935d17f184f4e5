"""The account page: browsers, logins of applications, what they may do, and the password."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.errors import NotFoundError
from app.identity import users
from app.login import browser_sessions as sessions
from app.login import logins
from app.login.authentication import AuthenticationError, Door
from app.login.browser_sessions import Session
from app.login.throttle import TooManyFailuresError
from app.oauth2.redirect_uris import with_parameters
from app.pages.browser import Browser, CurrentBrowser
from app.pages.errors import PageRoute
from app.pages.rendering import render
from app.security.passwords import QueueFullError, UnacceptablePasswordError
from app.server import CurrentServer
from app.tokens import consents
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "account"

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
) -> Response:
    """Show the account, or the login page first.

    ``done`` is believed with a ``proof`` alone: no link from elsewhere can say what was done.
    """
    if browser.session is None:
        return RedirectResponse(f"{server.settings.issuer}/login", 303)
    proven = server.form_tokens.check(proof, browser.key, f"done {done}")
    return await _page(browser, browser.session, notice=NOTICES.get(done, "") if proven else "")


@router.post("/account")
async def change_account(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Do what one of the forms of the page asks for. Whoever is logged out logs in first."""
    form = await browser.read_form()
    session = browser.session
    if session is None:
        return RedirectResponse(f"{server.settings.issuer}/login", 303)
    browser.require_shown(form, PURPOSE)
    action = form.get("action", "")
    error = ""
    if action == "session":
        await _end(browser, session, logins.end_own_login, form.get("session", ""))
    elif action == "browser":
        await _end(browser, session, sessions.end_own_session, form.get("browser", ""))
    elif action == "elsewhere":
        async with server.database.transaction() as connection:
            now = server.clock.now()
            await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
            ended = browser.event("session.ended", details={"session": "all others"})
            await record(connection, now, ended)
    elif action == "application":
        async with server.database.transaction() as connection:
            now = server.clock.now()
            client_id = form.get("client", "")
            if await consents.withdraw(connection, session.user_id, client_id, now):
                withdrawn = browser.event("consent.withdrawn", client_id=client_id)
                await record(connection, now, withdrawn)
    elif action == "password":
        error = await _change_password(
            browser, session, form.get("current_password", ""), form.get("new_password", "")
        )
    if error:
        return await _page(browser, session, error=error, status=400)
    proof = server.form_tokens.issue(browser.key, f"done {action}")
    told = {"done": action, "proof": proof}
    return RedirectResponse(with_parameters(f"{server.settings.issuer}/account", told), 303)


EndOwn = Callable[[AsyncConnection, uuid.UUID, uuid.UUID, datetime], Awaitable[None]]


async def _end(browser: Browser, session: Session, end_own: EndOwn, ended_id: str) -> None:
    server = browser.server
    try:
        async with server.database.transaction() as connection:
            now = server.clock.now()
            await end_own(connection, session.user_id, uuid.UUID(ended_id), now)
            details = {"session": ended_id}
            await record(connection, now, browser.event("session.ended", details=details))
    except (ValueError, NotFoundError):
        pass  # it is over already: what the user wanted is so


async def _change_password(
    browser: Browser, session: Session, current_password: str, new_password: str
) -> str:
    """Change the password; return what is wrong, or nothing."""
    server = browser.server
    door = Door("account", origin_of(browser.request), device=browser.key)
    try:
        account = await server.authenticator.authenticate(session.username, current_password, door)
        server.password_rules.check(new_password, session.username)
        password_hash = await server.passwords.hash(new_password)
    except AuthenticationError:
        return "The current password is wrong."
    except TooManyFailuresError:
        return "Too many attempts have failed. Wait a few minutes, then try again."
    except UnacceptablePasswordError as refusal:
        text = str(refusal)
        return text[0].upper() + text[1:] + "."
    except QueueFullError:
        return "Many people log in at the moment. Try again in a few seconds."
    now = server.clock.now()
    async with server.database.transaction() as connection:
        if not await users.change_password(connection, account, password_hash, now):
            return "The current password is wrong."
        await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
        await record(connection, now, browser.event("password.changed"))
    return ""


async def _page(
    browser: Browser, session: Session, *, notice: str = "", error: str = "", status: int = 200
) -> Response:
    server = browser.server
    async with server.database.read() as connection:
        now = server.clock.now()
        browsers = await sessions.list_sessions(connection, session.user_id, now)
        live = await logins.list_logins(connection, session.user_id, now)
        allowed = await consents.list_allowed(connection, session.user_id)
    described = await server.scopes.all()
    page = render(
        "account.html",
        server.settings,
        status=status,
        form_token=browser.form_token(PURPOSE),
        session=session,
        min_length=server.settings.password_min_length,
        browsers=sorted(browsers, key=lambda live: live.id != session.id),
        logins=live,
        applications=[
            (client, [described.get(scope, scope) for scope in client.scopes]) for client in allowed
        ],
        notice=notice,
        error=error,
    )
    return browser.remember(page)
