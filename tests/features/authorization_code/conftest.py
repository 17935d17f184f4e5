"""What the tests of the pages ask for by name."""

from collections.abc import AsyncGenerator

import httpx2
import pytest
from fastapi import FastAPI

from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.factories import TestClient, TestUser, add_user
from tests.support.flow import (
    LOOPBACK,
    USER_SCOPES,
    CodeFlow,
    add_native_client,
    add_web_client,
    open_browser,
)


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
async def bob(server: Server) -> TestUser:
    """Another one."""
    return await add_user(server, "bob", "bob's own secret password", scopes=USER_SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    """A confidential client of the code flow."""
    return await add_web_client(server)


@pytest.fixture
async def native(server: Server) -> TestClient:
    """A public client on the loopback interface."""
    return await add_native_client(server)


@pytest.fixture
def flow(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> CodeFlow:
    """Alice at the confidential client."""
    return CodeFlow(http, alice, shop)


@pytest.fixture
def native_flow(http: httpx2.AsyncClient, alice: TestUser, native: TestClient) -> CodeFlow:
    """Alice at the public client."""
    return CodeFlow(http, alice, native, LOOPBACK)


@pytest.fixture
async def other_browser(
    app: FastAPI, http: httpx2.AsyncClient
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A second browser, at the started application."""
    async with open_browser(app) as browser:
        yield browser
