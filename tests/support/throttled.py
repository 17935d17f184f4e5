"""Failed logins, and what comes of them."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.models import AuditEvent, FailedLogins
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.factories import TestClient

LIMIT = 3


LOCKOUT = 300


def throttled(database_url: str) -> Settings:
    return make_settings(
        database_url=database_url,
        login_max_failures=LIMIT,
        login_max_failures_per_address=2 * LIMIT,
        login_lockout_seconds=LOCKOUT,
    )


async def log_in(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str, address: str = ""
) -> httpx2.Response:
    """From ``address``, or from where the test client says that it is."""
    form = {"grant_type": "password", "username": username, "password": password}
    if not address:
        return await http.post("/token", data=form, auth=web.basic)
    async with at(http, address) as elsewhere:
        return await elsewhere.post("/token", data=form, auth=web.basic)


def at(http: httpx2.AsyncClient, address: str) -> httpx2.AsyncClient:
    """A client of the same application at another address."""
    app = http._transport.app  # type: ignore[attr-defined]
    transport = httpx2.ASGITransport(app=app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url=ISSUER)


async def fail(
    http: httpx2.AsyncClient,
    web: TestClient,
    times: int,
    username: str = "alice",
    address: str = "",
) -> None:
    for _ in range(times):
        response = await log_in(http, web, username, "wrong", address)
        assert_oauth2_error(response, "invalid_grant")


def assert_must_wait(response: httpx2.Response, seconds: int) -> None:
    assert_oauth2_error(response, "temporarily_unavailable", 429)
    assert response.headers["retry-after"] == str(seconds)


async def events(server: Server, *types: str) -> list[tuple[str, str | None, dict[str, str]]]:
    await server.audit_batch.write()
    async with server.database.read() as connection:
        found = await connection.execute(
            select(AuditEvent.type, AuditEvent.user_id, AuditEvent.details)
            .where(AuditEvent.type.in_(types))
            .order_by(AuditEvent.id)
        )
        return [(event_type, user_id, details) for event_type, user_id, details in found]


async def cancelled(
    server: Server, request: Coroutine[Any, Any, Any], where: Any, name: str
) -> None:
    """Cancel ``request`` when the function ``name`` of ``where`` is called; then let work end."""
    original = getattr(where, name)
    going = asyncio.create_task(request)

    async def go_away(*arguments: Any, **options: Any) -> Any:
        going.get_loop().call_soon_threadsafe(going.cancel)
        with suppress(RuntimeError):  # a transaction of SQLite, in its thread, waits for nothing
            asyncio.get_running_loop()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return await original(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, go_away)
        with pytest.raises(asyncio.CancelledError):
            await going
        await server.authenticator.close()


async def failures(server: Server) -> list[int]:
    async with server.database.read() as connection:
        return list(await connection.scalars(select(FailedLogins.count)))
