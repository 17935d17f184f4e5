"""The refresh token grant: RFC 6749, section 6; rotation as RFC 9700, section 4.14.2, wants it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.errors import InvalidGrantError, InvalidRequestError
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.scope import grant_scopes, narrowed_scopes
from app.oauth2.tokens import user_tokens
from app.services.logins import end_login
from app.services.refresh_tokens import find_refresh_token, rotate
from app.settings import Settings

REFUSED = "The refresh token is expired, revoked or invalid."


def parameters(_settings: Settings) -> Mapping[str, Any]:
    """Beside these, the client's own."""
    return {
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
    now = server.clock.now()
    asked = request.form.get("scope", "")
    if asked:
        # Looked at before the token is used up: a wrong scope must not cost the token.
        async with server.database.read() as connection:
            presented = await find_refresh_token(connection, token, now)
        if presented is not None and presented.family.client_id == client_id:
            narrowed_scopes(asked, presented.family.scope)
    grace = timedelta(seconds=server.settings.refresh_reuse_grace)
    rotated = await rotate(server.database, token, client_id, now, grace)
    if rotated is None:
        raise InvalidGrantError(await _refuse(request, token), REFUSED)
    family, successor = rotated
    scope = grant_scopes(
        narrowed_scopes(asked, family.scope), family.user_scopes & request.client.scopes
    )
    return await user_tokens(
        request,
        user_id=family.user_id,
        login_id=family.login_id,
        scope=scope,
        refresh_token=successor,
        auth_time=family.auth_time,
    )


async def _refuse(request: TokenRequest, token: str) -> str:
    """Why the token cannot be used, for the log. Ends the login of one that was used before."""
    server = request.server
    now = server.clock.now()
    async with server.database.transaction() as connection:
        presented = await find_refresh_token(connection, token, now)
        if presented is None:
            return "unknown refresh token"
        if presented.family.client_id != request.client.client_id:
            return "the refresh token of another client"
        if not presented.family.alive:
            return "the login has ended or expired, or the user is disabled"
        await end_login(connection, presented.family.login_id, now)
        return "reused refresh token: its login was ended"


GRANT = Grant("refresh_token", parameters, exchange)
