"""The authorization code grant: RFC 6749, section 4.1.3, with PKCE (RFC 7636, section 4.6)."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, record
from app.errors import InvalidGrantError, InvalidRequestError
from app.features.authorization_code.authorizations import (
    Code,
    consume_code,
    find_used_code,
    record_login_of_code,
)
from app.features.authorization_code.redirect_uris import registered_uris
from app.identity.users import find_enabled_scopes, get_person
from app.login.logins import end_login, require_parties
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.new_login import NewLogin, begin_login
from app.oauth2.resource import Target, Targets
from app.oauth2.scope import granted_scope
from app.oauth2.tokens import claims_of_id_token, find_signing_keys, user_tokens

REFUSED = "The authorization code is invalid, expired, already used, or not for this request."

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


PARAMETERS = {
    "code": {"type": "string", "description": "For the grant authorization_code."},
    "redirect_uri": {"type": "string", "description": "As in the authorization request."},
    "code_verifier": {"type": "string", "description": "The verifier for the code_challenge."},
}


async def exchange(request: TokenRequest) -> dict[str, Any]:
    """Tokens for a code, which is used up by the first attempt of its client.

    A second attempt ends what the first one issued. Another client's attempt changes nothing.
    Raises an :class:`~app.errors.OAuth2Error`.
    """
    code = request.form.get("code")
    if code is None:
        raise InvalidRequestError(told="The request needs a code.")
    keys = await find_signing_keys(request)
    targets, asked = await request.find_targets()
    outcome = await request.database.transact(
        lambda connection: _redeem(connection, request, code, targets, asked)
    )
    # Raised outside: the code is used up, and what it issued is ended, whatever the answer.
    if isinstance(outcome, str):
        raise InvalidGrantError(reason=outcome, told=REFUSED)
    more = await request.more_claims(outcome.code.user_id, outcome.scope)
    return user_tokens(
        request,
        keys,
        user_id=outcome.code.user_id,
        login_id=outcome.login.id,
        login_expires_at=outcome.login.expires_at,
        scope=outcome.scope,
        refresh_token=outcome.login.refresh_token,
        auth_time=outcome.code.auth_time,
        amr=outcome.code.amr,
        nonce=outcome.code.nonce,
        audience=outcome.target.audience,
        more=more,
        about_user=outcome.about_user,
    )


@dataclass(frozen=True)
class _Redeemed:
    code: Code
    login: NewLogin
    scope: str
    """Of the access token; the login's can be more."""
    target: Target
    about_user: Mapping[str, Any]


async def _redeem(
    connection: AsyncConnection,
    request: TokenRequest,
    code: str,
    targets: Targets,
    asked: Sequence[str],
) -> _Redeemed | str:
    """The login that the code stands for, or why there is none.

    Raises :class:`~app.errors.InvalidTargetError` if other resources are ``asked`` for than were
    allowed, or :class:`~app.errors.InvalidScopeError` if they understand none of the scopes: the
    code then stays good.
    """
    client, now = request.client, request.clock.now()
    used = await consume_code(connection, code, client.client_id, now)
    if used is None:
        return await _answer_reuse(connection, request, code)
    allowed = client.scopes & await find_enabled_scopes(connection, used.user_id)
    scopes = [name for name in used.scope.split() if name in allowed]
    offline = "offline_access" in scopes
    refusal = _mismatch(request, used)
    if refusal is None and not scopes:
        refusal = "the user is disabled, or nothing that was allowed is left"
    if refusal is None and not offline and now >= used.session_expires_at:
        refusal = "the browser session has run out"
    if refusal is None and not await request.admits(connection, used.user_id, client.client_id):
        refusal = "the client is no longer open to the user"
    if refusal is not None:
        refused = Event(
            type="code.refused",
            user_id=used.user_id,
            client_id=client.client_id,
            origin=request.origin,
            details={"reason": refusal},
        )
        await record(connection, now, refused)
        return refusal
    scope = " ".join(scopes)
    resources = targets.within(asked, used.resources)
    target = targets.of(resources)
    narrowed = granted_scope(target.narrow(scopes), scopes)
    await require_parties(connection, client, used.user_id, None)
    login = await begin_login(
        connection,
        request,
        used.user_id,
        scope,
        session_id=used.session_id,
        auth_time=used.auth_time,
        amr=used.amr,
        id_token_claims=used.id_token_claims or (),
        ends_by=None if offline else used.session_expires_at,
        resources=used.resources or resources,
    )
    await record_login_of_code(connection, code, login.id)
    about_user: Mapping[str, Any] = {}
    if client.id_token_claims or used.id_token_claims:
        person = await get_person(connection, used.user_id)
        about_user = claims_of_id_token(request, person, scope, used.id_token_claims or ())
    return _Redeemed(used, login, narrowed, target, about_user)


async def _answer_reuse(connection: AsyncConnection, request: TokenRequest, code: str) -> str:
    """End what a used code has issued (RFC 6749, section 4.1.2); return why there is no login."""
    used = await find_used_code(connection, code, request.client.client_id)
    if used is None:
        return "the code is unknown, or another client's"
    now = request.clock.now()
    # Only what ends something is written down: what is dead can be presented for ever.
    if used.login_id is not None and await end_login(connection, used.login_id, now):
        reused = Event(
            type="code.reused",
            user_id=used.user_id,
            client_id=request.client.client_id,
            origin=request.origin,
            details={"session": str(used.login_id)},
        )
        await record(connection, now, reused)
    return "the code was used before"


def _mismatch(request: TokenRequest, code: Code) -> str | None:
    """What about the request does not fit the code."""
    if request.clock.now() >= code.expires_at:
        return "the code has expired"
    if code.session_ended:
        return "the user has logged out"
    if not _names_redirect_uri(request, code):
        return "the redirect URI is another one"
    verifier = request.form.get("code_verifier")
    if code.code_challenge is None:
        # A verifier without a challenge: somebody took the challenge out of the request
        # (RFC 9700, section 4.8.2).
        return None if verifier is None else "a verifier for a code without a challenge"
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        return "the code verifier is missing or malformed"
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(challenge, code.code_challenge):
        return "the code verifier is wrong"
    return None


def _names_redirect_uri(request: TokenRequest, code: Code) -> bool:
    """RFC 6749, section 4.1.3: as in the authorization request; if it had none, it may be left out.

    Then the registered one was meant.
    """
    named = request.form.get("redirect_uri")
    if code.redirect_uri is not None:
        return named == code.redirect_uri
    return named is None or named in registered_uris(request.client, request.settings)


GRANT = Grant("authorization_code", PARAMETERS, exchange)
