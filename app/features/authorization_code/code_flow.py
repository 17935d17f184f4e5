"""The code flow between the authorization request and its answer (RFC 6749, section 4.1).

A valid request is answered at once if nobody has to be asked anything. Else it is stored, and from
then on the browser carries only its key: through the login, through the consent, to the redirect.
:func:`~.next_step.next_step` says what is next, and :func:`proceed` performs it.
"""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.features.authorization_code.authorization_response import answer
from app.features.authorization_code.authorizations import (
    Answer,
    Pending,
    find_answer,
    find_pending,
    finish_pending,
    issue_code,
    store_pending,
)
from app.features.authorization_code.browser import Browser, LoggedOutError, Wanted
from app.features.authorization_code.browser_sessions import Session, replace_session
from app.features.authorization_code.consents import remember, remembered_scopes
from app.features.authorization_code.next_step import (
    AskConsent,
    Decision,
    IssueCode,
    LogIn,
    Refuse,
    ShutOut,
    Step,
    StepUp,
    next_step,
)
from app.features.authorization_code.redirect_uris import (
    is_anybodys_page,
    is_remembering_safe,
    may_redirect_to,
)
from app.identity.clients import RegisteredClient, is_unchanged
from app.identity.users import find_enabled_scopes
from app.languages.reader import reader
from app.login.second_step import Proving
from app.login.strength import Level, level_of
from app.message import Message
from app.pages.errors import PageError
from app.pages.rendering import redirect
from app.server import Server
from app.web.origin import origin_of

RequestKey = Annotated[str, Query(alias="request")]
"""The key of a stored request, in the address of a page."""

CHANGED = Message("The application changed while you were logging in")
START_AGAIN = Message("Go back to the application and log in again from there.")
ASK_ITS_DEVELOPER = Message("Try again, or contact the developer of this application.")


class FinishedError(PageError):
    """There is no such request any more."""

    def __init__(self) -> None:
        """The page leads to the account, where people see what they are logged in to."""
        super().__init__(
            Message("This login has expired or is already complete"),
            START_AGAIN,
            onward=(Message("See where you are logged in"), "account"),
        )


async def load_pending(
    server: Server, key: str, *, or_answered: bool = False
) -> tuple[Pending, RegisteredClient]:
    """The stored request and its client. Raises :class:`PageError`.

    The client may have changed since: it must still be one that could ask for this. With
    ``or_answered`` the request may be one that was answered a moment ago.
    """
    async with server.database.read() as connection:
        pending = await find_pending(connection, key, server.clock.now(), or_answered=or_answered)
    client = await server.clients.find(pending.request.client_id) if pending else None
    if pending is None or client is None:
        raise FinishedError
    reader().note(ui_locales=pending.request.language)
    registered = may_redirect_to(client, pending.request.redirect_uri, server.settings)
    if not registered or "authorization_code" not in client.grant_types:
        raise PageError(CHANGED, START_AGAIN)
    return pending, client


async def read_like(server: Server, key: str) -> None:
    """Let a page beside the flow be in the language that the request of ``key`` asks for."""
    if key:
        async with server.database.read() as connection:
            pending = await find_pending(connection, key, server.clock.now())
        reader().note(ui_locales=pending.request.language if pending else "")


async def look_ahead(browser: Browser, pending: Pending, client: RegisteredClient) -> Step:
    """The next step as things stand, to choose a page by; :func:`proceed` decides again."""
    async with browser.server.database.read() as connection:
        return await _decide(connection, browser, browser.session, pending, client)


async def proceed(
    browser: Browser, pending: Pending, client: RegisteredClient, decision: Decision | None = None
) -> Response:
    """Perform the next step: the login page, the consent page, or the client's answer.

    The step is decided in the transaction that performs it. Raises
    :class:`FinishedError` if the request was answered meanwhile.
    """

    async def work(connection: AsyncConnection, session: Session | None = None) -> Response:
        step = await _decide(connection, browser, session, pending, client, decision)
        return await _perform(connection, browser, pending, client, step)

    try:
        return await browser.transact(work)
    except LoggedOutError:
        return await browser.server.database.transact(work)


async def _decide(
    connection: AsyncConnection,
    browser: Browser,
    session: Session | None,
    pending: Pending,
    client: RegisteredClient,
    decision: Decision | None = None,
) -> Step:
    user_scopes: Collection[str] = ()
    remembered: Collection[str] = ()
    admitted, level, has_factor = True, Level.ANY, False
    if session is not None:
        admitted = await browser.server.admits(connection, session.user_id, client.client_id)
        level = await browser.server.second_factors.level_for(
            connection, _proving(browser, session, pending)
        )
        if level_of(session.amr) < max(level, pending.request.level):
            has_factor = await browser.server.second_factors.has_factor(connection, session.user_id)
        user_scopes = await find_enabled_scopes(connection, session.user_id)
        remembered = await remembered_scopes(
            connection, session.user_id, client.client_id, pending.request.resources
        )
    now = browser.server.clock.now()
    return next_step(
        pending,
        session,
        user_scopes,
        remembered,
        client,
        now,
        decision,
        admitted=admitted,
        level=level,
        has_factor=has_factor,
    )


def wanted_by(pending: Pending | None) -> Wanted:
    """What a browser that comes with that request, or with none, logs in for."""
    if pending is None:
        return Wanted()
    request = pending.request
    return Wanted(
        client_id=request.client_id,
        scopes=request.scopes,
        resources=request.resources,
        level=Level(request.level),
    )


def _proving(browser: Browser, session: Session, pending: Pending) -> Proving:
    return browser.proving(session.user_id, session.security_stamp, session.amr, wanted_by(pending))


async def _perform(
    connection: AsyncConnection,
    browser: Browser,
    pending: Pending,
    client: RegisteredClient,
    step: Step,
) -> Response:
    server, request = browser.server, pending.request
    match step:
        case LogIn():
            return await send_to("login", connection, server, browser.request, pending, client)
        case StepUp():
            proving = _proving(browser, step.session, pending)
            more = await server.second_factors.find(connection, proving)
            page = more.page if more else "login"
            return await send_to(page, connection, server, browser.request, pending, client)
        case AskConsent() | ShutOut():
            return await send_to("consent", connection, server, browser.request, pending, client)
        case Refuse():
            if browser.session is None and is_anybodys_page(client, request.redirect_uri):
                raise PageError(step.description.removesuffix("."), ASK_ITS_DEVELOPER)
            parameters = {"error": step.error, "error_description": step.description}
            if step.by_user:
                denied = browser.event("consent.denied", client_id=client.client_id)
                await record(connection, server.clock.now(), denied)
        case IssueCode():
            parameters = {"code": await _grant(connection, browser, pending, client, step)}
    if pending.key is not None:
        kept_until = server.clock.now() + timedelta(seconds=server.settings.authorization_code_ttl)
        session = browser.session
        finished = await finish_pending(
            connection,
            pending.key,
            parameters,
            kept_until,
            session_id=session.id if session else None,
            user_id=session.user_id if session else None,
        )
        if not finished:
            raise FinishedError
    return answer(server, request.redirect_uri, request.response_mode, parameters, request.state)


async def _grant(
    connection: AsyncConnection,
    browser: Browser,
    pending: Pending,
    client: RegisteredClient,
    granted: IssueCode,
) -> str:
    """The code; what the user has allowed just now is remembered with it."""
    await _require_unchanged(connection, client)
    server, request, session = browser.server, pending.request, granted.session
    named = [each for each in request.resources if each != server.settings.issuer]
    if named and not await server.resources.hold(connection, client.client_id, named):
        raise PageError(CHANGED, START_AGAIN)
    now, scope = server.clock.now(), " ".join(granted.scopes)
    if granted.by_user:
        allowed = browser.event(
            "consent.granted", client_id=client.client_id, details={"scope": scope}
        )
        await record(connection, now, allowed)
        if is_remembering_safe(client, request.redirect_uri):
            await remember(
                connection,
                session.user_id,
                client.client_id,
                granted.scopes,
                request.resources,
                now,
            )
    return await issue_code(
        connection,
        request,
        user_id=session.user_id,
        session_id=session.id,
        scope=scope,
        expires_at=now + timedelta(seconds=server.settings.authorization_code_ttl),
    )


async def answer_again(browser: Browser, key: str) -> Response | None:
    """The answer that this browser session got a moment ago, if it did.

    Over a slow line people press a button twice, and then the browser drops the first answer.
    """
    server = browser.server
    async with server.database.read() as connection:
        given = await find_answer(connection, key, server.clock.now())
    if given is None or browser.session is None or given.session_id != str(browser.session.id):
        return None
    return _again(server, given)


async def proceed_after_login(
    browser: Browser, pending: Pending, client: RegisteredClient
) -> Response:
    """:func:`proceed` for whoever has pressed "Log in", perhaps twice.

    With the first answer the browser drops the cookie in it, too. So the user's session of the
    second press takes the place of the first one's, and gets what that got.
    """
    try:
        return await proceed(browser, pending, client)
    except FinishedError:
        key, now = str(pending.key), browser.server.clock.now()

        async def take_over(connection: AsyncConnection, session: Session) -> Answer | None:
            given = await find_answer(connection, key, now)
            if given is None or given.user_id != str(session.user_id):
                return None
            if given.session_id != str(session.id):
                await replace_session(connection, uuid.UUID(given.session_id), session.id, now)
            return given

        try:
            given = await browser.transact(take_over)
        except LoggedOutError:
            given = None
        if given is None:
            raise
        return _again(browser.server, given)


def _again(server: Server, given: Answer) -> Response:
    request = given.request
    return answer(
        server, request.redirect_uri, request.response_mode, given.parameters, request.state
    )


async def _require_unchanged(connection: AsyncConnection, client: RegisteredClient) -> None:
    """Raise :class:`PageError` if the client was disabled, deleted or made anew just now.

    Else a code or a request would outlive what ends all that the client has.
    """
    if not await is_unchanged(connection, client):
        raise PageError(CHANGED, START_AGAIN)


async def send_to(
    page: str,
    connection: AsyncConnection,
    server: Server,
    request: Request,
    pending: Pending,
    client: RegisteredClient,
) -> Response:
    """Send the browser to a page of this server, with a key to the request, which waits."""
    if pending.key is None:
        await _require_unchanged(connection, client)
        pending = await store_pending(connection, pending, origin_of(request).address)
    return redirect(f"{server.settings.issuer}/{page}", {"request": str(pending.key)})
