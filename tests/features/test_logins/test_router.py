"""What the test logins need of the server, in development alone."""

import httpx2
import pytest

from app.main import create_app
from app.management.authority import operating
from app.operations.demo import DEMO_USERS, seed_demo
from app.server import Server
from tests.conftest import make_settings
from tests.support.assertions import assert_bearer_error, assert_oauth2_error, assert_problem
from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser, add_client, bearer, log_in
from tests.support.started import started

PATHS = ("/docs/test-logins", "/docs/test-logins.js")


async def test_the_users_of_the_demo_data_are_told_once_they_are_there(
    http: httpx2.AsyncClient, server: Server
) -> None:
    before = (await http.get("/docs/test-logins")).json()
    assert before == {"users": [], "clients": []}
    async with operating(server.database, server.clock) as operator:
        await seed_demo(operator, server)
    after = (await http.get("/docs/test-logins")).json()
    assert [user["username"] for user in after["users"]] == [user.username for user in DEMO_USERS]
    assert {client["id"] for client in after["clients"] if client["introspects"]} == {
        "demo-service"
    }


@pytest.mark.parametrize("kind", ["expired", "another_audience"])
async def test_a_token_that_was_spoiled_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, kind: str
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    asked = await http.post("/docs/test-logins/token", json={"kind": kind}, headers=bearer(token))
    assert asked.status_code == 200
    spoiled = bearer(asked.json()["access_token"])
    assert_bearer_error(await http.get("/users/me", headers=spoiled), "invalid_token", 401)
    assert (await http.get("/users/me", headers=bearer(token))).status_code == 200


async def test_nothing_is_signed_for_whoever_has_no_token(http: httpx2.AsyncClient) -> None:
    response = await http.post("/docs/test-logins/token", json={"kind": "expired"})
    assert response.status_code == 401


async def test_the_name_that_is_made_up_is_throttled(
    sqlite: Backend,
) -> None:
    settings = make_settings(database_url=sqlite.migrated(), login_max_failures=10)
    app = create_app(settings)
    async with started(app) as http:
        web = await add_client(app.state.server)
        name = (await http.post("/docs/test-logins/throttled")).json()["username"]
        form = {"grant_type": "password", "username": name, "password": "a guess"}
        refused = await http.post("/token", data=form, auth=(web.client_id, web.secret))
        assert_oauth2_error(refused, "temporarily_unavailable", 429)
        assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "changed",
    [
        {
            "environment": "production",
            "issuer": "https://auth.example.com",
            "secret_key": ["a secret key that nobody has published"],
            "docs": True,
        },
        {"docs": False},
    ],
    ids=["production", "without_docs"],
)
async def test_nothing_of_it_is_there_elsewhere(
    sqlite: Backend, changed: dict[str, object]
) -> None:
    settings = make_settings(database_url=sqlite.migrated(), **changed)
    async with started(create_app(settings)) as http:
        for path in PATHS:
            assert (await http.get(path)).status_code == 404
        assert (await http.post("/docs/test-logins/token")).status_code == 404
        assert "test-logins" not in (await http.get("/docs")).text


async def test_somebody_can_only_be_throttled_where_there_is_a_limit(
    sqlite: Backend,
) -> None:
    settings = make_settings(database_url=sqlite.migrated(), login_max_failures=0)
    async with started(create_app(settings)) as http:
        problem = assert_problem(await http.post("/docs/test-logins/throttled"), 409)
        assert problem["detail"] == "LATCHKEY_LOGIN_MAX_FAILURES is 0: nobody is throttled."
