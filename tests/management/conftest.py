"""One application on SQLite for each module, and users and clients of its own for each test."""

import pytest

from app.server import Server
from tests.support.factories import SCOPES, TestClient, TestUser, add_user
from tests.support.on_sqlite import settings
from tests.support.operators import EVERY_SCOPE, add_console, add_somebody, token_of
from tests.support.shell import no_dotenv_file, shell
from tests.support.started import app, clock, http, server

__all__ = ["app", "clock", "http", "no_dotenv_file", "server", "settings", "shell"]


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
