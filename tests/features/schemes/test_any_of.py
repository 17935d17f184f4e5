"""Several schemes with ``auto_error=False``: the first that is presented decides."""

import base64

import httpx2
import pytest

from app.server import Server
from tests.features.api_keys.keys import TestKey, give_key
from tests.features.schemes.answers import (
    assert_no_good_key,
    assert_no_good_password,
    assert_recognised,
)
from tests.features.schemes.conftest import SCOPES
from tests.support.assertions import assert_bearer_error, assert_no_token_sent
from tests.support.factories import PASSWORD, TestUser, bearer, disable_user

PATH = "/schemes/any-of"

Headers = dict[str, str]


def basic(username: str, password: str = PASSWORD) -> Headers:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def key_header(key: str) -> Headers:
    return {"X-API-Key": key}


@pytest.fixture
async def key(server: Server, alice: TestUser) -> TestKey:
    return await give_key(server, alice, "items:write")


async def ask(http: httpx2.AsyncClient, *headers: Headers) -> httpx2.Response:
    return await http.get(PATH, headers=[pair for each in headers for pair in each.items()])


# One at a time


async def test_nothing_is_asked_for_with_the_challenge_of_a_token(http: httpx2.AsyncClient) -> None:
    assert_no_token_sent(await ask(http))


async def test_a_token_alone_is_accepted(
    http: httpx2.AsyncClient, alice: TestUser, token: str
) -> None:
    response = await ask(http, bearer(token))
    assert_recognised(response, "HTTPBearer", alice.id, ["profile", "items:read"])


async def test_a_key_alone_is_accepted(
    http: httpx2.AsyncClient, alice: TestUser, key: TestKey
) -> None:
    response = await ask(http, key_header(key.key))
    assert_recognised(response, "APIKeyHeader", alice.id, ["items:write"])


async def test_a_name_and_its_password_alone_are_accepted(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    response = await ask(http, basic(alice.username))
    assert_recognised(response, "HTTPBasic", alice.id, SCOPES)


@pytest.mark.parametrize("value", ["Bearer", "Bearer nonsense", "bearer a b"])
async def test_a_bad_token_alone_is_refused(http: httpx2.AsyncClient, value: str) -> None:
    response = await ask(http, {"Authorization": value})
    assert_bearer_error(response, "invalid_token", 401)


async def test_the_token_of_a_client_is_no_users(
    http: httpx2.AsyncClient, service_token: str
) -> None:
    response = await ask(http, bearer(service_token))
    assert_bearer_error(response, "insufficient_scope", 403)


async def test_a_bad_key_alone_is_refused(http: httpx2.AsyncClient) -> None:
    assert_no_good_key(await ask(http, key_header("nobodys-key")))


async def test_an_empty_key_decides_before_a_good_password(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    assert_no_good_key(await ask(http, key_header(""), basic(alice.username)))


async def test_two_keys_are_refused_also_if_both_are_good(
    http: httpx2.AsyncClient, key: TestKey
) -> None:
    assert_no_good_key(await ask(http, key_header(key.key), key_header(key.key)))


@pytest.mark.parametrize("value", ["Basic", "Basic !!!!", "Basic bm8gY29sb24="])
async def test_basic_credentials_that_cannot_be_read_are_refused(
    http: httpx2.AsyncClient, value: str
) -> None:
    assert_no_good_password(await ask(http, {"Authorization": value}))


async def test_a_wrong_password_alone_is_refused(http: httpx2.AsyncClient, alice: TestUser) -> None:
    assert_no_good_password(await ask(http, basic(alice.username, "wrong")))


async def test_a_disabled_user_stops_at_once_whatever_they_present(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, token: str, key: TestKey
) -> None:
    await disable_user(server, alice)
    assert_bearer_error(await ask(http, bearer(token)), "invalid_token", 401)
    assert_no_good_key(await ask(http, key_header(key.key)))
    assert_no_good_password(await ask(http, basic(alice.username)))


# Several at once


async def test_a_good_token_decides_before_a_bad_key(
    http: httpx2.AsyncClient, alice: TestUser, token: str
) -> None:
    response = await ask(http, bearer(token), key_header("nobodys-key"))
    assert_recognised(response, "HTTPBearer", alice.id, ["profile", "items:read"])


async def test_a_bad_token_decides_before_a_good_key(
    http: httpx2.AsyncClient, key: TestKey
) -> None:
    response = await ask(http, bearer("nonsense"), key_header(key.key))
    assert_bearer_error(response, "invalid_token", 401)


async def test_a_good_key_decides_before_a_wrong_password(
    http: httpx2.AsyncClient, alice: TestUser, key: TestKey
) -> None:
    response = await ask(http, key_header(key.key), basic(alice.username, "wrong"))
    assert_recognised(response, "APIKeyHeader", alice.id, ["items:write"])


async def test_a_good_key_decides_before_basic_credentials_that_cannot_be_read(
    http: httpx2.AsyncClient, alice: TestUser, key: TestKey
) -> None:
    response = await ask(http, key_header(key.key), {"Authorization": "Basic !!!!"})
    assert_recognised(response, "APIKeyHeader", alice.id, ["items:write"])


async def test_a_bad_key_decides_before_a_good_password(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    assert_no_good_key(await ask(http, key_header("nobodys-key"), basic(alice.username)))


@pytest.mark.parametrize("first", [True, False], ids=["token_first", "token_second"])
async def test_a_token_and_basic_credentials_in_two_headers_are_an_invalid_request(
    http: httpx2.AsyncClient, alice: TestUser, token: str, first: bool
) -> None:
    headers = [bearer(token), basic(alice.username)]
    response = await ask(http, *(headers if first else reversed(headers)))
    assert_bearer_error(response, "invalid_request", 400)


async def test_basic_credentials_in_two_headers_are_refused(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    assert_no_good_password(await ask(http, basic(alice.username), basic(alice.username)))
