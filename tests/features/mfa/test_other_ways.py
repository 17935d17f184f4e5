"""What else a user with a second factor logs in with."""

import httpx2
import pytest

from app.server import Server
from tests.features.mfa.phones import Phone, challenge, give_phone, go_on
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client
from tests.support.on_sqlite import backend as backend

pytest.importorskip("app.features.schemes")


async def test_basic_is_closed_to_whoever_has_a_factor(
    http: httpx2.AsyncClient, alice: TestUser, clock: TestClock, server: Server
) -> None:
    before = await http.get("/schemes/http/basic", auth=("alice", PASSWORD))
    assert before.status_code == 200
    await give_phone(server, clock, alice)
    after = await http.get("/schemes/http/basic", auth=("alice", PASSWORD))
    assert after.status_code == 401


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
