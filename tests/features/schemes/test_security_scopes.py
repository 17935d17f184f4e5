"""``SecurityScopes`` and ``Security``: scopes gathered along a chain of dependencies.

What else is refused is in test_bearer_samples.py.
"""

import httpx2
import pytest

from app.server import Server
from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error, assert_no_token_sent
from tests.support.factories import TestClient, TestUser, bearer, log_in
from tests.support.lifecycle import take_from_user

ROUTES = {
    "read": ("GET", "items:read"),
    "write": ("POST", "items:write"),
    "nested": ("GET", "items:read items:write"),
}
"""The method, and the scopes that are needed."""

EACH = pytest.mark.parametrize("name", ROUTES)


async def ask(
    http: httpx2.AsyncClient, name: str, headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await http.request(ROUTES[name][0], f"/schemes/scopes/{name}", headers=headers)


@EACH
@pytest.mark.parametrize("more", ["", " profile"], ids=["just_these", "one_more"])
async def test_a_token_with_the_scopes_is_accepted(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, name: str, more: str
) -> None:
    scope = ROUTES[name][1] + more
    token = (await log_in(http, alice, web, scope))["access_token"]
    response = await ask(http, name, bearer(token))
    assert_recognised(response, "SecurityScopes", alice.id, scope.split())


@EACH
async def test_no_token_is_asked_for_without_an_error(http: httpx2.AsyncClient, name: str) -> None:
    assert_no_token_sent(await ask(http, name))


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        pytest.param("read", "items:write", id="read_with_write"),
        pytest.param("write", "items:read", id="write_with_read"),
        pytest.param("nested", "items:read", id="nested_with_read"),
        pytest.param("nested", "items:write", id="nested_with_write"),
        pytest.param("nested", "profile", id="nested_with_neither"),
    ],
)
async def test_a_missing_scope_is_403_and_all_that_are_needed_are_named(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, name: str, scope: str
) -> None:
    token = (await log_in(http, alice, web, scope))["access_token"]
    response = await ask(http, name, bearer(token))
    needed = response.json()["scope"]
    assert set(needed.split(" ")) == set(ROUTES[name][1].split(" "))
    assert_bearer_error(response, "insufficient_scope", 403, scope=needed)


@pytest.mark.parametrize("lost", ["items:read", "items:write"])
async def test_a_user_who_has_lost_one_of_the_scopes_is_refused_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, lost: str
) -> None:
    token = (await log_in(http, alice, web, "items:read items:write"))["access_token"]
    assert (await ask(http, "nested", bearer(token))).status_code == 200
    await take_from_user(server, alice, lost)
    response = await ask(http, "nested", bearer(token))
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")


@EACH
async def test_the_token_of_a_client_is_no_users(
    http: httpx2.AsyncClient, service_token: str, name: str
) -> None:
    response = await ask(http, name, bearer(service_token))
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
