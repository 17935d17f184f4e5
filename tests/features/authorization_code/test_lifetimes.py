"""How long what a client is issued is good: as it was registered, within the settings."""

from typing import Any

import httpx2
import pytest

from app.operations.doctor import diagnose
from app.server import Server
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, log_in
from tests.support.flow import CodeFlow, add_web_client
from tests.support.forger import read_claims
from tests.support.lifecycle import act_for_itself, add_service, is_active, refresh
from tests.support.operators import EVERY_SCOPE, add_console, add_somebody, token_of

SHORT: dict[str, Any] = {"access_token_ttl": 60, "id_token_ttl": 120, "refresh_token_ttl": 3600}


def lifetime(token: str) -> int:
    claims = read_claims(token)
    seconds: int = claims["exp"] - claims["iat"]
    return seconds


@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        pytest.param({}, (900, 900), id="as the settings say"),
        pytest.param(SHORT, (60, 120), id="less"),
        pytest.param(dict.fromkeys(SHORT, 10**6), (900, 900), id="never more"),
    ],
)
async def test_the_tokens_of_a_login_live_as_long_as_its_client_was_given(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    registered: dict[str, Any],
    expected: tuple[int, int],
) -> None:
    client = await add_web_client(server, "app", **registered)
    tokens = await CodeFlow(http, alice, client, scope="openid profile").tokens()
    assert tokens["expires_in"] == expected[0]
    assert (lifetime(tokens["access_token"]), lifetime(tokens["id_token"])) == expected
    again = (await refresh(http, client, tokens["refresh_token"])).json()
    assert (lifetime(again["access_token"]), lifetime(again["id_token"])) == expected


async def test_a_login_ends_when_its_client_was_given_less_time(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    grants = ("password", "refresh_token")
    short = await add_client(server, "short", grant_types=grants, **SHORT)
    usual = await add_client(server, "usual", grant_types=grants)
    tokens = {each: await log_in(http, alice, each) for each in (short, usual)}
    clock.advance(3599)
    assert await is_active(http, short, tokens[short]["refresh_token"])
    clock.advance(1)
    assert not await is_active(http, short, tokens[short]["refresh_token"])
    assert await is_active(http, usual, tokens[usual]["refresh_token"])


async def test_a_login_that_cannot_be_refreshed_ends_with_its_access_token(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    client = await add_client(server, "short", **SHORT)
    token = (await log_in(http, alice, client))["access_token"]
    clock.advance(59)
    assert await is_active(http, client, token)
    clock.advance(1)
    assert not await is_active(http, client, token)


async def test_the_token_that_a_client_gets_for_itself_lives_as_long_as_it_was_given(
    http: httpx2.AsyncClient, server: Server
) -> None:
    service = await add_service(server, access_token_ttl=60)
    answer = (await act_for_itself(http, service)).json()
    assert (answer["expires_in"], lifetime(answer["access_token"])) == (60, 60)


@pytest.mark.rfc("6749", "10.7")
async def test_a_lifetime_is_set_and_taken_away_by_whoever_manages(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_console(server)
    admin = await add_somebody(server, *EVERY_SCOPE)
    headers = await token_of(server, admin, "clients:write")
    new: dict[str, Any] = {"name": "App", "grant_types": ["password"], "access_token_ttl": 60}
    made = (await http.post("/clients", json=new, headers=headers)).json()["client"]
    assert (made["access_token_ttl"], made["id_token_ttl"]) == (60, None)
    path = f"/clients/{made['client_id']}"
    changed = await http.patch(path, json={"access_token_ttl": None}, headers=headers)
    assert changed.json()["access_token_ttl"] is None
    for bad in (0, -1, 315360001, "long"):
        refused = await http.patch(path, json={"access_token_ttl": bad}, headers=headers)
        assert "body.access_token_ttl" in str(assert_problem(refused, 422)["errors"])


async def test_the_doctor_tells_of_a_lifetime_that_the_settings_cut(
    server: Server, shop: TestClient
) -> None:
    assert "lifetimes-cut" not in {finding.check for finding in await diagnose(server)}
    await add_client(server, "long", access_token_ttl=901, id_token_ttl=900)
    (finding,) = [each for each in await diagnose(server) if each.check == "lifetimes-cut"]
    assert finding.found == "the client long has a longer access_token_ttl than the settings"
