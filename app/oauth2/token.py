"""The token endpoint: RFC 6749, section 3.2.

Read the form, choose the grant, authenticate the client, exchange, answer. What a grant needs
and decides is in its own file in :mod:`app.oauth2.grants`.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.errors import InvalidRequestError, UnauthorizedClientError, UnsupportedGrantTypeError
from app.oauth2.client_auth import authenticate_client
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.responses import NO_STORE
from app.oauth2.token_form import describe_token_endpoint
from app.server import Server
from app.settings import Settings
from app.web.dependencies import server_of
from app.web.form import read_form
from app.web.origin import origin_of
from app.web.routes import CrossOriginOAuth2Route


def token_router(settings: Settings, grants: Mapping[str, Grant]) -> APIRouter:
    """``POST /token``, with ``grants`` by their ``grant_type``."""
    router = APIRouter(tags=["oauth2"], route_class=CrossOriginOAuth2Route)

    @router.post("/token", **describe_token_endpoint(settings, grants.values()))
    async def token(request: Request) -> Response:
        """Tokens for a grant."""
        return await answer_token_request(
            request, server_of(request), grants, strict=settings.strict_password_form
        )

    return router


async def answer_token_request(
    request: Request, server: Server, grants: Mapping[str, Grant], *, strict: bool
) -> Response:
    """Tokens for the grant of the request, which is one of ``grants``.

    Unless ``strict``, a request that names none means ``password``. Raises an
    :class:`~app.errors.OAuth2Error`, or :class:`~app.errors.LoginRefused`.
    """
    form = await read_form(request)
    grant = _choose(grants, form, strict)
    client = await authenticate_client(request, form, server)
    if grant.permitted_as not in client.grant_types:
        raise UnauthorizedClientError(reason=f"{grant.grant_type} for {client.client_id}")
    token_request = TokenRequest(
        grant_type=grant.grant_type,
        form=form,
        client=client,
        origin=origin_of(request),
        settings=server.settings,
        clock=server.clock,
        database=server.database,
        authenticator=server.authenticator,
        access_tokens=server.access_tokens,
        id_tokens=server.id_tokens,
        refreshes=server.refreshes,
        audit_batch=server.audit_batch,
        metrics=server.metrics,
        resources=server.resources,
        find_more_claims=server.more_claims,
        find_second_step=server.second_factors.find,
        divide=server.second_factors.divide,
        factors=server.second_factors.factors,
        admits=server.admits,
        notify=server.notify,
    )
    answer = await grant.exchange(token_request)
    if server.metrics is not None:
        server.metrics.tokens_issued(grant.grant_type, client.client_id)
    return JSONResponse(answer, headers=NO_STORE)


def _choose(grants: Mapping[str, Grant], form: Mapping[str, str], strict: bool) -> Grant:
    grant_type = form.get("grant_type") if strict else form.get("grant_type", "password")
    if grant_type is None:
        raise InvalidRequestError(told="The request needs a grant_type.")
    if grant_type not in grants:
        raise UnsupportedGrantTypeError
    return grants[grant_type]
