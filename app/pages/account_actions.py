"""What the forms of the account page do, each by the name in its field ``action``."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.errors import LoginRefused, NotFoundError
from app.identity import users
from app.login import browser_sessions as sessions
from app.login.authentication import LoginContext
from app.login.browser_sessions import Session
from app.login.logins import end_own_login
from app.pages.browser import Browser
from app.pages.errors import say_refused
from app.security.passwords import UnacceptablePasswordError
from app.tokens import consents
from app.web.origin import origin_of

Form = Mapping[str, str]

WRONG = "The current password is wrong."


class ActionRefusedError(Exception):
    """Nothing was changed. The text is for the person at the browser."""


async def end_login(browser: Browser, _session: Session, form: Form) -> None:
    """End the login of an application."""
    ended_id = form.get("session", "")

    async def end(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        await end_own_login(connection, session.user_id, uuid.UUID(ended_id), now)
        await _record_end(connection, browser, ended_id)

    with suppress(ValueError, NotFoundError):  # it is over already: what the user wanted is so
        await browser.transact(end)


async def log_out_browser(browser: Browser, _session: Session, form: Form) -> None:
    """Log out in one other browser."""
    ended_id = form.get("browser", "")

    async def end(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        await sessions.end_own_session(connection, session.user_id, uuid.UUID(ended_id), now)
        await _record_end(connection, browser, ended_id)

    with suppress(ValueError, NotFoundError):
        await browser.transact(end)


async def log_out_elsewhere(browser: Browser, _session: Session, _form: Form) -> None:
    """Log out everywhere but here."""

    async def log_out(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
        await _record_end(connection, browser, "all others")

    await browser.transact(log_out)


async def _record_end(connection: AsyncConnection, browser: Browser, ended: str) -> None:
    event = browser.event("session.ended", details={"session": ended})
    await record(connection, browser.server.clock.now(), event)


async def withdraw_consent(browser: Browser, _session: Session, form: Form) -> None:
    """Take back what an application was allowed."""
    client_id = form.get("client", "")

    async def withdraw(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        if await consents.withdraw(connection, session.user_id, client_id, now):
            await record(connection, now, browser.event("consent.withdrawn", client_id=client_id))

    await browser.transact(withdraw)


async def change_password(browser: Browser, session: Session, form: Form) -> None:
    """Change the password, and log out everywhere else. Raises :class:`ActionRefusedError`."""
    server = browser.server
    current, new = form.get("current_password", ""), form.get("new_password", "")
    context = LoginContext("account", origin_of(browser.request), device=browser.key)
    try:
        account = await server.authenticator.authenticate(session.username, current, context)
        server.password_rules.check(new, session.username)
        password_hash = await server.passwords.hash(new)
    except LoginRefused as refusal:
        sentence, _status = say_refused(refusal, wrong=WRONG)
        raise ActionRefusedError(sentence) from None
    except UnacceptablePasswordError as refusal:
        text = str(refusal)
        raise ActionRefusedError(text[0].upper() + text[1:] + ".") from None

    async def change(connection: AsyncConnection, session: Session) -> None:
        now = server.clock.now()
        if not await users.change_password(connection, account, password_hash, now):
            raise ActionRefusedError(WRONG)  # by now
        await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
        await record(connection, now, browser.event("password.changed"))

    await browser.transact(change)


Action = Callable[[Browser, Session, Form], Awaitable[None]]

ACTIONS: Mapping[str, Action] = {
    "session": end_login,
    "browser": log_out_browser,
    "elsewhere": log_out_elsewhere,
    "application": withdraw_consent,
    "password": change_password,
}
"""Each raises :class:`~app.pages.browser.LoggedOutError` if the session is over."""
