"""The account page: sessions, allowed applications, and the password."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from app.errors import NotFoundError
from app.pages.browser import Browser, CurrentBrowser
from app.pages.rendering import render
from app.security.passwords import (
    QueueFullError,
    UnacceptablePasswordError,
    check_new_password,
)
from app.server import CurrentServer, Server
from app.services import consents, logins, sessions, users
from app.services.sessions import Session

router = APIRouter(include_in_schema=False)

PURPOSE = "account"

NOTICES = {
    "password": "Your password is changed. You are logged out everywhere else.",
    "session": "The session is ended.",
    "application": "The application may no longer use your account.",
}


@router.get("/account")
async def account_page(
    server: CurrentServer, browser: CurrentBrowser, done: Annotated[str, Query()] = ""
) -> Response:
    """Show the account, or the login page first."""
    if browser.session is None:
        return RedirectResponse(f"{server.settings.issuer}/login", 303)
    return await _page(browser, browser.session, notice=NOTICES.get(done, ""))


@router.post("/account")
async def change_account(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """End a session, take an application's permission back, or change the password."""
    form = await browser.read_form(PURPOSE)
    session = browser.session
    if session is None:
        return RedirectResponse(f"{server.settings.issuer}/login", 303)
    action = form.get("action", "")
    error = ""
    if action == "session":
        await _end_login(server, session, form.get("session", ""))
    elif action == "application":
        async with server.database.transaction() as connection:
            await consents.withdraw(
                connection, session.user_id, form.get("client", ""), server.clock.now()
            )
    elif action == "password":
        error = await _change_password(
            server, session, form.get("current_password", ""), form.get("new_password", "")
        )
    if error:
        return await _page(browser, session, error=error, status=400)
    return RedirectResponse(f"{server.settings.issuer}/account?done={action}", 303)


async def _end_login(server: Server, session: Session, login_id: str) -> None:
    try:
        async with server.database.transaction() as connection:
            await logins.end_own_login(
                connection, session.user_id, uuid.UUID(login_id), server.clock.now()
            )
    except (ValueError, NotFoundError):
        pass  # it is over already: what the user wanted is so


async def _change_password(
    server: Server, session: Session, current_password: str, new_password: str
) -> str:
    """Change the password; return what is wrong, or nothing."""
    async with server.database.read() as connection:
        stored = await users.find_password_hash(connection, session.user_id)
    try:
        matches, _ = await server.passwords.verify(current_password, stored)
        if not matches:
            return "The current password is wrong."
        check_new_password(new_password, session.username, server.settings.password_min_length)
        password_hash = await server.passwords.hash(new_password)
    except UnacceptablePasswordError as refusal:
        text = str(refusal)
        return text[0].upper() + text[1:] + "."
    except QueueFullError:
        return "Many people log in at the moment. Try again in a few seconds."
    now = server.clock.now()
    async with server.database.transaction() as connection:
        await users.change_password(connection, session.user_id, password_hash, now)
        await sessions.end_other_sessions(connection, session.user_id, session.id, now)
        await logins.end_logins_outside(connection, session.user_id, session.id, now)
    return ""


async def _page(
    browser: Browser, session: Session, *, notice: str = "", error: str = "", status: int = 200
) -> Response:
    server = browser.server
    async with server.database.read() as connection:
        live = await logins.list_logins(connection, session.user_id, server.clock.now())
        allowed = await consents.list_allowed(connection, session.user_id)
    described = await server.scopes.all()
    page = render(
        "account.html",
        status=status,
        form_token=browser.form_token(PURPOSE),
        username=session.username,
        min_length=server.settings.password_min_length,
        logins=live,
        applications=[
            (client, [described.get(scope, scope) for scope in client.scopes]) for client in allowed
        ],
        notice=notice,
        error=error,
    )
    return browser.remember(page)
