"""``OAuth2AuthorizationCodeBearer``: an access token of the code flow, with ``profile``.

What it refuses is in test_bearer_samples.py.
"""

import uuid

import httpx2
from fastapi import FastAPI

from app.server import Server
from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error
from tests.support.factories import TestClient, TestUser, bearer, log_in
from tests.support.flow import CodeFlow, add_web_client, open_browser
from tests.support.lifecycle import take_from_user

PATH = "/schemes/oauth2/authorization-code"


async def test_a_token_of_the_code_flow_is_accepted(
    app: FastAPI, http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    shop = await add_web_client(server, f"shop-{uuid.uuid4()}")
    async with open_browser(app) as browser:
        tokens = await CodeFlow(browser, alice, shop).tokens(scope="openid profile items:read")
    response = await http.get(PATH, headers=bearer(tokens["access_token"]))
    granted = ["openid", "profile", "items:read"]
    assert_recognised(response, "OAuth2AuthorizationCodeBearer", alice.id, granted)


async def test_a_token_without_the_scope_is_told_which_one_is_missing(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "email"))["access_token"]
    response = await http.get(PATH, headers=bearer(token))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


async def test_a_user_who_has_lost_the_scope_is_told_which_one_is_missing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, token: str
) -> None:
    await take_from_user(server, alice, "profile")
    response = await http.get(PATH, headers=bearer(token))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


async def test_the_token_of_a_client_is_no_users(
    http: httpx2.AsyncClient, service_token: str
) -> None:
    response = await http.get(PATH, headers=bearer(service_token))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")
