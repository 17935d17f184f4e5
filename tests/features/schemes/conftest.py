"""One application on SQLite for each module, and users of its own for each test."""

import uuid

import httpx2
import pytest
from fastapi import FastAPI

from app.server import Server
from tests.features.schemes.own_documents import publish_own_documents
from tests.support.factories import TestClient, TestUser, add_client, add_user, log_in
from tests.support.flow import CodeFlow, add_web_client, open_browser
from tests.support.lifecycle import Tokens, add_service, own_token
from tests.support.on_sqlite import settings
from tests.support.started import app, clock, http, server

__all__ = ["app", "clock", "http", "server", "settings"]

SCOPES = ("openid", "profile", "email", "items:read", "items:write")


@pytest.fixture(scope="module")
async def web(server: Server) -> TestClient:
    return await add_client(
        server, grant_types=("password", "refresh_token"), scopes=SCOPES, default_scopes=SCOPES
    )


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, f"alice {uuid.uuid4()}", scopes=SCOPES)


@pytest.fixture
async def tokens(http: httpx2.AsyncClient, alice: TestUser, web: TestClient) -> Tokens:
    """Alice's tokens, with two scopes."""
    return await log_in(http, alice, web, "profile items:read")


@pytest.fixture
def token(tokens: Tokens) -> str:
    access_token: str = tokens["access_token"]
    return access_token


@pytest.fixture
async def id_token(server: Server, http: httpx2.AsyncClient, app: FastAPI, alice: TestUser) -> str:
    """An ID token of alice, from the code flow."""
    shop = await add_web_client(server, f"shop-{uuid.uuid4()}")
    async with open_browser(app) as browser:
        issued: str = (await CodeFlow(browser, alice, shop).tokens(nonce="n"))["id_token"]
    return issued


@pytest.fixture(scope="module")
async def service(server: Server) -> TestClient:
    """A client that acts for itself."""
    return await add_service(server)


@pytest.fixture
async def service_token(http: httpx2.AsyncClient, service: TestClient) -> str:
    return await own_token(http, service, "items:read")


@pytest.fixture
async def own_documents(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the application publishes of itself, where the drop-in fetches it."""
    await publish_own_documents(http, monkeypatch)
