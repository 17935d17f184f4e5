"""What the test logins need of the server, mounted in development alone."""

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Security
from pydantic import BaseModel
from sqlalchemy import update

from app.errors import ConflictError
from app.login.counts import hold_counts
from app.login.throttle import attempt_of
from app.models import FailedLogins
from app.oauth2.bearer import verified_token
from app.operations.demo import demo_clients, demo_is_present, demo_users
from app.pages.login_docs import serve_file
from app.tokens.access_tokens import AccessToken
from app.web.dependencies import CurrentServer, Reading, Transaction

router = APIRouter(prefix="/docs", include_in_schema=False)

serve_file(router, "/test-logins.js", "app.features.test_logins.static", "text/javascript")

SOMEONE_ELSE = "https://another-api.example"
"""The audience of a token that is not for this server."""


@router.get("/test-logins")
async def test_logins(server: CurrentServer, reading: Reading) -> dict[str, Any]:
    """Who can log in with a click: the users and clients of the demo data, if that is there."""
    if not await demo_is_present(reading, server):
        return {"users": [], "clients": []}
    return {
        "users": [
            {"username": user.username, "password": user.password, "disabled": user.disabled}
            for user in demo_users(server.features)
        ],
        "clients": [
            {
                "id": client.client_id,
                "secret": client.client_secret.get_secret_value() if client.client_secret else "",
                "grants": client.grant_types,
                "introspects": client.introspect == "any",
            }
            for client in demo_clients(server.features)
        ],
    }


class Spoiled(BaseModel):
    """What is to be wrong with a token."""

    kind: Literal["expired", "another_audience"]


@router.post("/test-logins/token")
async def spoil_token(
    server: CurrentServer,
    token: Annotated[AccessToken, Security(verified_token)],
    spoiled: Spoiled,
) -> dict[str, str]:
    """A copy of the access token of the request that nobody may accept. It permits nothing new."""
    expired = spoiled.kind == "expired"
    copy = server.access_tokens.sign(
        await server.access_tokens.signing_key(),
        subject=token.subject,
        client_id=token.client_id,
        scope=token.scope,
        login_id=token.login_id,
        client_stamp=token.client_stamp,
        lifetime=-60 if expired else 60,
        audience=None if expired else SOMEONE_ELSE,
    )
    return {"access_token": copy}


@router.post("/test-logins/throttled")
async def throttle_somebody(server: CurrentServer, connection: Transaction) -> dict[str, str]:
    """A user name, made up, that has just failed as often as is allowed.

    Raises :class:`ConflictError` if there is no limit.
    """
    limit = server.settings.login_max_failures
    if not limit:
        raise ConflictError(told="LATCHKEY_LOGIN_MAX_FAILURES is 0: nobody is throttled.")
    username = f"throttled-{secrets.token_hex(4)}"
    key, now = attempt_of(username, None).account, server.clock.now()
    await hold_counts(connection, [key], now)
    counted = update(FailedLogins).where(FailedLogins.key_hash == key)
    await connection.execute(counted.values(count=limit, last_failed_at=now))
    return {"username": username}
