"""The login page."""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, Origin, network_of, record
from app.clock import Clock
from app.database.engines import Database
from app.errors import LoginRefused
from app.features.authorization_code.authorizations import Pending
from app.features.authorization_code.browser import Browser, CurrentBrowser, LoggedInBrowser, Wanted
from app.features.authorization_code.code_flow import (
    RequestKey,
    load_pending,
    look_ahead,
    proceed,
    proceed_after_login,
    wanted_by,
)
from app.features.authorization_code.next_step import LogIn
from app.features.authorization_code.redirect_uris import form_targets
from app.features.authorization_code.way_back import lead_back
from app.identity.clients import RegisteredClient
from app.identity.profile import USERNAME_MAX_LENGTH, username_key
from app.identity.users import get_account
from app.login.authentication import SUCCEEDED, LoginContext, UserDisabledError
from app.login.counts import count_try
from app.login.second_step import SecondStep, Shown
from app.login.ways import LoginWay
from app.message import Message
from app.pages.errors import PageRoute, say_refused
from app.pages.rendering import redirect, render
from app.server import Server
from app.settings import Settings
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "login"

WRONG = Message("The user name or the password is wrong.")

OVERTAKEN = Message(
    "You may have logged in or out in another tab, or your browser may be blocking cookies. "
    "Log in again here."
)

NextPage = Annotated[str, Query(alias="next")]
"""The name of the page that asked for the login, in the address of this one."""

ASKING = ("docs",)
"""The pages that ask for a login, beside the account page: a link leads on to no others."""


@router.head("/login")
@router.get("/login")
async def login_page(
    server: CurrentServer,
    browser: CurrentBrowser,
    key: RequestKey = "",
    switch: Annotated[str, Query()] = "",
    next_page: NextPage = "",
) -> Response:
    """Ask for name and password, for a pending request or for the page that is next.

    ``switch`` is for whoever is logged in and wants to be somebody else.
    """
    if not key:
        if await browser.entered() is not None:
            return onward_to(server, next_page)
        return _page(browser, None, None, next_page=next_page)
    pending, client = await load_pending(server, key)
    step = await look_ahead(browser, pending, client)
    if isinstance(step, LogIn) or (switch and "none" not in pending.request.prompt):
        return _page(browser, pending, client, username=pending.request.login_hint)
    return browser.remember(await proceed(browser, pending, client))


@router.post("/login")
async def log_in(
    server: CurrentServer, browser: CurrentBrowser, next_page: NextPage = ""
) -> Response:
    """Check name and password; go on with the pending request, or to the page that is next."""
    form = await browser.read_form()
    pending, client = None, None
    if "request" in form:
        pending, client = await load_pending(server, form["request"], or_answered=True)
    username = form.get("username", "")
    shown = browser.was_shown(form, PURPOSE) or await browser.was_shown_before(form, PURPOSE)
    if not shown:
        return await _go_on(browser, pending, client, username, next_page)
    way = next((each for each in server.login_ways if each.field in form), None)
    try:
        wanted = wanted_by(pending)
        if way is not None:
            begun = await _log_in_by(way, browser, form, wanted)
        else:
            begun = await _log_in_by_password(browser, form, wanted)
    except LoginRefused as refusal:
        if isinstance(refusal, UserDisabledError):
            led_back = await lead_back(browser, refusal.account)
            if led_back is not None:
                return led_back
        error, status = say_refused(refusal, wrong=way.wrong if way else WRONG)
        page = _page(
            browser,
            pending,
            client,
            username=username,
            next_page=next_page,
            error=error,
            status=status,
        )
        if refusal.why == "wait":
            page.headers["Retry-After"] = str(refusal.retry_after)
        return page
    return await go_on(browser, begun, pending, client, next_page)


async def _log_in_by_password(
    browser: Browser, form: Mapping[str, str], wanted: Wanted
) -> LoggedInBrowser | SecondStep:
    context = LoginContext("login", origin_of(browser.request), wanted.client_id, browser.key)
    account = await browser.server.authenticator.authenticate(
        form.get("username", ""), form.get("password", ""), context
    )
    return await browser.log_in(account, wanted)


async def _log_in_by(
    way: LoginWay, browser: Browser, form: Mapping[str, str], wanted: Wanted
) -> LoggedInBrowser | SecondStep:
    """Log in without a password. Raises :class:`LoginRefused`, and notes why."""
    server, origin, user_id = browser.server, origin_of(browser.request), None
    try:
        async with server.database.read() as connection:
            user_id = await way.find(connection, form[way.field])
            account = await get_account(connection, user_id)

        async def prove(connection: AsyncConnection) -> Sequence[str]:
            shown = Shown(
                connection=connection,
                settings=server.settings,
                user_id=account.id,
                fields=form,
                client_id=wanted.client_id,
                origin=origin,
                clock=server.clock,
                notify=server.notify,
                browser=browser.key,
            )
            return await way.prove(shown)

        begun = await browser.log_in(account, wanted, prove)
    except LoginRefused as refusal:
        _count(server, refusal.reason)
        await _note_failure(
            server.database,
            server.settings,
            server.clock,
            origin,
            user_id=user_id,
            client_id=wanted.client_id,
            reason=refusal.reason,
        )
        raise
    _count(server, SUCCEEDED)
    return begun


async def _note_failure(
    database: Database,
    settings: Settings,
    clock: Clock,
    origin: Origin,
    *,
    user_id: uuid.UUID | None,
    client_id: str | None,
    reason: str,
) -> None:
    """Write down that what somebody showed was refused.

    Nobody guesses what they show, so it is no failure of the account. Where a network keeps at it,
    it has to wait: raises :class:`~app.errors.LoginRefused`.
    """
    failed = Event(
        type="login.failed",
        user_id=user_id,
        client_id=client_id,
        origin=origin,
        details={"door": "login", "reason": reason},
    )

    async def note(connection: AsyncConnection) -> None:
        now, network = clock.now(), network_of(origin.address)
        limit = settings.login_max_failures_per_address
        await count_try(connection, settings, f"login without a password {network}", limit, now)
        await record(connection, now, failed)

    await database.transact(note)


def _count(server: Server, outcome: str) -> None:
    if server.metrics is not None:
        server.metrics.login(PURPOSE, outcome)


async def go_on(
    browser: Browser,
    begun: LoggedInBrowser | SecondStep,
    pending: Pending | None,
    client: RegisteredClient | None,
    next_page: str,
) -> Response:
    """The answer to what :meth:`Browser.log_in` has begun for a request, or for a page."""
    if isinstance(begun, SecondStep):
        onward = {"request": str(pending.key)} if pending else {}
        onward |= {"next": next_page} if next_page in ASKING else {}
        return redirect(f"{browser.server.settings.issuer}/{begun.page}", onward)
    if pending is None or client is None:
        response = onward_to(browser.server, next_page)
    else:
        response = await proceed_after_login(begun.browser, pending, client)
    return browser.set_session(response, begun.secret)


def onward_to(server: Server, next_page: str) -> Response:
    """To the page that asked for the login, or to the account."""
    page = next_page if next_page in ASKING else "account"
    return RedirectResponse(f"{server.settings.issuer}/{page}", 303)


async def _go_on(
    browser: Browser,
    pending: Pending | None,
    client: RegisteredClient | None,
    username: str,
    next_page: str,
) -> Response:
    """The answer to a form that was not shown to the browser as it is now.

    The password is not checked, and nothing happens that a link could not bring about: so nothing
    has to be proven. A user who is logged in under the typed name by now is where they wanted to
    be.
    """
    session = browser.session
    again = partial(
        _page, browser, pending, client, username=username, next_page=next_page, status=400
    )
    if session is None:
        return again(error=OVERTAKEN)
    possible = len(username) <= USERNAME_MAX_LENGTH
    if not possible or username_key(username) != username_key(session.username):
        return again(error=_switch_account(session.username))
    if pending is None or client is None:
        return onward_to(browser.server, next_page)
    return await proceed_after_login(browser, pending, client)


def _switch_account(username: str) -> Message:
    return Message(
        "You are already logged in as {username} in another tab. Log in here to switch accounts.",
        username=username,
    )


def _page(
    browser: Browser,
    pending: Pending | None,
    client: RegisteredClient | None,
    *,
    username: str = "",
    next_page: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    page = render(
        "login.html",
        browser.server.settings.look,
        status=status,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri) if pending else (),
        form_token=browser.form_token(PURPOSE),
        request_key=pending.key if pending else "",
        has_next=next_page in ASKING,
        client_name=client.name if client else "",
        username=username,
        by_email=browser.server.settings.login_by_email,
        error=error,
        links=browser.server.login_links,
        ways=[way.template for way in browser.server.login_ways],
    )
    return browser.remember(page)
