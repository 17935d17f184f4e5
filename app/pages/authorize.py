"""The authorization endpoint: RFC 6749, section 4.1.1, and what follows until the code.

A valid request is stored, and from then on the browser carries only its key: through the login,
through the consent, to the redirect. :func:`proceed` decides each time what is next.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app import NAME
from app.audit.trail import Event, record
from app.database.engines import OUTAGES, is_outage
from app.errors import InvalidRequestError
from app.identity.clients import RegisteredClient
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
from app.pages.browser import Browser, CurrentBrowser
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
from app.tokens.consents import remembered_scopes
from app.web.form import parse_pairs, read_pairs

router = APIRouter(route_class=PageRoute, include_in_schema=False)

log = get_logger(NAME)

UNAVAILABLE = "The server has an interruption. Try again in a moment."

START_AGAIN = "Go back to the application, and log in from there again."


@router.get("/authorize")
async def authorize(request: Request, server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Validate a request and take its user to the next step."""
    received = await _receive(_query(request), server)
    return received if isinstance(received, Response) else await proceed(browser, *received)


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
    pending, _client = received
    return redirect(f"{server.settings.issuer}/login", {"request": pending.key})


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
    try:
        async with server.database.transaction() as connection:
            return await store_pending(connection, request, server.clock.now()), client
    except OUTAGES as error:
        if not is_outage(error):
            raise
        log.error("the database does not answer", kind=type(error).__name__)
        return answer(
            server,
            request.redirect_uri,
            request.response_mode,
            {"error": "temporarily_unavailable", "error_description": UNAVAILABLE},
            request.state,
        )


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
        raise PageError("The application was changed while you logged in", START_AGAIN)
    return pending, client


async def proceed(browser: Browser, pending: Pending, client: RegisteredClient) -> Response:
    """The next step: the login page, the consent page, or the client with a code or an error."""
    server, session, request = browser.server, browser.session, pending.request
    silent = "none" in request.prompt
    if session is None or must_log_in(browser, pending):
        if silent:
            return await refuse(server, pending, "login_required", "The user must log in.")
        return redirect(f"{server.settings.issuer}/login", {"request": pending.key})
    if is_another_user(browser, pending):
        return await refuse(server, pending, "login_required", "Another user is logged in.")
    scopes = await grantable_scopes(server, session, request, client)
    if not scopes:
        return await refuse(server, pending, "access_denied", "None of the scopes can be granted.")
    if await _must_consent(server, session, request, client, scopes):
        if silent:
            return await refuse(server, pending, "consent_required", "The user must consent.")
        return redirect(f"{server.settings.issuer}/consent", {"request": pending.key})
    return await grant(server, session, pending, scopes)


def must_log_in(browser: Browser, pending: Pending) -> bool:
    """Whether the password has to be typed for this request, although there is a session."""
    session, request = browser.session, pending.request
    if session is None:
        return True
    if session.authenticated_at >= pending.created_at:
        return False
    if {"login", "select_account"}.intersection(request.prompt):
        return True
    if is_another_user(browser, pending):
        return True
    age = browser.server.clock.now() - session.authenticated_at
    return request.max_age is not None and age > timedelta(seconds=request.max_age)


def is_another_user(browser: Browser, pending: Pending) -> bool:
    """Whether somebody else is logged in than the request's ``id_token_hint`` names."""
    hinted, session = pending.request.hinted_user, browser.session
    return hinted is not None and session is not None and hinted != str(session.user_id)


def is_settled(browser: Browser, pending: Pending) -> bool:
    """Whether it is clear who is asked for their consent."""
    return not must_log_in(browser, pending) and not is_another_user(browser, pending)


async def grantable_scopes(
    server: Server, session: Session, request: AuthorizationRequest, client: RegisteredClient
) -> list[str]:
    """Those of the requested scopes that the user has, and the client still may have."""
    async with server.database.read() as connection:
        allowed = client.scopes & await find_enabled_scopes(connection, session.user_id)
    return [name for name in request.scopes if name in allowed]


async def _must_consent(
    server: Server,
    session: Session,
    request: AuthorizationRequest,
    client: RegisteredClient,
    scopes: list[str],
) -> bool:
    if "consent" in request.prompt:
        return True
    if not is_remembering_safe(client, request.redirect_uri):
        return True
    async with server.database.read() as connection:
        remembered = await remembered_scopes(connection, session.user_id, request.client_id)
    return not remembered.issuperset(scopes)


async def grant(
    server: Server, session: Session, pending: Pending, scopes: Sequence[str]
) -> Response:
    """Send the user back with a code."""
    request = pending.request
    expires_at = server.clock.now() + timedelta(seconds=server.settings.authorization_code_ttl)
    async with server.database.transaction() as connection:
        if not await finish_pending(connection, pending.key):
            raise PageError("This login is finished already", START_AGAIN)
        code = await issue_code(
            connection,
            request,
            user_id=session.user_id,
            session_id=session.id,
            scope=" ".join(scopes),
            expires_at=expires_at,
        )
    return answer(
        server, request.redirect_uri, request.response_mode, {"code": code}, request.state
    )


async def refuse(
    server: Server, pending: Pending, error: str, description: str, *events: Event
) -> Response:
    """Send the user back with an error, and write down what brought it about."""
    async with server.database.transaction() as connection:
        if not await finish_pending(connection, pending.key):
            raise PageError("This login is finished already", START_AGAIN)
        if events:
            await record(connection, server.clock.now(), *events)
    request = pending.request
    parameters = {"error": error, "error_description": description}
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
        server.settings,
        popup=True,
        form_targets=form_targets(redirect_uri),
        redirect_uri=redirect_uri,
        parameters=parameters,
    )


def redirect(uri: str, parameters: Mapping[str, str]) -> Response:
    """303: whatever the method was, the browser comes with GET, and without the body."""
    return RedirectResponse(with_parameters(uri, parameters), 303, POPUP_HEADERS)
