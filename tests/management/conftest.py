"""One application on SQLite for each module, and users and clients of its own for each test."""

from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

from app.security.jwt import generate_private_key
from app.server import Server
from app.settings import Settings
from app.tokens import key_rotation
from tests import databases
from tests.conftest import make_settings
from tests.databases import Backend
from tests.factories import SCOPES, TestClient, TestUser, add_user
from tests.management.operators import EVERY_SCOPE, add_console, add_somebody, token_of
from tests.management.shell import Shell
from tests.started import app, clock, http, server

__all__ = ["app", "clock", "http", "server"]

_made_once = cache(generate_private_key)


@pytest.fixture(scope="module", autouse=True)
def _keys_are_made_once() -> Generator[None]:
    """An RSA key takes longer than all else that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_rotation, "generate_private_key", _made_once)
        yield


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Generator[Backend]:
    with databases.sqlite(tmp_path_factory.mktemp("management")) as made:
        yield made


@pytest.fixture(scope="module")
def settings(sqlite: Backend) -> Generator[Settings]:
    url = sqlite.migrated()
    yield make_settings(database_url=url)
    sqlite.drop(url)


@pytest.fixture(scope="module")
async def console(server: Server) -> TestClient:
    return await add_console(server)


@pytest.fixture(scope="module")
async def admin(server: Server) -> TestUser:
    """A user with every scope."""
    return await add_user(server, "admin", scopes=EVERY_SCOPE)


@pytest.fixture
async def as_admin(server: Server, admin: TestUser, console: TestClient) -> dict[str, str]:
    """The header with a token of the administrator that has every scope."""
    return await token_of(server, admin, *EVERY_SCOPE)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    """A user with the sample scopes, and with a name of its own in every test."""
    return await add_somebody(server, *SCOPES, name="alice")


@pytest.fixture
def no_dotenv_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For commands that run in this process: a folder without a .env file."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shell(sqlite: Backend, no_dotenv_file: None) -> Generator[Shell]:
    """The command line on a fresh SQLite database."""
    url = sqlite.migrated()
    yield Shell(url)
    sqlite.drop(url)
