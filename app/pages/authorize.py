"""The authorization endpoint: RFC 6749, section 4.1.1, and what follows until the code.

A valid request is answered at once if nobody has to be asked anything. Else it is stored, and from
then on the browser carries only its key: through the login, through the consent, to the redirect.
:func:`proceed` decides each time what is next.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.database.engines import OUTAGES, is_outage
from app.errors import InvalidRequestError
from app.identity.clients import RegisteredClient, is_unchanged
from app.identity.users import find_enabled_scopes
from app.log import get_logger
from app.login.browser_sessions import Session
from app.oauth2.authorization_request import (
    AuthorizationError,
    UnsafeRequestError,
    read_authorization_request,
)
from app.oauth2.redirect_uris import (
    form_targets,
    is_remembering_safe,
    may_redirect_to,
    with_parameters,
)
from app.pages.browser import Browser, CurrentBrowser, LoggedOutError
from app.pages.errors import PageError, PageRoute
from app.pages.rendering import POPUP_HEADERS, render
from app.server import CurrentServer, Server
from app.tokens.authorizations import (
    AuthorizationRequest,
    Pending,
    find_pending,
    finish_pending,
    issue_code,
    store_pending,
)
from app.tokens.consents import remember, remembered_scopes
from app.web.form import parse_pairs, read_pairs
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

log = get_logger("latchkey")

UNAVAILABLE = "The server has an interruption. Try again in a moment."

TIME_TO_CONSENT = timedelta(minutes=1)
"""How long a login for a request is good for it at least: with ``max_age=0`` too, somebody who
logs in has to read the consent page."""

CHANGED = "The application was changed while you logged in"
START_AGAIN = "Go back to the application, and log in from there again."


@router.get("/authorize")
async def authorize(request: Request, server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Validate a request and take its user to the next step."""
    received = await _receive(_query(request), server)
    if isinstance(received, Response):
        return received
    pending, client = received
    return await _unless_outage(server, pending, proceed(browser, pending, client))


@router.post("/authorize")
async def authorize_by_form(request: Request, server: CurrentServer) -> Response:
    """The same for a form (OpenID Connect Core, section 3.1.2.1).

    It comes from another site, so the browser has sent no cookies: a redirect asks for them.
    """
    try:
        pairs = await read_pairs(request)
    except InvalidRequestError as error:
        raise PageError("This request cannot be read", START_AGAIN) from error
    received = await _receive(pairs, server)
    if isinstance(received, Response):
        return received
    pending, client = received
    shown = _show(server, request, pending, client, Step.LOGIN)
    return await _unless_outage(server, pending, shown)


def _query(request: Request) -> Sequence[tuple[str, str]]:
    try:
        return parse_pairs(request.scope["query_string"])
    except InvalidRequestError as error:
        raise PageError("This request cannot be read", START_AGAIN) from error


async def _receive(
    pairs: Sequence[tuple[str, str]], server: Server
) -> tuple[Pending, RegisteredClient] | Response:
    try:
        request, client = await read_authorization_request(pairs, server)
    except UnsafeRequestError as error:
        raise PageError(str(error), "Tell the makers of the application, or try again.") from error
    except AuthorizationError as error:
        return answer(
            server,
            error.redirect_uri,
            error.response_mode,
            {"error": error.error, "error_description": error.description},
            error.state,
        )
    return Pending(request, server.clock.now()), client


async def _unless_outage(
    server: Server, pending: Pending, response: Awaitable[Response]
) -> Response:
    try:
        return await response
    except OUTAGES as error:
        if not is_outage(error):
            raise
        log.error("the database does not answer", kind=type(error).__name__)
        return _answer(server, pending.request, _error("temporarily_unavailable", UNAVAILABLE))


async def load_pending(server: Server, key: str) -> tuple[Pending, RegisteredClient]:
    """The stored request and its client. Raises :class:`PageError`.

    The client may have changed since: it must still be one that could ask for this.
    """
    async with server.database.read() as connection:
        pending = await find_pending(connection, key, server.clock.now())
    client = await server.clients.find(pending.request.client_id) if pending else None
    if pending is None or client is None:
        raise PageError("This login has expired, or is finished already", START_AGAIN)
    registered = may_redirect_to(client, pending.request.redirect_uri, server.settings)
    if not registered or "authorization_code" not in client.grant_types:
        raise PageError(CHANGED, START_AGAIN)
    return pending, client


class Step(StrEnum):
    """A page that comes before the answer to the client."""

    LOGIN = "login"
    CONSENT = "consent"


@dataclass(frozen=True)
class Decision:
    """What a user answered at the consent page, and the scopes that were shown there."""

    allowed: bool
    shown: Collection[str]


Answer = Mapping[str, str]
"""The parameters for the client: a code or an error."""


async def proceed(
    browser: Browser, pending: Pending, client: RegisteredClient, decision: Decision | None = None
) -> Response:
    """The next step: the login page, the consent page, or the client with a code or an error.

    Everything that the answer depends on is looked at in the transaction that brings it about.
    """
    server = browser.server

    async def decide(connection: AsyncConnection, session: Session) -> Step | Answer:
        outcome = await _decide(connection, browser, session, pending, client, decision)
        if not isinstance(outcome, Step):
            await _finish(connection, pending)
        return outcome

    try:
        outcome = await browser.transact(decide)
    except LoggedOutError:
        outcome = _unless_silent(pending, Step.LOGIN)
        if not isinstance(outcome, Step) and pending.key is not None:
            await server.database.transact(lambda connection: _finish(connection, pending))
    if isinstance(outcome, Step):
        return await _show(server, browser.request, pending, client, outcome)
    return _answer(server, pending.request, outcome)


async def _decide(
    connection: AsyncConnection,
    browser: Browser,
    session: Session,
    pending: Pending,
    client: RegisteredClient,
    decision: Decision | None,
) -> Step | Answer:
    """What is next for the user of ``session``, who is held; with what that writes."""
    server, request = browser.server, pending.request
    now = server.clock.now()
    if must_log_in(session, pending, now):
        return _unless_silent(pending, Step.LOGIN)
    if is_another_user(session, pending):
        return _error("login_required", "Another user is logged in.")
    if decision is not None and not decision.allowed:
        await record(connection, now, browser.event("consent.denied", client_id=client.client_id))
        return _error("access_denied", "The user said no.")
    scopes = await grantable_scopes(connection, session, request, client)
    if decision is not None:
        scopes = [name for name in scopes if name in decision.shown]
    if not scopes:
        return _error("access_denied", "None of the scopes can be granted.")
    await _require_unchanged(connection, client)
    if decision is not None:
        details = {"scope": " ".join(scopes)}
        granted = browser.event("consent.granted", client_id=client.client_id, details=details)
        await record(connection, now, granted)
        if is_remembering_safe(client, request.redirect_uri):
            await remember(connection, session.user_id, client.client_id, scopes, now)
    elif await _must_consent(connection, session, request, client, scopes):
        return _unless_silent(pending, Step.CONSENT)
    code = await issue_code(
        connection,
        request,
        user_id=session.user_id,
        session_id=session.id,
        scope=" ".join(scopes),
        expires_at=now + timedelta(seconds=server.settings.authorization_code_ttl),
    )
    return {"code": code}


def must_log_in(session: Session, pending: Pending, now: datetime) -> bool:
    """Whether the password has to be typed for this request, although there is a session."""
    request, age = pending.request, now - session.authenticated_at
    if session.authenticated_at >= pending.created_at:
        # For this very request: it cannot be asked for again at once, whatever the max_age.
        return request.max_age is not None and age > max(
            timedelta(seconds=request.max_age), TIME_TO_CONSENT
        )
    if {"login", "select_account"}.intersection(request.prompt):
        return True
    if is_another_user(session, pending):
        return True
    return request.max_age is not None and age > timedelta(seconds=request.max_age)


def is_another_user(session: Session, pending: Pending) -> bool:
    """Whether somebody else is logged in than the request's ``id_token_hint`` names."""
    hinted = pending.request.hinted_user
    return hinted is not None and hinted != str(session.user_id)


async def grantable_scopes(
    connection: AsyncConnection,
    session: Session,
    request: AuthorizationRequest,
    client: RegisteredClient,
) -> list[str]:
    """Those of the requested scopes that the user has, and the client still may have."""
    allowed = client.scopes & await find_enabled_scopes(connection, session.user_id)
    return [name for name in request.scopes if name in allowed]


async def _must_consent(
    connection: AsyncConnection,
    session: Session,
    request: AuthorizationRequest,
    client: RegisteredClient,
    scopes: list[str],
) -> bool:
    if "consent" in request.prompt:
        return True
    if not is_remembering_safe(client, request.redirect_uri):
        return True
    remembered = await remembered_scopes(connection, session.user_id, request.client_id)
    return not remembered.issuperset(scopes)


def _unless_silent(pending: Pending, step: Step) -> Step | Answer:
    """``step``, or why a request with ``prompt=none`` cannot be answered without it."""
    if "none" not in pending.request.prompt:
        return step
    if step is Step.LOGIN:
        return _error("login_required", "The user must log in.")
    return _error("consent_required", "The user must consent.")


async def _require_unchanged(connection: AsyncConnection, client: RegisteredClient) -> None:
    """Raise :class:`PageError` if the client was disabled, deleted or made anew just now.

    Else a code or a request would outlive what ends all that the client has.
    """
    if not await is_unchanged(connection, client):
        raise PageError(CHANGED, START_AGAIN)


def _error(error: str, description: str) -> Answer:
    return {"error": error, "error_description": description}


async def _finish(connection: AsyncConnection, pending: Pending) -> None:
    """Take a stored request away. Raises :class:`PageError` if it was answered before."""
    if pending.key is not None and not await finish_pending(connection, pending.key):
        raise PageError("This login is finished already", START_AGAIN)


async def _show(
    server: Server, request: Request, pending: Pending, client: RegisteredClient, step: Step
) -> Response:
    """Send the browser to a page of this server, with a key to the request, which waits."""

    async def store(connection: AsyncConnection) -> Pending:
        await _require_unchanged(connection, client)
        return await store_pending(connection, pending, origin_of(request).address)

    if pending.key is None:
        pending = await server.database.transact(store)
    return redirect(f"{server.settings.issuer}/{step}", {"request": str(pending.key)})


def _answer(server: Server, request: AuthorizationRequest, parameters: Answer) -> Response:
    return answer(server, request.redirect_uri, request.response_mode, parameters, request.state)


def answer(
    server: Server,
    redirect_uri: str,
    response_mode: str,
    parameters: Mapping[str, str],
    state: str | None,
) -> Response:
    """The authorization response (RFC 6749, section 4.1.2) with ``iss`` (RFC 9207)."""
    parameters = {**parameters, "iss": server.settings.issuer}
    if state is not None:
        parameters["state"] = state
    if response_mode == "query":
        return redirect(redirect_uri, parameters)
    return render(
        "form_post.html",
        popup=True,
        form_targets=form_targets(redirect_uri),
        redirect_uri=redirect_uri,
        parameters=parameters,
    )


def redirect(uri: str, parameters: Mapping[str, str]) -> Response:
    """303: whatever the method was, the browser comes with GET, and without the body."""
    return RedirectResponse(with_parameters(uri, parameters), 303, POPUP_HEADERS)
