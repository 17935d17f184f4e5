"""Token revocation: RFC 7009."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from app.audit.trail import Event, Origin, record
from app.database.engines import retry_conflicts
from app.errors import InvalidRequestError
from app.login.logins import end_login
from app.oauth2.client_auth import authenticate_client
from app.oauth2.responses import NO_STORE, PROTOCOL_ERRORS, form_body
from app.security.jwt import InvalidTokenError
from app.server import CurrentServer, Server
from app.tokens.refresh_tokens import revoke_family
from app.tokens.revoked_tokens import revoke_token
from app.web.form import read_form
from app.web.origin import origin_of

router = APIRouter(tags=["oauth2"])


@router.post(
    "/revoke",
    operation_id="revoke",
    summary="Revoke a token",
    responses={
        200: {"description": "The token, if it was the client's, is dead."},
        **PROTOCOL_ERRORS,
    },
    openapi_extra={"requestBody": form_body({"token": "An access or a refresh token."})},
)
async def revoke(request: Request, server: CurrentServer) -> Response:
    """End everything that belongs to a token (RFC 7009, section 2).

    The login behind it ends, and with it all access and refresh tokens. The answer is the same
    for a token that is unknown, expired, or another client's: nothing is revoked then.
    """
    form = await read_form(request)
    client = await authenticate_client(request, form, server)
    token = required_token(form)
    origin = origin_of(request)
    await retry_conflicts(lambda: _revoke(server, token, client.client_id, origin))
    return JSONResponse({}, headers=NO_STORE)


def required_token(form: Mapping[str, str]) -> str:
    """The parameter ``token``. Raises :class:`InvalidRequestError` if it is missing.

    The ``token_type_hint`` beside it is not needed: see :func:`is_access_token`.
    """
    if "token" not in form:
        raise InvalidRequestError(description="The request needs a token.")
    return form["token"]


def is_access_token(token: str) -> bool:
    """Which kind it would be: a JWT has dots, a refresh token has none."""
    return "." in token


async def _revoke(server: Server, token: str, client_id: str, origin: Origin) -> None:
    now = server.clock.now()
    revoked = Event(type="token.revoked", actor=client_id, client_id=client_id, origin=origin)
    if not is_access_token(token):
        async with server.database.transaction() as connection:
            ended = await revoke_family(connection, token, client_id, now)
            if ended is not None:
                login_id, user_id = ended
                details = {"session": str(login_id)}
                await record(connection, now, replace(revoked, user_id=user_id, details=details))
        return
    try:
        access_token = await server.access_tokens.verify(token)
    except InvalidTokenError:
        return
    if access_token.client_id != client_id:
        return
    async with server.database.transaction() as connection:
        if access_token.login_id is not None:
            await end_login(connection, access_token.login_id, now)
            details = {"session": str(access_token.login_id)}
            revoked = replace(revoked, user_id=access_token.subject, details=details)
        else:
            expires_at = datetime.fromtimestamp(access_token.expires_at, UTC)
            await revoke_token(connection, access_token.token_id, expires_at)
        await record(connection, now, revoked)
