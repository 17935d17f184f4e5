"""Routes that change something: whoever asks is judged in the transaction that writes.

@router.post("/reports")
async def add_report(actor: Annotated[ActingUser, Security(acting_user, scopes=["reports:write"])]):
    await actor.connection.execute(...)

A route that has to hash a password first must not keep a transaction waiting for it. It takes
:func:`acting_user_later`, which judges when the request arrives, and again in the transaction.
"""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from fastapi.security import SecurityScopes
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Origin
from app.database.engines import lock
from app.errors import InsufficientScopeError, InvalidTokenError, NotAUserError
from app.identity.clients import find_client, hold_client
from app.identity.users import hold_user
from app.login.logins import find_live_user, hold_parties
from app.login.user_keys import UserKey
from app.management.authority import MANAGEMENT_LOCK, Actor
from app.oauth2.bearer import (
    Credential,
    CurrentUser,
    amr_of,
    current_user,
    user_of,
    user_of_key,
    verified_token,
)
from app.oauth2.principal import Principal, client_scopes_of, current_principal
from app.server import Server
from app.tokens.access_tokens import AccessToken
from app.tokens.revoked_tokens import is_revoked
from app.web.dependencies import CurrentServer, Transaction
from app.web.origin import origin_of


@dataclass(frozen=True, kw_only=True)
class ActingUser(Actor):
    """A user who changes something of their own, or manages."""

    user: CurrentUser


async def act_as_user(
    connection: AsyncConnection,
    server: Server,
    token: Credential,
    scopes: Sequence[str],
    origin: Origin,
) -> ActingUser:
    """The user of ``token``, who has ``scopes`` and stays as they are until the transaction ends.

    Raises a :class:`~app.errors.BearerError`.
    """
    if isinstance(token, UserKey):
        user = await _hold_user_of_key(connection, server, token, scopes)
    else:
        user = await _hold_user_of_token(connection, token, scopes)
    return ActingUser(
        connection=connection,
        clock=server.clock,
        subject=str(user.id),
        scopes=user.all_scopes,
        client_id=user.client_id,
        origin=origin,
        amr=amr_of(token),
        login="" if isinstance(token, UserKey) else f"login {token.login_id}",
        notify=server.notify,
        user=user,
    )


async def _hold_user_of_token(
    connection: AsyncConnection, token: AccessToken, scopes: Sequence[str]
) -> CurrentUser:
    if token.login_id is None:
        raise NotAUserError(scopes)
    held = await hold_parties(connection, _user_id(token), token.client_id)
    if held is None or not held.client_enabled:
        raise InvalidTokenError(reason="its user or its client is gone, or its client disabled")
    return user_of(token, await find_live_user(connection, token.login_id), scopes)


async def _hold_user_of_key(
    connection: AsyncConnection, server: Server, key: UserKey, scopes: Sequence[str]
) -> CurrentUser:
    await hold_user(connection, key.user.id)
    as_it_is = await key.again(connection, server.clock.now())
    if as_it_is is None:
        raise InvalidTokenError(reason="the key is no longer good, or its user disabled")
    return user_of_key(as_it_is, scopes)


async def act_as_manager(
    connection: AsyncConnection,
    server: Server,
    token: Credential,
    scopes: Sequence[str],
    origin: Origin,
) -> Actor:
    """The user of ``token``, or the client that acts for itself. Raises a :class:`BearerError`."""
    await lock(connection, MANAGEMENT_LOCK)
    if isinstance(token, UserKey) or token.login_id is not None:
        return await act_as_user(connection, server, token, scopes, origin)
    await hold_client(connection, token.client_id)
    client = await find_client(connection, token.client_id)
    if client is None or not client.enabled or await is_revoked(connection, token.token_id):
        raise InvalidTokenError(reason="it is revoked, or its client disabled or gone")
    client_scopes_of(token, client, scopes)
    return Actor(
        connection=connection,
        clock=server.clock,
        subject=token.subject,
        scopes=client.scopes,
        client_id=token.client_id,
        origin=origin,
        notify=server.notify,
    )


def _user_id(token: AccessToken) -> uuid.UUID:
    try:
        return uuid.UUID(token.subject)
    except ValueError:
        raise InvalidTokenError(reason="its subject is no user") from None


async def permitted_token(
    security_scopes: SecurityScopes, token: Annotated[Credential, Depends(verified_token)]
) -> Credential:
    """The request's token, if it has the scopes: with another one nobody waits for a lock.

    Raises :class:`InsufficientScopeError`.
    """
    if not token.scopes.issuperset(security_scopes.scopes):
        raise InsufficientScopeError(security_scopes.scopes)
    return token


async def acting_user(
    security_scopes: SecurityScopes,
    request: Request,
    server: CurrentServer,
    token: Annotated[Credential, Depends(permitted_token)],
    transaction: Transaction,
) -> ActingUser:
    """The user behind the request, in the transaction in which the route writes."""
    scopes = security_scopes.scopes
    return await act_as_user(transaction, server, token, scopes, origin_of(request))


async def acting_manager(
    security_scopes: SecurityScopes,
    request: Request,
    server: CurrentServer,
    token: Annotated[Credential, Depends(permitted_token)],
    transaction: Transaction,
) -> Actor:
    """The user or the client behind the request, in the transaction in which the route writes."""
    scopes = security_scopes.scopes
    return await act_as_manager(transaction, server, token, scopes, origin_of(request))


Acting = TypeVar("Acting", bound=Actor)
Later = Callable[[], AbstractAsyncContextManager[Acting]]
UserLater = Later[ActingUser]
ManagerLater = Later[Actor]


async def acting_user_later(
    security_scopes: SecurityScopes,
    request: Request,
    server: CurrentServer,
    token: Annotated[Credential, Depends(verified_token)],
    _user: Annotated[CurrentUser, Depends(current_user)],
) -> UserLater:
    """What begins the transaction of :func:`acting_user`, when there is something to write."""
    return _later(act_as_user, server, token, security_scopes.scopes, origin_of(request))


async def acting_manager_later(
    security_scopes: SecurityScopes,
    request: Request,
    server: CurrentServer,
    token: Annotated[Credential, Depends(verified_token)],
    _principal: Annotated[Principal, Depends(current_principal)],
) -> ManagerLater:
    """What begins the transaction of :func:`acting_manager`, when there is something to write."""
    return _later(act_as_manager, server, token, security_scopes.scopes, origin_of(request))


def _later(
    act: Callable[[AsyncConnection, Server, Credential, Sequence[str], Origin], Awaitable[Acting]],
    server: Server,
    token: Credential,
    scopes: Sequence[str],
    origin: Origin,
) -> Later[Acting]:
    @asynccontextmanager
    async def begin() -> AsyncGenerator[Acting]:
        async with server.database.transaction() as connection:
            yield await act(connection, server, token, scopes, origin)

    return begin
