"""What tests ask for by name. Every test that takes ``database_url`` runs on both databases."""

import gc
import logging
import os
from collections.abc import AsyncGenerator, Generator, Mapping
from functools import partial

import httpx2
import pytest
from fastapi import FastAPI

from app.log import ACCESS_LOG
from app.server import Server
from app.settings import Settings
from tests.support import databases
from tests.support.clock import TestClock
from tests.support.compiled_statements import statements_compiled_once
from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser, add_client, add_user
from tests.support.made_once import made_once
from tests.support.meanwhile import Meanwhile, happen_before_the_next_transaction
from tests.support.shared import Shared
from tests.support.signing_keys import cheap_signing_keys

ISSUER = "http://127.0.0.1:8000"


def pytest_collection_finish() -> None:
    """Let the garbage collector look at new objects alone, and not after every route."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    for name in list(os.environ):
        if name.startswith("LATCHKEY_"):
            del os.environ[name]


@pytest.fixture(autouse=True)
def _no_settings_left_behind() -> Generator[None]:
    """``serve`` hands the issuer to its workers through the environment.

    Where a test runs it in this process, the servers of later tests must not inherit it.
    """
    before = {name for name in os.environ if name.startswith("LATCHKEY_")}
    yield
    for name in set(os.environ) - before:
        if name.startswith("LATCHKEY_"):
            del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _access_log_is_on() -> None:
    """Where a test looks for secrets in the log, the line about each request is there too."""
    logging.getLogger(ACCESS_LOG).setLevel(logging.INFO)


@pytest.fixture(scope="session", autouse=True)
def _cheap_signing_keys() -> Generator[None]:
    """Making an RSA key and checking its primes takes longer than most tests; share a few."""
    with cheap_signing_keys():
        yield


@pytest.fixture(scope="session", autouse=True)
def _what_is_always_the_same() -> Generator[None]:
    with statements_compiled_once(), made_once():
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop of a server."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def sqlite() -> Generator[Backend]:
    with databases.folder_in_memory() as folder, databases.sqlite(folder) as made:
        yield made


@pytest.fixture(scope="session")
def postgresql() -> Generator[Backend]:
    with databases.postgresql() as made:
        yield made


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Both kinds of database, one after the other; either is kept until the last test."""
    found: Backend = request.getfixturevalue(request.param)
    return found


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


def make_settings(database_url: str | None = None, **changes: object) -> Settings:
    """Those of the tests. The same ones are validated once: it takes longer than many a test."""
    key = repr(sorted(changes.items()))
    if key not in _validated:
        _validated[key] = _validate(changes)
    checked = _validated[key]
    return (
        checked
        if database_url is None
        else checked.model_copy(update={"database_url": database_url})
    )


_validated: dict[str, Settings] = {}


def _validate(changes: Mapping[str, object]) -> Settings:
    values: dict[str, object] = {
        "environment": "development",
        "issuer": ISSUER,
        "default_client_id": "",
        "access_token_alg": "ES256",  # what many tests name, whatever the default is
        "password_hash_memory_kib": 8,
        "password_hash_time": 1,
        "login_max_failures": 0,
        "login_max_failures_per_address": 0,
        "passkeys": False,  # or the login page has two forms where the issuer has a name
    }
    return Settings(_env_file=None, **{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def _shared() -> Shared:
    return Shared()


@pytest.fixture
def clock(_shared: Shared) -> TestClock:
    """The clock of the application under test."""
    return _shared.fresh_clock()


@pytest.fixture
def app(settings: Settings, clock: TestClock, _shared: Shared) -> FastAPI:
    """The application. Tests that need other settings override the fixture ``settings``."""
    return _shared.fresh_app(settings, clock)


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


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Lets something happen just before the next transaction of a server begins."""
    return partial(happen_before_the_next_transaction, monkeypatch)
