"""``POST /token`` while the database is away."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest
from structlog.testing import capture_logs

from app.database import engines as database
from app.settings import Settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient

BUSY = "The server is busy. Try again in a moment."


@pytest.fixture(autouse=True)
def _impatient_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SQLITE_BUSY_TIMEOUT", 50)


async def log_in(http: httpx2.AsyncClient, client: TestClient) -> httpx2.Response:
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    return await http.post("/token", data=form, auth=client.basic)


@asynccontextmanager
async def unavailable(url: str) -> AsyncGenerator[None]:
    """On SQLite another process holds the lock; on PostgreSQL the database is gone."""
    if url.startswith("sqlite"):
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            holder.close()
        return
    name = urlsplit(url).path.removeprefix("/")
    connection = await asyncpg.connect(url.replace(name, "postgres", 1))
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
    )
    await connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_gone")
    try:
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name}_gone RENAME TO {name}")
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()


def assert_unavailable(response: httpx2.Response) -> None:
    assert_oauth2_error(response, "temporarily_unavailable", 503, BUSY)
    assert response.headers["retry-after"] == "2"


@pytest.mark.rfc("9110", "15.6.4")
@pytest.mark.usefixtures("alice")
async def test_a_database_that_is_gone_is_503(
    http: httpx2.AsyncClient, web: TestClient, settings: Settings
) -> None:
    assert (await log_in(http, web)).status_code == 200
    async with unavailable(settings.database_url):
        assert_unavailable(await log_in(http, web))


@pytest.mark.usefixtures("alice")
async def test_a_database_that_stays_away_is_503_every_time(
    http: httpx2.AsyncClient,
    web: TestClient,
    settings: Settings,
    clock: TestClock,
) -> None:
    async with unavailable(settings.database_url):
        for _ in range(3):
            assert_unavailable(await log_in(http, web))
            clock.advance(2)


@pytest.mark.usefixtures("alice")
async def test_a_database_that_comes_back_is_used_again(
    http: httpx2.AsyncClient, web: TestClient, settings: Settings
) -> None:
    async with unavailable(settings.database_url):
        assert_unavailable(await log_in(http, web))
    await log_in(http, web)  # may meet a dead connection of the other pool
    assert (await log_in(http, web)).status_code == 200


@pytest.mark.usefixtures("alice")
async def test_an_outage_leaves_no_credential_in_the_log(
    http: httpx2.AsyncClient, web: TestClient, settings: Settings
) -> None:
    with capture_logs() as logs:
        async with unavailable(settings.database_url):
            assert_unavailable(await log_in(http, web))
    assert PASSWORD not in repr(logs)
    assert web.secret not in repr(logs)
