"""Token revocation: RFC 7009."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, Origin, record
from app.errors import InvalidRequestError
from app.identity.clients import hold_client
from app.login.logins import end_login
from app.oauth2.client_auth import authenticate_client
from app.oauth2.responses import NO_STORE, PROTOCOL_ERRORS, form_body
from app.security.jwt import InvalidTokenError
from app.server import Server
from app.tokens.access_tokens import AccessToken
from app.tokens.refresh_tokens import revoke_family
from app.tokens.revoked_tokens import revoke_token
from app.web.dependencies import server_of
from app.web.form import read_form
from app.web.origin import origin_of
from app.web.routes import CrossOriginOAuth2Route

router = APIRouter(tags=["oauth2"], route_class=CrossOriginOAuth2Route)


@router.post(
    "/revoke",
    operation_id="revoke",
    summary="Revoke a token",
    responses={
        200: {"description": "If the token was the client's, it no longer works."},
        **PROTOCOL_ERRORS,
    },
    openapi_extra={"requestBody": form_body({"token": "An access or a refresh token."})},
)
async def revoke(request: Request) -> Response:
    """End everything that belongs to a token (RFC 7009, section 2).

    The login behind it ends, and with it all access and refresh tokens. The answer is the same
    for a token that is unknown, expired, or another client's: nothing is revoked then.
    """
    server = server_of(request)
    form = await read_form(request)
    client = await authenticate_client(request, form, server)
    token = required_token(form)
    await _revoke(server, token, client.client_id, origin_of(request))
    return JSONResponse({}, headers=NO_STORE)


def required_token(form: Mapping[str, str]) -> str:
    """The parameter ``token``. Raises :class:`InvalidRequestError` if it is missing.

    The ``token_type_hint`` beside it is not needed: see :func:`is_access_token`.
    """
    if "token" not in form:
        raise InvalidRequestError(told="The request needs a token.")
    return form["token"]


def is_access_token(token: str) -> bool:
    """Which kind it would be: a JWT has dots, a refresh token has none."""
    return "." in token


async def _revoke(server: Server, token: str, client_id: str, origin: Origin) -> None:
    revoked = Event(type="token.revoked", actor=client_id, client_id=client_id, origin=origin)
    if not is_access_token(token):
        await server.database.transact(
            lambda connection: _revoke_family(connection, token, revoked, server.clock.now())
        )
        return
    try:
        access_token = await server.access_tokens.read(token)
    except InvalidTokenError:
        return
    if access_token.client_id == client_id:
        await server.database.transact(
            lambda connection: _revoke_access_token(
                connection, access_token, revoked, server.clock.now()
            )
        )


# What was dead already leaves no event, or a client could fill the trail with one token.


async def _revoke_family(
    connection: AsyncConnection, token: str, revoked: Event, now: datetime
) -> None:
    ended = await revoke_family(connection, token, str(revoked.client_id), now)
    if ended is not None:
        login_id, user_id = ended
        details = {"session": str(login_id)}
        await record(connection, now, replace(revoked, user_id=user_id, details=details))


async def _revoke_access_token(
    connection: AsyncConnection, token: AccessToken, revoked: Event, now: datetime
) -> None:
    if token.login_id is None:
        await hold_client(connection, token.client_id)  # it may be acting with this very token
        expires_at = datetime.fromtimestamp(token.expires_at, UTC)
        if await revoke_token(connection, token.token_id, expires_at):
            await record(connection, now, revoked)
    elif await end_login(connection, token.login_id, now):
        details = {"session": str(token.login_id)}
        await record(connection, now, replace(revoked, user_id=token.subject, details=details))
