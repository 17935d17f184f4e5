"""``APIKeyQuery``: the same keys as in the header, and none of them in the log."""

import httpx2
import pytest
from structlog.testing import capture_logs

from app.server import Server
from tests.features.api_keys.keys import give_key, revoke_key
from tests.features.schemes.answers import assert_no_good_key, assert_recognised
from tests.support.clock import TestClock
from tests.support.factories import TestUser, disable_user
from tests.support.lifecycle import take_from_user

PATH = "/schemes/api-key/query"


async def present(http: httpx2.AsyncClient, key: str) -> httpx2.Response:
    return await http.get(PATH, params={"api_key": key})


async def test_a_good_key_names_its_owner_and_its_scopes(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read")
    assert_recognised(await present(http, key.key), "APIKeyQuery", alice.id, ["items:read"])


async def test_no_key_is_refused(http: httpx2.AsyncClient) -> None:
    assert_no_good_key(await http.get(PATH))


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("api_key=", id="empty"),
        pytest.param("api_key", id="without_a_value"),
        pytest.param("api_key=nobodys-key", id="unknown"),
        pytest.param("api_key=%00", id="nul"),
        pytest.param("api_key=%FF%FE", id="bytes_that_are_no_utf_8"),
        pytest.param("api_key=%ED%A0%80", id="an_encoded_surrogate"),
        pytest.param("API_KEY=lk_demo_alice_development_only", id="another_case_of_the_name"),
    ],
)
async def test_what_is_no_key_is_refused(http: httpx2.AsyncClient, query: str) -> None:
    assert_no_good_key(await http.get(f"{PATH}?{query}"))


async def test_a_key_that_comes_twice_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = (await give_key(server, alice)).key
    assert_no_good_key(await http.get(f"{PATH}?api_key={key}&api_key={key}"))


async def test_a_key_in_the_header_is_no_key_here(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = (await give_key(server, alice)).key
    assert_no_good_key(await http.get(PATH, headers={"X-API-Key": key}))


async def test_a_key_is_not_in_the_log(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = (await give_key(server, alice)).key
    with capture_logs() as logs:
        assert_recognised(await present(http, key), "APIKeyQuery", alice.id, [])
        assert_no_good_key(await present(http, key + "A"))
    assert [entry["path"] for entry in logs if entry["event"] == "request"] == [PATH, PATH]
    assert key not in repr(logs)


async def test_an_answer_that_was_asked_for_with_a_key_is_not_stored_and_names_no_referrer(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    response = await present(http, (await give_key(server, alice)).key)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"


async def test_an_expired_key_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    key = await give_key(server, alice, expires_in=60)
    clock.advance(60)
    assert_no_good_key(await present(http, key.key))


async def test_a_revoked_key_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    await revoke_key(server, key)
    assert_no_good_key(await present(http, key.key))


async def test_a_key_stops_at_once_when_its_owner_is_disabled(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    assert_recognised(await present(http, key.key), "APIKeyQuery", alice.id, [])
    await disable_user(server, alice)
    assert_no_good_key(await present(http, key.key))


async def test_a_key_loses_a_scope_at_once_when_its_owner_does(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read", "items:write")
    await take_from_user(server, alice, "items:read")
    assert_recognised(await present(http, key.key), "APIKeyQuery", alice.id, ["items:write"])
