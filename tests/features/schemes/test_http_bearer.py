"""``HTTPBearer``: any access token of a user. What it refuses is in test_bearer_samples.py."""

import httpx2
import pytest

from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error
from tests.support.factories import TestClient, TestUser, bearer, log_in

PATH = "/schemes/http/bearer"


@pytest.mark.parametrize("scope", ["email", "items:write", "openid profile"])
async def test_a_token_is_accepted_whatever_its_scopes_are(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, scope: str
) -> None:
    token = (await log_in(http, alice, web, scope))["access_token"]
    response = await http.get(PATH, headers=bearer(token))
    assert_recognised(response, "HTTPBearer", alice.id, scope.split())


async def test_the_token_of_a_client_is_no_users(
    http: httpx2.AsyncClient, service_token: str
) -> None:
    response = await http.get(PATH, headers=bearer(service_token))
    assert_bearer_error(response, "insufficient_scope", 403)
