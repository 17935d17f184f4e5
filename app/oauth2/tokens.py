"""Issuing a user's tokens: the answer of RFC 6749, section 5.1."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, record
from app.errors import InvalidClientError, InvalidGrantError
from app.identity.clients import RegisteredClient, find_client
from app.login.logins import hold_parties, start_login
from app.oauth2.grant import TokenRequest
from app.server import Server
from app.tokens.refresh_tokens import issue_refresh_token


@dataclass(frozen=True)
class NewLogin:
    """A login that was just recorded, and its first refresh token if its client may refresh."""

    id: uuid.UUID
    refresh_token: str | None = field(repr=False)


async def begin_login(
    connection: AsyncConnection,
    request: TokenRequest,
    user_id: uuid.UUID,
    scope: str,
    *,
    security_stamp: str | None = None,
    session_id: uuid.UUID | None = None,
    auth_time: datetime | None = None,
) -> NewLogin:
    """Record that a user logged in through the request's client, as both are now.

    ``security_stamp`` is that under which the password was checked. Raises
    :class:`InvalidGrantError` if the user has another one by now, is disabled or gone, and
    :class:`InvalidClientError` if the client is.
    """
    await _require_parties(connection, request.client, user_id, security_stamp)
    settings = request.server.settings
    refreshable = "refresh_token" in request.client.grant_types
    lifetime = settings.refresh_token_ttl if refreshable else settings.access_token_ttl
    now = request.server.clock.now()
    login_id = await start_login(
        connection,
        user_id=user_id,
        client_id=request.client.client_id,
        scope=scope,
        origin=request.origin,
        now=now,
        expires_at=now + timedelta(seconds=lifetime),
        session_id=session_id,
        auth_time=auth_time,
    )
    refresh_token = None
    if refreshable:
        refresh_token = await issue_refresh_token(connection, login_id, now)
    event = Event(
        type="token.issued",
        actor=str(user_id),
        user_id=user_id,
        client_id=request.client.client_id,
        origin=request.origin,
        details={"grant": request.grant_type, "scope": scope, "session": str(login_id)},
    )
    await record(connection, now, event)
    return NewLogin(login_id, refresh_token)


async def _require_parties(
    connection: AsyncConnection,
    client: RegisteredClient,
    user_id: uuid.UUID,
    security_stamp: str | None,
) -> None:
    held = await hold_parties(connection, user_id, client.client_id)
    if held is None:
        if await find_client(connection, client.client_id) is None:
            raise InvalidClientError("the client was deleted in the meantime")
        raise InvalidGrantError("the user was deleted in the meantime")
    if not held.client_enabled:
        raise InvalidClientError("the client was disabled in the meantime")
    if not held.user_enabled or security_stamp not in (None, held.security_stamp):
        raise InvalidGrantError("the user was disabled or given another password in the meantime")


async def user_tokens(
    request: TokenRequest,
    *,
    user_id: uuid.UUID,
    login_id: uuid.UUID,
    scope: str,
    refresh_token: str | None,
    auth_time: datetime | None = None,
    nonce: str | None = None,
) -> dict[str, Any]:
    """The answer for a login that is committed.

    With an ID token if ``openid`` was granted and the user logged in with a browser, at
    ``auth_time``.
    """
    server, client = request.server, request.client
    access_token = await server.access_tokens.sign(
        subject=str(user_id), client_id=client.client_id, scope=scope, login_id=login_id
    )
    answer = token_response(server, access_token, scope)
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    if auth_time is not None and "openid" in scope.split():
        answer["id_token"] = await server.id_tokens.sign(
            alg=client.id_token_alg,
            subject=str(user_id),
            client_id=client.client_id,
            login_id=login_id,
            access_token=access_token,
            auth_time=auth_time,
            nonce=nonce,
        )
    return answer


def token_response(server: Server, access_token: str, scope: str) -> dict[str, Any]:
    """RFC 6749, section 5.1. The scope is always told, also when it is what was asked for."""
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": server.settings.access_token_ttl,
        "scope": scope,
    }
