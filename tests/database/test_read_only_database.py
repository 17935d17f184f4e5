"""A standby, or a primary that takes no writes: an outage that ends without a restart."""

import asyncpg
import httpx2
import pytest

from app.server import Server
from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser

READ_ONLY = {"status": "unready", "database": "read-only"}


@pytest.fixture
def backend(postgresql: Backend) -> Backend:
    return postgresql


async def take_writes(server: Server, answer: str) -> None:
    """Let new sessions write, or not."""
    connection = await asyncpg.connect(server.database.url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {answer}")
    await connection.close()


async def log_in(http: httpx2.AsyncClient, alice: TestUser, web: TestClient) -> httpx2.Response:
    form = {"grant_type": "password", "username": alice.username, "password": alice.password}
    return await http.post("/token", data=form, auth=web.basic)


async def test_writes_get_503_until_the_database_takes_them_again(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    await take_writes(server, "off")
    await server.database.close()
    await take_writes(server, "on")
    await server.database.close()
    refused = await log_in(http, alice, web)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json()["error"] == "temporarily_unavailable"
    await take_writes(server, "off")
    assert (await log_in(http, alice, web)).status_code == 200


async def test_the_server_is_unready_until_the_database_takes_writes_again(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await take_writes(server, "on")
    await server.database.close()
    refused = await http.get("/readyz")
    assert (refused.status_code, READ_ONLY.items() <= refused.json().items()) == (503, True)
    await take_writes(server, "off")
    assert (await http.get("/readyz")).status_code == 200
