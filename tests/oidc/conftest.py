"""What the tests of OpenID Connect ask for by name."""

import httpx2
import pytest

from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.factories import TestClient, TestUser, add_user
from tests.support.flow import USER_SCOPES, CodeFlow, add_web_client


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    """A user with the scopes that the clients ask for."""
    return await add_user(server, scopes=USER_SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    """A confidential client of the code flow."""
    return await add_web_client(server)


@pytest.fixture
def flow(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> CodeFlow:
    """Alice at the confidential client."""
    return CodeFlow(http, alice, shop)
