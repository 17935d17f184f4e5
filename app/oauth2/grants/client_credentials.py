"""The client credentials grant: RFC 6749, section 4.4. A client acts for itself."""

from typing import Any

from app.audit.trail import Event
from app.errors import InvalidScopeError, UnauthorizedClientError
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.responses import token_response
from app.oauth2.scope import requested_scopes

PARAMETERS = {"scope": {"type": "string", "description": "Scopes, separated by spaces."}}


async def exchange(request: TokenRequest) -> dict[str, Any]:
    """An access token whose ``sub`` is the client; no refresh token (section 4.4.3).

    The scopes that speak of a user are never granted. Raises an
    :class:`~app.errors.OAuth2Error`.
    """
    client = request.client
    if client.is_public:
        raise UnauthorizedClientError(reason="client_credentials for a public client")
    targets, resources = await request.find_targets()
    target = targets.of(resources)
    scope = " ".join(
        target.narrow(requested_scopes(request.form.get("scope", ""), client.for_itself))
    )
    if not scope:
        raise InvalidScopeError(reason="nothing is left to grant")
    lifetime = client.lifetimes(request.settings).access_token
    more = await request.more_claims(None, scope)
    access_token = request.access_tokens.sign(
        await request.access_tokens.signing_key(),
        subject=client.client_id,
        client_id=client.client_id,
        scope=scope,
        login_id=None,
        client_stamp=client.security_stamp,
        lifetime=lifetime,
        audience=target.audience,
        more=more.access_token,
    )
    issued = Event(
        type="token.issued",
        actor=client.client_id,
        client_id=client.client_id,
        origin=request.origin,
        details={"grant": request.grant_type, "scope": scope},
    )
    request.audit_batch.add(issued, request.clock.now())
    return token_response(access_token, scope, lifetime)


GRANT = Grant("client_credentials", PARAMETERS, exchange)
