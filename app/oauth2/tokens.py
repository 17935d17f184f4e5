"""Issuing a user's tokens: the answer of RFC 6749, section 5.1."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from app.identity.profile import Person, permitted_claims
from app.login.claims import MoreClaims
from app.login.strength import PASSWORD_ALONE, Level, acr_of, level_of
from app.oauth2.grant import TokenRequest
from app.oauth2.responses import token_response
from app.security.jwt import PrivateKey


@dataclass(frozen=True)
class SigningKeys:
    """What the tokens of an answer are signed with."""

    access_token: PrivateKey
    id_token: PrivateKey | None
    """None for a client that cannot be granted ``openid``."""


async def find_signing_keys(request: TokenRequest) -> SigningKeys:
    """The keys for the answer to ``request``.

    Call this first: a server that cannot sign must not use up a code or a token.
    Raises :class:`~app.tokens.keys.NoSigningKeyError`.
    """
    client = request.client
    access_token = await request.access_tokens.signing_key()
    if "openid" not in client.scopes:
        return SigningKeys(access_token, None)
    return SigningKeys(access_token, await request.id_tokens.signing_key(client.id_token_alg))


def user_tokens(
    request: TokenRequest,
    keys: SigningKeys,
    *,
    user_id: uuid.UUID,
    login_id: uuid.UUID,
    login_expires_at: datetime,
    scope: str,
    refresh_token: str | None,
    auth_time: datetime | None = None,
    amr: Sequence[str] = PASSWORD_ALONE,
    nonce: str | None = None,
    audience: str | list[str] | None = None,
    more: MoreClaims,
    about_user: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The answer for a login that is committed, whose tokens tell ``more`` than the protocol.

    With an ID token if ``openid`` was granted and the user logged in with a browser, at
    ``auth_time``; ``about_user`` are the claims of :func:`claims_of_id_token` in it. It tells the
    ``amr`` of the login, and so does an access token if that is more than a password. No access
    token outlives its login. Its ``audience`` is ``LATCHKEY_AUDIENCE`` unless another is given.
    """
    client = request.client
    login_lasts = ceil((login_expires_at - request.clock.now()).total_seconds())
    lifetimes = client.lifetimes(request.settings)
    lifetime = min(lifetimes.access_token, login_lasts)
    access_token = request.access_tokens.sign(
        keys.access_token,
        subject=str(user_id),
        client_id=client.client_id,
        scope=scope,
        login_id=login_id,
        lifetime=lifetime,
        audience=audience,
        more=more.access_token,
        authentication=_authentication(amr, auth_time),
    )
    answer = token_response(access_token, scope, lifetime)
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    if auth_time is not None and keys.id_token is not None and "openid" in scope.split():
        answer["id_token"] = request.id_tokens.sign(
            keys.id_token,
            subject=str(user_id),
            client_id=client.client_id,
            login_id=login_id,
            access_token=access_token,
            auth_time=auth_time,
            acr=acr_of(amr),
            amr=amr,
            nonce=nonce,
            lifetime=lifetimes.id_token,
            about_user={**more.id_token, **(about_user or {})},
        )
    return answer


def _authentication(amr: Sequence[str], auth_time: datetime | None) -> Mapping[str, Any]:
    """What an access token says of the login (RFC 9068, section 2.2.1), if there is much to say."""
    if level_of(amr) == Level.ANY:
        return {}
    when = {} if auth_time is None else {"auth_time": int(auth_time.timestamp())}
    return {"acr": acr_of(amr), "amr": list(amr), **when}


def claims_of_id_token(
    request: TokenRequest, person: Person, scope: str, asked: Collection[str]
) -> Mapping[str, Any]:
    """What the ID token says of the user, beside who it is (OpenID Connect Core, section 5.4).

    All that ``scope`` permits for a client that wants it so; else of that what was ``asked`` for
    by name.
    """
    everything = request.client.id_token_claims
    if not (everything or asked):
        return {}
    unverified = request.settings.unverified_email
    permitted = permitted_claims(person, scope.split(), unverified=unverified)
    claims = permitted.model_dump(exclude_none=True, exclude={"sub"})
    return claims if everything else {name: claims[name] for name in claims if name in asked}
