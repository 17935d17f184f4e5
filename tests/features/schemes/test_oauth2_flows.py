"""``OAuth2`` with several flows: the tokens of users and of clients that act for themselves.

What it refuses is in test_bearer_samples.py.
"""

import uuid

import httpx2
import pytest
from fastapi import FastAPI

from app.server import Server
from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, bearer
from tests.support.flow import CodeFlow, add_web_client, open_browser
from tests.support.lifecycle import add_service, disable_client, own_token, revoked

PATH = "/schemes/oauth2/flows"

CHANGE_IS_KNOWN = 2
"""Seconds in which a change to a client reaches every worker."""


@pytest.fixture
async def own_service(server: Server) -> TestClient:
    """A client that a test may change."""
    return await add_service(server, f"service-{uuid.uuid4()}")


async def use(http: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await http.get(PATH, headers=bearer(token))


async def test_a_token_of_the_code_flow_names_its_user(
    app: FastAPI, http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    shop = await add_web_client(server, f"shop-{uuid.uuid4()}")
    async with open_browser(app) as browser:
        tokens = await CodeFlow(browser, alice, shop).tokens(scope="profile")
    response = await use(http, tokens["access_token"])
    assert_recognised(response, "OAuth2", alice.id, ["profile"])


async def test_a_token_of_the_client_credentials_flow_names_its_client(
    http: httpx2.AsyncClient, service: TestClient, service_token: str
) -> None:
    response = await use(http, service_token)
    assert_recognised(response, "OAuth2", service.client_id, ["items:read"])


async def test_an_expired_token_of_a_client_is_refused(
    http: httpx2.AsyncClient, service_token: str, clock: TestClock
) -> None:
    clock.advance(900)
    assert_bearer_error(await use(http, service_token), "invalid_token", 401)


async def test_a_revoked_token_of_a_client_is_refused_at_once(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    token, other = [await own_token(http, service, "items:read") for _ in range(2)]
    await revoked(http, service, token)
    assert_bearer_error(await use(http, token), "invalid_token", 401)
    assert_recognised(await use(http, other), "OAuth2", service.client_id, ["items:read"])


async def test_a_disabled_client_stops_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, own_service: TestClient, clock: TestClock
) -> None:
    token = await own_token(http, own_service, "items:read")
    await disable_client(server, own_service)
    clock.advance(CHANGE_IS_KNOWN)
    assert_bearer_error(await use(http, token), "invalid_token", 401)
