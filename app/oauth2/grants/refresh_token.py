"""The refresh token grant: RFC 6749, section 6; rotation as RFC 9700, section 4.14.2, wants it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, record
from app.errors import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
)
from app.login.logins import end_login
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.resource import Targets
from app.oauth2.scope import granted_scope, split_scope
from app.oauth2.tokens import claims_of_id_token, find_signing_keys, user_tokens
from app.tokens.refresh_tokens import find_refresh_token, hold_user_of_token
from app.tokens.rotation import Rotation

REFUSED = "The refresh token is expired, revoked or invalid."
NEVER_GRANTED = "A requested scope was not granted at login."
NONE_LEFT = "The user has none of the requested scopes."


PARAMETERS = {
    "refresh_token": {"type": "string", "description": "For the grant refresh_token."},
    "scope": {"type": "string", "description": "Scopes, separated by spaces."},
}


async def exchange(request: TokenRequest) -> dict[str, Any]:
    """A new access token and a new refresh token for a refresh token, which is used up.

    A used one ends its login. One that belongs to another client stays as it is. Raises an
    :class:`~app.errors.OAuth2Error`.
    """
    client_id = request.client.client_id
    token = request.form.get("refresh_token")
    if token is None:
        raise InvalidRequestError(told="The request needs a refresh_token.")
    asked = split_scope(request.form.get("scope", ""))
    grace = timedelta(seconds=request.settings.refresh_reuse_grace)
    targets, resources = await request.find_targets()
    if targets.known or targets.self_registered:
        await _require_target(request, token, asked, targets, resources, grace)
    keys = await find_signing_keys(request)
    rotation = Rotation(token, client_id, asked, request.clock.now(), request.origin)
    family = await request.refreshes.rotate(rotation)
    if family is None:
        refusal = await request.database.transact(
            lambda connection: _refuse(connection, request, token, asked, grace)
        )
        if refusal.ended_login and request.metrics is not None:
            request.metrics.refresh_token_reused(client_id)
        # Raised outside of the transaction: the login has ended, whatever the answer.
        raise refusal.error
    target = targets.of(targets.within(resources, family.resources))
    scope = granted_scope(target.narrow(asked or family.scope.split()), family.permitted)
    more = await request.more_claims(family.user_id, scope)
    return user_tokens(
        request,
        keys,
        user_id=family.user_id,
        login_id=family.login_id,
        login_expires_at=family.expires_at,
        scope=scope,
        refresh_token=rotation.successor,
        auth_time=family.auth_time,
        amr=family.amr,
        audience=target.audience,
        more=more,
        about_user=claims_of_id_token(request, family.person, scope, family.id_token_claims or ()),
    )


async def _require_target(
    request: TokenRequest,
    token: str,
    asked: Sequence[str],
    targets: Targets,
    resources: Sequence[str],
    grace: timedelta,
) -> None:
    """Look whether the resources can be granted, so that no token is used up for nothing.

    What a login is for never changes. Raises :class:`~app.errors.InvalidTargetError`, or
    :class:`InvalidScopeError` if the resources understand none of the scopes.
    """
    async with request.database.read() as connection:
        presented = await find_refresh_token(connection, token, request.clock.now(), grace)
    if (
        presented is None
        or presented.family.client_id != request.client.client_id
        or not (presented.usable and presented.family.alive)
    ):
        return  # whoever looks again will say why
    family = presented.family
    target = targets.of(targets.within(resources, family.resources))
    granted_scope(target.narrow(asked or family.scope.split()), family.permitted)


@dataclass(frozen=True)
class _Refusal:
    error: OAuth2Error
    ended_login: bool = False


async def _refuse(
    connection: AsyncConnection,
    request: TokenRequest,
    token: str,
    asked: Sequence[str],
    grace: timedelta,
) -> _Refusal:
    """Why the token was not taken. Ends the login of one that was used before."""
    now = request.clock.now()
    await hold_user_of_token(connection, token)
    presented = await find_refresh_token(connection, token, now, grace)
    if presented is None:
        return _Refusal(InvalidGrantError(reason="unknown refresh token", told=REFUSED))
    if presented.family.client_id != request.client.client_id:
        return _Refusal(
            InvalidGrantError(reason="the refresh token of another client", told=REFUSED)
        )
    if not presented.family.alive:
        return _Refusal(
            InvalidGrantError(reason="the login is over, or the user disabled", told=REFUSED)
        )
    if presented.usable:
        never_granted = set(asked).difference(presented.family.scope.split())
        return _Refusal(InvalidScopeError(told=NEVER_GRANTED if never_granted else NONE_LEFT))
    await end_login(connection, presented.family.login_id, now)
    reused = Event(
        type="token.reused",
        user_id=presented.family.user_id,
        client_id=presented.family.client_id,
        origin=request.origin,
        details={"session": str(presented.family.login_id)},
    )
    await record(connection, now, reused)
    error = InvalidGrantError(reason="reused refresh token: its login was ended", told=REFUSED)
    return _Refusal(error, ended_login=True)


GRANT = Grant("refresh_token", PARAMETERS, exchange)
