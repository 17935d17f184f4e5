"""Routes for users and for clients that act for themselves: the management API."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import SecurityScopes

from app.errors import InsufficientScopeError, InvalidTokenError
from app.oauth2.bearer import identify, verified_token
from app.oauth2.origin import origin_of
from app.server import CurrentServer
from app.services.access_tokens import AccessToken
from app.services.authority import Actor
from app.services.revoked_tokens import is_revoked


@dataclass(frozen=True)
class Principal:
    """Whoever the access token speaks for, and what it permits."""

    actor: Actor
    scopes: frozenset[str]


async def current_principal(
    security_scopes: SecurityScopes,
    request: Request,
    server: CurrentServer,
    token: Annotated[AccessToken, Depends(verified_token)],
) -> Principal:
    """The user or the client of the access token, asked of the database at every request.

    Raises :class:`InvalidTokenError` or :class:`InsufficientScopeError`.
    """
    origin = origin_of(request)
    if token.login_id is not None:
        user = await identify(server, token, security_scopes.scopes)
        return Principal(Actor(str(user.id), user.all_scopes, origin), user.scopes)
    if not token.scopes.issuperset(security_scopes.scopes):
        raise InsufficientScopeError(security_scopes.scopes)
    async with server.database.read() as connection:
        if await is_revoked(connection, token.token_id):
            raise InvalidTokenError("revoked")
    client = await server.clients.find(token.client_id)
    if client is None:
        raise InvalidTokenError("its client is disabled")
    if not client.scopes.issuperset(security_scopes.scopes):
        raise InsufficientScopeError(security_scopes.scopes, "the client has lost a scope")
    return Principal(Actor(token.subject, client.scopes, origin), token.scopes & client.scopes)
