"""``OAuth2PasswordBearer``: an access token of the password flow.

What it refuses is in test_bearer_samples.py.
"""

import httpx2

from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error
from tests.support.factories import TestClient, TestUser, bearer, log_in
from tests.support.lifecycle import refreshed

PATH = "/schemes/oauth2/password"


async def test_a_token_without_any_scope_of_a_route_is_accepted(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "email"))["access_token"]
    response = await http.get(PATH, headers=bearer(token))
    assert_recognised(response, "OAuth2PasswordBearer", alice.id, ["email"])


async def test_a_refreshed_token_is_accepted(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, tokens: dict[str, str]
) -> None:
    answer = await refreshed(http, web, tokens["refresh_token"], "profile")
    response = await http.get(PATH, headers=bearer(answer["access_token"]))
    assert_recognised(response, "OAuth2PasswordBearer", alice.id, ["profile"])


async def test_the_token_of_a_client_is_no_users(
    http: httpx2.AsyncClient, service_token: str
) -> None:
    response = await http.get(PATH, headers=bearer(service_token))
    assert_bearer_error(response, "insufficient_scope", 403)
