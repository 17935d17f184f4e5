"""The answer of ``POST /token``: RFC 6749, section 5.1."""

import httpx2

from tests.factories import TestClient, TestUser


async def test_a_password_is_exchanged_for_a_bearer_token(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": "alice", "password": alice.password},
        auth=web.basic,
    )
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    assert body["scope"] == "profile"
