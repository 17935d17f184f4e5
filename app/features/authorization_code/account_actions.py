"""What the forms of the account page do, each by the name in its field ``action``."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.errors import InvalidFieldsError, LoginRefused, NotFoundError, Problem
from app.feature import AccountAction
from app.features.authorization_code import browser_sessions as sessions
from app.features.authorization_code import consents
from app.features.authorization_code.browser import Browser
from app.features.authorization_code.browser_sessions import Session
from app.features.authorization_code.signed_in import end_logins_at
from app.identity import users
from app.identity.definition import Changes
from app.identity.profile import Profile
from app.identity.users import Account
from app.login.authentication import LoginContext
from app.login.logins import end_own_login
from app.login.notices import PasswordChanged
from app.management.authority import Actor
from app.management.own_profile import change_own_profile
from app.message import Message
from app.pages.errors import faults_in_words, say_refused, sentence
from app.security.passwords import UnacceptablePasswordError
from app.server import Server
from app.web.origin import origin_of

Form = Mapping[str, str]

WRONG = Message("The current password is wrong.")

TOO_WEAK = Message("Log out and log in again with your second factor before you change this.")

PROFILE = [name for name in Profile.model_fields if name != "email"]
"""The fields of its form: the address has a form of its own, which takes the password."""


class ActionRefusedError(Exception):
    """Nothing was changed. The text is for the person at the browser."""

    def __init__(self, told: str, faults: Mapping[str, str] | None = None) -> None:
        """``faults`` are what is wrong by field, for a form that tells it there."""
        super().__init__(told)
        self.faults = faults or {}


async def end_login(browser: Browser, _session: Session, form: Form) -> None:
    """End the login of an application."""
    ended_id = form.get("session", "")

    async def end(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        await end_own_login(connection, session.user_id, uuid.UUID(ended_id), now)
        await _record_end(connection, browser, ended_id)

    with suppress(ValueError, NotFoundError):  # it is over already: what the user wanted is so
        await browser.transact(end)


async def end_logins(browser: Browser, _session: Session, form: Form) -> None:
    """End all the logins of an application."""
    client_id = form.get("client", "")

    async def end(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        if await end_logins_at(connection, session.user_id, client_id, now):
            await _record_end(connection, browser, "all of the application", client_id=client_id)

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


async def _record_end(
    connection: AsyncConnection, browser: Browser, ended: str, client_id: str | None = None
) -> None:
    event = browser.event("session.ended", client_id=client_id, details={"session": ended})
    await record(connection, browser.server.clock.now(), event)


async def withdraw_consent(browser: Browser, _session: Session, form: Form) -> None:
    """Take back what an application was allowed."""
    client_id = form.get("client", "")

    async def withdraw(connection: AsyncConnection, session: Session) -> None:
        now = browser.server.clock.now()
        if await consents.withdraw(connection, session.user_id, client_id, now):
            await record(connection, now, browser.event("consent.withdrawn", client_id=client_id))

    await browser.transact(withdraw)


async def verify_password(browser: Browser, session: Session, form: Form) -> Account:
    """The user, who has typed the current password. Raises :class:`ActionRefusedError`.

    Also if they have to show more than that at a login, and did not at theirs.
    """
    context = LoginContext("account", origin_of(browser.request), device=browser.key, known=True)
    password = form.get("current_password", "")
    try:
        account = await browser.server.authenticator.authenticate(
            session.username, password, context
        )
        if account.id != session.user_id:  # the name was given to somebody else meanwhile
            raise LoginRefused("wrong", reason="another user")
    except LoginRefused as refusal:
        raise _refused(refusal) from None
    if not await browser.server.second_factors.shows_enough(session.user_id, session.amr):
        raise ActionRefusedError(TOO_WEAK)
    return account


def _refused(refusal: LoginRefused) -> ActionRefusedError:
    error, _status = say_refused(refusal, wrong=WRONG)
    return ActionRefusedError(error, {"current_password": error})


async def change_password(browser: Browser, session: Session, form: Form) -> None:
    """Change the password, and log out everywhere else. Raises :class:`ActionRefusedError`."""
    server = browser.server
    new = form.get("new_password", "")
    account = await verify_password(browser, session, form)
    try:
        server.password_rules.check(new, session.username)
        password_hash = await server.passwords.hash(new)
    except LoginRefused as refusal:
        raise _refused(refusal) from None
    except UnacceptablePasswordError as refusal:
        raise ActionRefusedError(sentence(str(refusal))) from None

    async def change(connection: AsyncConnection, session: Session) -> None:
        now = server.clock.now()
        if not await users.change_password(connection, account, password_hash, now):
            raise ActionRefusedError(WRONG)  # by now
        await sessions.log_out_elsewhere(connection, session.user_id, session.id, now)
        await record(connection, now, browser.event("password.changed"))
        origin = origin_of(browser.request)
        notice = PasswordChanged(user_id=session.user_id, at=now, origin=origin)
        await server.notify(connection, notice)

    await browser.transact(change)


async def change_profile(browser: Browser, session: Session, form: Form) -> None:
    """Write what is another value than the form showed. Raises :class:`ActionRefusedError`."""
    changes = {
        name: form.get(name, "").strip() or None
        for name in PROFILE
        if form.get(name) != form.get(f"shown_{name}")
    }
    await _change_profile(browser, changes)


async def change_email(browser: Browser, session: Session, form: Form) -> None:
    """Change the e-mail address, which is then unverified. Raises :class:`ActionRefusedError`."""
    proven = await verify_password(browser, session, form)
    await _change_profile(browser, {"email": form.get("email", "")}, proven)


async def _change_profile(
    browser: Browser, changes: Changes, proven: Account | None = None
) -> None:
    async def change(connection: AsyncConnection, session: Session) -> None:
        actor = await actor_of(connection, browser, session)
        await change_own_profile(actor, changes, proven=proven, notify=browser.server.notify)

    try:
        await browser.transact(change)
    except LoginRefused as refusal:
        raise _refused(refusal) from None
    except InvalidFieldsError as refusal:
        faults = faults_in_words(refusal)
        raise ActionRefusedError(next(iter(faults.values())), faults) from None


async def require_strong_login(
    connection: AsyncConnection, browser: Browser, session: Session
) -> None:
    """Raise :class:`ActionRefusedError` if the user has to show more at a login by now."""
    second_factors = browser.server.second_factors
    if await second_factors.level_missed(connection, session.user_id, session.amr) is not None:
        raise ActionRefusedError(TOO_WEAK)


async def actor_of(connection: AsyncConnection, browser: Browser, session: Session) -> Actor:
    """The user of a session that goes on through the transaction."""
    user = await users.get_account(connection, session.user_id)
    return Actor(
        connection=connection,
        clock=browser.server.clock,
        subject=str(user.id),
        scopes=user.scopes,
        origin=origin_of(browser.request),
        amr=session.amr,
        login=f"session {session.id}",
        notify=browser.server.notify,
    )


Action = Callable[[Browser, Session, Form], Awaitable[Mapping[str, Any] | None]]
"""What it returns is shown this once."""


def action_for(server: Server, name: str) -> Action | None:
    """What the form of that name asks for, on the page itself or in the section of a feature."""
    if name in ACTIONS:
        return ACTIONS[name]
    for section in server.account_sections:
        if name in section.actions:
            return partial(_act, section.actions[name])
    return None


async def _act(
    action: AccountAction, browser: Browser, session: Session, form: Form
) -> Mapping[str, Any]:
    server = browser.server
    account = await verify_password(browser, session, form) if action.takes_password else None

    async def act(connection: AsyncConnection, session: Session) -> Mapping[str, Any]:
        if account is not None and not await users.is_still_proven(connection, account):
            raise ActionRefusedError(WRONG)  # by now
        if action.takes_password or action.takes_strong_login:
            await require_strong_login(connection, browser, session)
        actor = await actor_of(connection, browser, session)
        return await action.act(actor, server.settings, form)

    try:
        return await browser.transact(act)
    except Problem as refusal:
        raise ActionRefusedError(sentence(refusal.told)) from None


ACTIONS: Mapping[str, Action] = {
    "session": end_login,
    "sessions": end_logins,
    "browser": log_out_browser,
    "elsewhere": log_out_elsewhere,
    "application": withdraw_consent,
    "profile": change_profile,
    "email": change_email,
    "password": change_password,
}
"""Each raises :class:`~.browser.LoggedOutError` if the session is over."""
