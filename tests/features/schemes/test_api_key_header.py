"""``APIKeyHeader``, and what holds for an API key wherever it comes."""

import hashlib

import httpx2
import pytest
from sqlalchemy import update

from app.features.api_keys.model import ApiKey
from app.server import Server
from tests.features.api_keys.keys import give_key, revoke_key
from tests.features.schemes.answers import assert_no_good_key, assert_recognised
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user, disable_user
from tests.support.lifecycle import delete_user, give_to_user, take_from_user

PATH = "/schemes/api-key/header"


async def present(http: httpx2.AsyncClient, key: str) -> httpx2.Response:
    return await http.get(PATH, headers={"X-API-Key": key})


# What is accepted


async def test_a_good_key_names_its_owner_and_its_scopes(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read", "profile")
    response = await present(http, key.key)
    assert_recognised(response, "APIKeyHeader", alice.id, ["items:read", "profile"])


async def test_a_key_without_scopes_names_its_owner(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, [])


async def test_each_of_two_keys_has_its_own_scopes(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    reader = await give_key(server, alice, "items:read")
    writer = await give_key(server, alice, "items:write")
    assert_recognised(await present(http, reader.key), "APIKeyHeader", alice.id, ["items:read"])
    assert_recognised(await present(http, writer.key), "APIKeyHeader", alice.id, ["items:write"])


async def test_the_name_of_the_header_knows_no_case(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    response = await http.get(PATH, headers={"x-api-KEY": key.key})
    assert_recognised(response, "APIKeyHeader", alice.id, [])


# What is refused


async def test_a_key_that_comes_twice_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    assert_no_good_key(await http.get(PATH, headers=[("X-API-Key", key.key)] * 2))


async def test_no_key_is_refused(http: httpx2.AsyncClient) -> None:
    assert_no_good_key(await http.get(PATH))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" ", id="a_space"),
        pytest.param(b"lk_", id="the_prefix_alone"),
        pytest.param(b"nobodys-key", id="unknown"),
        pytest.param(b"' OR '1'='1", id="sql"),
        pytest.param("ключ".encode(), id="utf_8"),
        pytest.param(b"\xff\xfe", id="bytes_that_are_no_utf_8"),
        pytest.param(b"k" * 20_000, id="very_long"),
    ],
)
async def test_what_is_no_key_is_refused(http: httpx2.AsyncClient, value: bytes) -> None:
    assert_no_good_key(await http.get(PATH, headers=[(b"x-api-key", value)]))


async def test_a_refused_key_is_not_repeated(http: httpx2.AsyncClient) -> None:
    response = await present(http, "a-secret-of-somebody")
    assert_no_good_key(response)
    assert "a-secret-of-somebody" not in response.text + str(response.headers)


async def test_a_key_that_is_cut_lengthened_or_in_another_case_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = (await give_key(server, alice)).key
    for changed in (key[:-1], key + "A", key.swapcase(), key.removeprefix("lk_")):
        assert_no_good_key(await present(http, changed))


async def test_the_hash_of_a_key_is_no_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = (await give_key(server, alice)).key
    assert_no_good_key(await present(http, hashlib.sha256(key.encode()).hexdigest()))


async def test_the_id_of_a_key_is_no_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    assert_no_good_key(await present(http, str(key.id)))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": "APIKey {}"}, id="authorization"),
        pytest.param({"Authorization": "Bearer {}"}, id="bearer"),
        pytest.param({"Cookie": "latchkey_key={}"}, id="cookie"),
        pytest.param({"Api-Key": "{}"}, id="another_header"),
    ],
)
async def test_a_key_in_another_place_is_no_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, headers: dict[str, str]
) -> None:
    key = (await give_key(server, alice)).key
    sent = {name: value.format(key) for name, value in headers.items()}
    assert_no_good_key(await http.get(PATH, headers=sent))


async def test_a_key_in_the_address_is_no_key_here(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = (await give_key(server, alice)).key
    assert_no_good_key(await http.get(PATH, params={"api_key": key}))


# When it ends


async def test_a_key_is_good_until_the_second_of_its_expiry(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    key = await give_key(server, alice, expires_in=60)
    clock.advance(59)
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, [])
    clock.advance(1)
    assert_no_good_key(await present(http, key.key))


async def test_a_key_from_before_keys_had_an_end_is_good_after_ten_years(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    key = await give_key(server, alice)
    async with server.database.transaction() as connection:
        await connection.execute(update(ApiKey).where(ApiKey.id == key.id).values(expires_at=None))
    clock.advance(10 * 365 * 24 * 3600)
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, [])


async def test_a_revoked_key_is_refused_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key, other = await give_key(server, alice), await give_key(server, alice)
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, [])
    await revoke_key(server, key)
    assert_no_good_key(await present(http, key.key))
    assert_recognised(await present(http, other.key), "APIKeyHeader", alice.id, [])


async def test_a_key_stops_at_once_when_its_owner_is_disabled(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, [])
    await disable_user(server, alice)
    assert_no_good_key(await present(http, key.key))


async def test_a_key_stops_at_once_when_its_owner_is_deleted(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read")
    await delete_user(server, alice)
    assert_no_good_key(await present(http, key.key))


async def test_a_disabled_user_does_not_stop_the_keys_of_another(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    bob = await add_user(server, f"bob, not {alice.username}")
    key = await give_key(server, alice)
    await disable_user(server, bob)
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, [])


# Scopes


async def test_a_key_loses_a_scope_at_once_when_its_owner_does(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read", "items:write")
    await take_from_user(server, alice, "items:write")
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, ["items:read"])


async def test_a_key_does_not_gain_a_scope_that_its_owner_gains(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read")
    await give_to_user(server, alice, "account")
    assert_recognised(await present(http, key.key), "APIKeyHeader", alice.id, ["items:read"])
