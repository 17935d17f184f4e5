"""What else a user with a second factor logs in with."""

import httpx2
import pytest

from app.features.mfa.requirements import Requirement, require_level
from app.login.strength import Level
from app.management.authority import operating
from app.server import Server
from tests.features.mfa.phones import Phone, ask, challenge, give_phone, go_on
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client, bearer
from tests.support.on_sqlite import backend as backend


@pytest.fixture
def _samples() -> None:
    pytest.importorskip("app.features.schemes")


@pytest.mark.usefixtures("_samples")
async def test_basic_is_closed_to_whoever_has_a_factor(
    http: httpx2.AsyncClient, alice: TestUser, clock: TestClock, server: Server
) -> None:
    before = await http.get("/schemes/http/basic", auth=("alice", PASSWORD))
    assert before.status_code == 200
    await give_phone(server, clock, alice)
    after = await http.get("/schemes/http/basic", auth=("alice", PASSWORD))
    assert after.status_code == 401


@pytest.mark.usefixtures("_samples")
@pytest.mark.parametrize("form", ["password-form", "password-form-strict"])
async def test_the_sample_forms_ask_as_the_token_endpoint_does(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, form: str
) -> None:
    data = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    response = await http.post(f"/schemes/oauth2/{form}", data=data, auth=web.basic)
    assert (response.status_code, response.json()["error"]) == (400, "mfa_required")
    token = response.json()["mfa_token"]
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200


async def test_the_factor_of_one_client_is_no_way_around_that_of_another(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    other = await add_client(server, "other")
    token = await challenge(http, alice, web)
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200
    assert await challenge(http, alice, other)


async def demand(server: Server, scope: str) -> None:
    async with operating(server.database, server.clock) as operator:
        await require_level(operator, Requirement(scope=scope), Level.FACTOR)


@pytest.mark.parametrize("changes", [{"api_keys_as_bearer": True}], ids=["keys"])
async def test_an_api_key_opens_no_route_whose_scope_takes_a_factor(
    http: httpx2.AsyncClient, alice: TestUser, phone: Phone, server: Server
) -> None:
    keys = pytest.importorskip("tests.features.api_keys.keys")
    headers = bearer((await keys.give_key(server, alice, "items:read", "profile")).key)
    await demand(server, "items:read")
    response = await http.get("/items", headers=headers)
    assert response.json()["error"] == "insufficient_user_authentication"
    assert (await http.get("/users/me", headers=headers)).status_code == 200


async def test_an_app_password_goes_on_and_opens_no_such_route_either(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    given = pytest.importorskip("tests.features.app_passwords.given")
    secret = (await given.give_app_password(server, alice, web)).secret
    await demand(server, "items:read")
    response = await ask(http, alice, web, password=secret, scope="items:read profile")
    headers = bearer(response.json()["access_token"])
    refused = await http.get("/items", headers=headers)
    assert refused.json()["error"] == "insufficient_user_authentication"
    assert (await http.get("/users/me", headers=headers)).status_code == 200


async def test_an_app_password_of_another_client_is_no_way_around_the_factor(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    given = pytest.importorskip("tests.features.app_passwords.given")
    secret = (await given.give_app_password(server, alice, web)).secret
    other = await add_client(server, "other")
    response = await ask(http, alice, other, password=secret)
    assert response.json()["error"] == "invalid_grant"
