"""The refresh token grant: RFC 6749, section 6; rotation as RFC 9700, section 4.14.2, wants it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from app.audit.trail import Event, record
from app.errors import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
)
from app.login.logins import end_login
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.scope import grant_scopes, split_scope
from app.oauth2.tokens import user_tokens
from app.tokens.refresh_tokens import find_refresh_token, rotate

REFUSED = "The refresh token is expired, revoked or invalid."


PARAMETERS = {
    "refresh_token": {"type": "string", "description": "For the grant refresh_token."},
    "scope": {"type": "string", "description": "Scopes, separated by spaces."},
}


async def exchange(request: TokenRequest) -> dict[str, Any]:
    """A new access token and a new refresh token for a refresh token, which is used up.

    A used one ends its login. One that belongs to another client stays as it is. Raises an
    :class:`~app.errors.OAuth2Error`.
    """
    server, client_id = request.server, request.client.client_id
    token = request.form.get("refresh_token")
    if token is None:
        raise InvalidRequestError(description="The request needs a refresh_token.")
    asked = split_scope(request.form.get("scope", ""))
    grace = timedelta(seconds=server.settings.refresh_reuse_grace)
    now = server.clock.now()
    rotated = await rotate(server.database, token, client_id, asked, now, grace, request.origin)
    if rotated is None:
        raise await _refusal(request, token, asked, grace)
    family, successor = rotated
    scope = grant_scopes(asked or family.scope.split(), family.user_scopes & request.client.scopes)
    return await user_tokens(
        request,
        user_id=family.user_id,
        login_id=family.login_id,
        scope=scope,
        refresh_token=successor,
        auth_time=family.auth_time,
    )


async def _refusal(
    request: TokenRequest, token: str, asked: Sequence[str], grace: timedelta
) -> OAuth2Error:
    """Why the token was not taken. Ends the login of one that was used before."""
    server = request.server
    now = server.clock.now()
    async with server.database.transaction() as connection:
        presented = await find_refresh_token(connection, token, now, grace)
        if presented is None:
            return InvalidGrantError("unknown refresh token", REFUSED)
        if presented.family.client_id != request.client.client_id:
            return InvalidGrantError("the refresh token of another client", REFUSED)
        if not presented.family.alive:
            return InvalidGrantError("the login is over, or the user disabled", REFUSED)
        if presented.takeable:
            if set(asked).difference(presented.family.scope.split()):
                return InvalidScopeError(description="A requested scope was not granted at login.")
            return InvalidScopeError(description="The user has none of the requested scopes.")
        await end_login(connection, presented.family.login_id, now)
        reused = Event(
            type="token.reused",
            user_id=presented.family.user_id,
            client_id=presented.family.client_id,
            origin=request.origin,
            details={"session": str(presented.family.login_id)},
        )
        await record(connection, now, reused)
        if server.metrics is not None:
            server.metrics.refresh_token_reused(presented.family.client_id)
        return InvalidGrantError("reused refresh token: its login was ended", REFUSED)


GRANT = Grant("refresh_token", PARAMETERS, exchange)
