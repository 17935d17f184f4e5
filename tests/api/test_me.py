"""``GET /users/me``: who the access token speaks for."""

import httpx2

from app.server import Server
from tests.support.assertions import assert_bearer_error, assert_no_token_sent, assert_problem
from tests.support.factories import TestClient, TestUser, add_user, bearer, log_in


async def test_users_see_themselves_and_the_scopes_of_their_token(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "profile email"))["access_token"]
    response = await http.get("/users/me", headers=bearer(token))
    assert (response.status_code, response.json()) == (
        200,
        {
            "id": str(alice.id),
            "username": "alice",
            "email": "alice@example.com",
            "email_verified": True,
            "scopes": ["email", "profile"],
        },
    )
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


async def test_the_address_is_not_told_without_the_scope_email(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "profile"))["access_token"]
    response = await http.get("/users/me", headers=bearer(token))
    assert response.json() == {
        "id": str(alice.id),
        "username": "alice",
        "email": None,
        "email_verified": None,
        "scopes": ["profile"],
    }


async def test_a_user_without_an_address_sees_null(
    http: httpx2.AsyncClient, server: Server, web: TestClient
) -> None:
    bob = await add_user(server, "Bob Ünïcode", email=None, scopes=["profile"])
    token = (await log_in(http, bob, web))["access_token"]
    response = await http.get("/users/me", headers=bearer(token))
    assert (response.status_code, response.json()) == (
        200,
        {
            "id": str(bob.id),
            "username": "Bob Ünïcode",
            "email": None,
            "email_verified": None,
            "scopes": ["profile"],
        },
    )


async def test_the_account_is_not_shown_without_the_scope_profile(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "email"))["access_token"]
    response = await http.get("/users/me", headers=bearer(token))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


async def test_the_account_is_not_shown_without_a_token(http: httpx2.AsyncClient) -> None:
    response = await http.get("/users/me")
    assert_no_token_sent(response)
    assert_problem(response, 401)
