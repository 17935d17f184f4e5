"""The grant with which a login at ``/token`` goes on after ``mfa_required``.

An extension grant (RFC 6749, section 4.5) of this server: see docs/second-factor.md.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    InvalidTargetError,
    LoginRefused,
)
from app.features.mfa import challenges
from app.features.mfa.challenges import Challenge
from app.features.mfa.showing import Showing
from app.login.second_step import Factor
from app.oauth2.direct_login import DirectLogin, log_in_directly
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.scope import split_scope
from app.oauth2.tokens import find_signing_keys

NAME = "urn:latchkey:params:oauth:grant-type:mfa"

DOOR = "token"

REFUSED = "The mfa_token is invalid, expired or used up, or the code is wrong."

PARAMETERS = {
    "mfa_token": {
        "type": "string",
        "description": f"For the grant {NAME}: from the error mfa_required.",
    },
    "otp": {"type": "string", "description": "With it: the code that the app shows."},
    "recovery_code": {"type": "string", "description": "Or a recovery code."},
}


async def exchange(request: TokenRequest) -> dict[str, Any]:
    """Tokens for what ``mfa_required`` asked for, by the client and from where it was asked.

    Raises an :class:`~app.errors.OAuth2Error` or :class:`~app.errors.LoginRefused`.
    """
    token = request.form.get("mfa_token")
    if token is None:
        raise InvalidRequestError(told="The request needs an mfa_token.")
    factor = _factor_of(request)
    keys = await find_signing_keys(request)
    targets, resources = await request.find_targets()
    challenge = await _count_try(request, token, resources)
    login = DirectLogin(
        user_id=challenge.user_id,
        security_stamp=challenge.security_stamp,
        door=DOOR,
        scope=challenge.scope,
        requested=challenge.requested_scope,
        resources=challenge.resources,
        target=targets.of(challenge.resources),
    )
    showing = Showing(
        challenge=challenge,
        factor=factor,
        fields=request.form,
        settings=request.settings,
        clock=request.clock,
        notify=request.notify,
        origin=request.origin,
    )
    try:
        answer = await log_in_directly(request, keys, login, showing.prove)
    except LoginRefused as refusal:
        _count(request, refusal.reason)
        raise InvalidGrantError(reason=refusal.reason, told=REFUSED) from None
    _count(request, "succeeded")
    return answer


def _factor_of(request: TokenRequest) -> Factor:
    """What is shown, which is one thing. Raises :class:`InvalidRequestError`."""
    possible = [factor for factor in request.factors if factor.elsewhere]
    shown = [factor for factor in possible if factor.method in request.form]
    if len(shown) != 1:
        names = " or ".join(factor.method for factor in possible)
        raise InvalidRequestError(told=f"The request needs one of {names}.")
    return shown[0]


async def _count_try(request: TokenRequest, token: str, resources: Sequence[str]) -> Challenge:
    """Count a try before the code is looked at. Where it will not be looked at, none is counted."""
    which = challenges.of_client(token, request.client.client_id, request.origin.address)

    async def count(connection: AsyncConnection) -> Challenge:
        challenge = await challenges.count_try_at(
            connection, request.settings, which, request.clock.now()
        )
        if challenge is None:
            raise InvalidGrantError(reason="no such mfa_token at this client", told=REFUSED)
        _require_same(request, resources, challenge)
        return challenge

    try:
        return await request.database.transact(count)
    except LoginRefused:
        _count(request, "throttled")
        raise


def _require_same(request: TokenRequest, resources: Sequence[str], challenge: Challenge) -> None:
    """Require what the first request asked for.

    Raises :class:`InvalidScopeError` and :class:`InvalidTargetError` if this one names another.
    """
    named = set(split_scope(request.form.get("scope", "")))
    before = (challenge.requested_scope, challenge.scope)
    if named and named not in [set(scope.split()) for scope in before]:
        raise InvalidScopeError(told="The mfa_token was issued for other scopes.")
    if resources and set(resources) != set(challenge.resources):
        raise InvalidTargetError(told="The mfa_token was issued for other resources.")


def _count(request: TokenRequest, outcome: str) -> None:
    if request.metrics is not None:
        request.metrics.login("mfa", outcome)


GRANT = Grant(NAME, PARAMETERS, exchange, goes_with="password")
