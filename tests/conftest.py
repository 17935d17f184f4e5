"""What tests ask for by name. Every test that takes ``database_url`` runs on both databases."""

import os
from collections.abc import AsyncGenerator, Generator

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests import databases
from tests.clock import TestClock
from tests.databases import Backend
from tests.factories import TestClient, TestUser, add_client, add_user

ISSUER = "http://127.0.0.1:8000"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    for name in list(os.environ):
        if name.startswith("LATCHKEY_"):
            del os.environ[name]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Backend]:
    """Both kinds of database, one after the other."""
    if request.param == "sqlite":
        with databases.sqlite(tmp_path_factory.mktemp("sqlite")) as made:
            yield made
    else:
        with databases.postgresql() as made:
            yield made


@pytest.fixture
def database_url(backend: Backend) -> Generator[str]:
    """A fresh database at the newest schema."""
    url = backend.migrated()
    yield url
    backend.drop(url)


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Development settings, with the cheapest password hash there is."""
    return make_settings(database_url=database_url)


def make_settings(**changes: object) -> Settings:
    values: dict[str, object] = {
        "environment": "development",
        "issuer": ISSUER,
        "default_client_id": "",
        "password_hash_memory_kib": 8,
        "password_hash_time": 1,
    }
    return Settings(_env_file=None, **(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> TestClock:
    """The clock of the application under test."""
    return TestClock()


@pytest.fixture
def app(settings: Settings, clock: TestClock) -> FastAPI:
    """The application. Tests that need other settings override the fixture ``settings``."""
    return create_app(settings, clock)


@pytest.fixture
async def http(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client of the started application."""
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
            yield client


@pytest.fixture
def server(app: FastAPI, http: httpx2.AsyncClient) -> Server:
    """What the application holds: the database, the keys, the clock."""
    found: Server = app.state.server
    return found


@pytest.fixture
async def alice(server: Server) -> TestUser:
    """A user with the sample scopes."""
    return await add_user(server)


@pytest.fixture
async def web(server: Server) -> TestClient:
    """A confidential client that may use the password grant."""
    return await add_client(server)
