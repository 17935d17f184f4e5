"""The authorization endpoint: RFC 6749, section 4.1.1. What follows is in :mod:`.code_flow`."""

from collections.abc import Awaitable

from fastapi import APIRouter, Request, Response

from app import NAME
from app.database.engines import OUTAGES, is_outage
from app.database.faults import named
from app.errors import InvalidRequestError
from app.features.authorization_code.authorization_request import (
    AuthorizationError,
    UnsafeRequestError,
    read_authorization_request,
)
from app.features.authorization_code.authorization_response import answer
from app.features.authorization_code.authorizations import Pending
from app.features.authorization_code.browser import CurrentBrowser
from app.features.authorization_code.code_flow import (
    ASK_ITS_DEVELOPER,
    START_AGAIN,
    proceed,
    send_to,
)
from app.identity.clients import RegisteredClient
from app.languages.reader import reader
from app.log import get_logger
from app.message import Message
from app.pages.errors import PageError, PageRoute
from app.server import Server
from app.web.dependencies import CurrentServer
from app.web.form import parse_pairs, read_pairs
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

log = get_logger(NAME)


@router.get("/authorize")
async def authorize(request: Request, server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Validate a request and take its user to the next step."""
    received = await _receive(request, server)
    if isinstance(received, Response):
        return received
    pending, client = received
    page = _page_asked_for(server, pending)
    if page is None:
        step = proceed(browser, pending, client)
    else:
        step = _show(page, request, server, pending, client)
    return await _unless_outage(server, pending, step)


@router.post("/authorize")
async def authorize_by_form(request: Request, server: CurrentServer) -> Response:
    """The same for a form (OpenID Connect Core, section 3.1.2.1).

    It comes from another site, so the browser has sent no cookies: a redirect asks for them.
    """
    received = await _receive(request, server)
    if isinstance(received, Response):
        return received
    pending, client = received
    page = _page_asked_for(server, pending) or "login"
    shown = _show(page, request, server, pending, client)
    return await _unless_outage(server, pending, shown)


def _page_asked_for(server: Server, pending: Pending) -> str | None:
    """The page of a feature that the client wants its user to see first."""
    asked = [server.prompts[each] for each in pending.request.prompt if each in server.prompts]
    return asked[0] if asked else None


async def _show(
    page: str, request: Request, server: Server, pending: Pending, client: RegisteredClient
) -> Response:
    return await server.database.transact(
        lambda connection: send_to(page, connection, server, request, pending, client)
    )


async def _receive(request: Request, server: Server) -> tuple[Pending, RegisteredClient] | Response:
    """The authorization request and its client, or what is answered where it is not valid."""
    try:
        if request.method == "POST":
            pairs = await read_pairs(request)
        else:
            pairs = parse_pairs(request.scope["query_string"])
    except InvalidRequestError as error:
        raise PageError(Message("The request could not be read"), START_AGAIN) from error
    reader().note(ui_locales=dict(pairs).get("ui_locales", ""))
    try:
        asked, client = await read_authorization_request(pairs, server, origin_of(request))
    except UnsafeRequestError as error:
        raise PageError(str(error), ASK_ITS_DEVELOPER) from error
    except AuthorizationError as error:
        parameters = {"error": error.error, "error_description": error.description}
        return answer(server, error.redirect_uri, error.response_mode, parameters, error.state)
    return Pending(asked, server.clock.now()), client


async def _unless_outage(
    server: Server, pending: Pending, response: Awaitable[Response]
) -> Response:
    """Tell the client, which has been validated, that the database is unavailable."""
    try:
        return await response
    except OUTAGES as error:
        if not is_outage(error):
            raise
        log.error("the database does not answer", **named(error))
        request = pending.request
        parameters = {
            "error": "temporarily_unavailable",
            "error_description": "The service is temporarily unavailable. Try again in a moment.",
        }
        return answer(
            server, request.redirect_uri, request.response_mode, parameters, request.state
        )
