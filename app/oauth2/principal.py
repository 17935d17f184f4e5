"""Routes that users and clients acting for themselves may read: the management API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import SecurityScopes

from app.errors import InsufficientScopeError, InvalidTokenError
from app.identity.clients import RegisteredClient
from app.login.user_keys import UserKey
from app.oauth2.bearer import Credential, identify, verified_token
from app.tokens.access_tokens import AccessToken
from app.tokens.revoked_tokens import is_revoked
from app.web.dependencies import CurrentServer


@dataclass(frozen=True)
class Principal:
    """Whoever the access token speaks for, and what it permits."""

    subject: str
    scopes: frozenset[str]
    """What the token permits and they still have."""


async def current_principal(
    security_scopes: SecurityScopes,
    server: CurrentServer,
    token: Annotated[Credential, Depends(verified_token)],
) -> Principal:
    """The user or the client of the access token, asked of the database at every request.

    Raises :class:`InvalidTokenError` or :class:`InsufficientScopeError`.
    """
    if isinstance(token, UserKey) or token.login_id is not None:
        user = await identify(server, token, security_scopes.scopes)
        return Principal(str(user.id), user.scopes)
    async with server.database.read() as connection:
        if await is_revoked(connection, token.token_id):
            raise InvalidTokenError(reason="revoked")
    client = await server.clients.find(token.client_id)
    if client is None:
        raise InvalidTokenError(reason="its client is disabled")
    scopes = client_scopes_of(token, client, security_scopes.scopes)
    return Principal(token.subject, scopes)


def client_scopes_of(
    token: AccessToken, client: RegisteredClient, scopes: Sequence[str]
) -> frozenset[str]:
    """What a client's own ``token`` permits that the client still has.

    Raises :class:`InvalidTokenError`, or :class:`InsufficientScopeError` if it lacks ``scopes``.
    """
    if not token.is_current_for(client):
        raise InvalidTokenError(reason="it is from before its client was disabled")
    if not token.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes)
    if not client.scopes.issuperset(scopes):
        raise InsufficientScopeError(scopes, reason="the client has lost a scope")
    return token.scopes & client.scopes
