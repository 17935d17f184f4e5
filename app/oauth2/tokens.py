"""Issuing tokens: the answer of RFC 6749, section 5.1, for the grants that log a user in."""

from datetime import timedelta
from typing import Any

from app.oauth2.grant import TokenRequest
from app.server import Server
from app.services.logins import start_login
from app.services.refresh_tokens import issue_refresh_token
from app.services.users import Account, store_password_hash


async def log_in(
    request: TokenRequest, account: Account, scope: str, new_hash: str | None
) -> dict[str, Any]:
    """Record that ``account`` logged in through the request's client, and issue its tokens.

    ``new_hash`` replaces the stored password hash in the same transaction.
    """
    server = request.server
    refreshable = "refresh_token" in request.client.grant_types
    settings = server.settings
    lifetime = settings.refresh_token_ttl if refreshable else settings.access_token_ttl
    now = server.clock.now()
    refresh_token = None
    async with server.database.transaction() as connection:
        login_id = await start_login(
            connection,
            user_id=account.id,
            client_id=request.client.client_id,
            scope=scope,
            origin=request.origin,
            now=now,
            expires_at=now + timedelta(seconds=lifetime),
        )
        if refreshable:
            refresh_token = await issue_refresh_token(connection, login_id, now)
        if new_hash is not None:
            await store_password_hash(connection, account.id, new_hash)
    access_token = await server.access_tokens.sign(
        subject=str(account.id),
        client_id=request.client.client_id,
        scope=scope,
        login_id=login_id,
    )
    return token_response(server, access_token, scope, refresh_token)


def token_response(
    server: Server, access_token: str, scope: str, refresh_token: str | None = None
) -> dict[str, Any]:
    """RFC 6749, section 5.1. The scope is always told, also when it is what was asked for."""
    answer = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": server.settings.access_token_ttl,
        "scope": scope,
    }
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token
    return answer
