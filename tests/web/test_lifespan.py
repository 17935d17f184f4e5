"""A worker's beginning and end: when it answers, and what it waits for."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app import main
from app.database.engines import Database
from app.database.recent import MAX_AGE
from app.errors import Problem
from app.main import create_app
from app.server import Server
from app.settings import SettingsError
from app.web import lifespan
from tests.conftest import ISSUER, make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.processes import production
from tests.support.relay import relay_to

PRODUCTION = {
    "environment": "production",
    "issuer": "https://auth.example.com",
    "secret_key": "a-secret-key-that-nobody-has-published",
}
UNREADY = {"status": "starting", "database": "unreachable"}


@pytest.fixture
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "PAUSE", 0.0)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http,
    ):
        yield http


@pytest.fixture
def demo(sqlite: Backend) -> Generator[str]:
    url = sqlite.seeded()
    yield url
    sqlite.drop(url)


async def test_demo_data_stops_the_start_in_production(demo: str) -> None:
    app = create_app(make_settings(database_url=demo, **PRODUCTION))
    with pytest.raises(Problem, match="the demo data is in the database"):
        async with app.router.lifespan_context(app):
            raise AssertionError("it must not serve")


async def test_a_missing_schema_stops_the_start(tmp_path: Path) -> None:
    app = create_app(make_settings(database_url=f"sqlite:///{tmp_path / 'new.db'}"))
    with pytest.raises(SettingsError, match="the database is not migrated"):
        async with app.router.lifespan_context(app):
            raise AssertionError("it must not serve")


async def test_a_patient_worker_waits_for_what_stops_the_start_of_others(
    demo: str, without_pause: None
) -> None:
    app = create_app(make_settings(database_url=demo, **PRODUCTION), patient=True)
    async with serving(app) as http:
        assert (await http.get("/readyz")).json()["status"] == "starting"
        refused = await http.post("/token", data={"grant_type": "password"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert refused.json()["error"] == "temporarily_unavailable"


async def test_a_worker_without_its_database_waits_and_then_serves(
    database_url: str, tmp_path: Path, without_pause: None
) -> None:
    clock = TestClock()
    app = create_app(make_settings(database_url=database_url), clock)
    server: Server = app.state.server
    there, server.database = server.database, Database(f"sqlite:///{tmp_path}/no/folder.db")
    async with serving(app) as http:
        unready = await http.get("/readyz")
        assert (unready.status_code, UNREADY.items() <= unready.json().items()) == (503, True)
        assert (await http.get("/healthz")).status_code == 200
        page = await http.get("/docs")
        assert (page.status_code, page.headers["retry-after"]) == (503, "2")
        await server.database.close()
        server.database = there
        while (await http.get("/readyz")).status_code == 503:
            clock.advance(seconds=MAX_AGE)  # it may have looked for a key before there was one
        assert (await http.get("/users/me")).status_code == 401


async def test_a_server_that_knows_no_lifespan_serves_nothing(database_url: str) -> None:
    app = create_app(make_settings(database_url=database_url))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http:
        assert (await http.get("/.well-known/jwks.json")).status_code == 503
    await app.state.server.close()


async def test_a_server_that_stops_is_unready_and_lets_connections_go(
    http: httpx2.AsyncClient, server: Server
) -> None:
    assert "connection" not in (await http.get("/healthz")).headers
    server.phase = "stopping"
    unready = await http.get("/readyz")
    assert (unready.status_code, unready.json()["status"]) == (503, "stopping")
    answer = await http.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


async def test_closing_ends_although_the_database_says_nothing(
    pg_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.server.CLOSING_STEP", 0.2)
    async with relay_to(pg_url) as relay:
        app = create_app(make_settings(database_url=relay.url))
        async with serving(app) as http:
            assert (await http.get("/readyz")).status_code == 200
            relay.fall_silent()
        # It is here: without a bound it would not be.


@pytest.fixture
def pg_url(postgresql: Backend) -> Generator[str]:
    made = postgresql.migrated()
    yield made
    postgresql.drop(made)


async def messages_of_start() -> list[str]:
    """What a server is told when it starts ``app.main:app``, that must not be started."""
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, str]) -> None:  # type: ignore[explicit-any, unused-ignore]
        assert message["type"] == "lifespan.startup.failed"
        sent.append(message["message"])

    made = lifespan.MadeAtStart(main._create_for_any)
    with suppress(Problem):  # Starlette raises it, which the server expects
        await made({"type": "lifespan", "state": {}}, receive, send)  # type: ignore[arg-type]
    return sent


@pytest.fixture
def no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "dictConfig", lambda _config: None)


async def test_any_server_is_told_in_one_line_why_it_must_not_start(
    demo: str, monkeypatch: pytest.MonkeyPatch, no_logging: None, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in production(demo).items():
        monkeypatch.setenv(name, value)
    assert await messages_of_start() == [
        "latchkey: the demo data is in the database: its passwords are public. Delete it"
    ]
    monkeypatch.setenv("LATCHKEY_SECRET_KEY", "short")
    assert await messages_of_start() == [
        "latchkey: LATCHKEY_SECRET_KEY is too short: it must have 32 bytes or more"
    ]
