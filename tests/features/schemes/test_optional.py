"""``auto_error=False``: anonymous or known, and never anonymous by mistake."""

import httpx2
import pytest

from app.server import Server
from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error, assert_no_token_sent
from tests.support.clock import TestClock
from tests.support.factories import TestUser, bearer, disable_user

PATH = "/schemes/optional"

SCHEME = "OAuth2PasswordBearer (auto_error=False)"


async def send(http: httpx2.AsyncClient, *values: bytes) -> httpx2.Response:
    return await http.get(PATH, headers=[(b"authorization", value) for value in values])


async def test_nobody_is_anonymous(http: httpx2.AsyncClient) -> None:
    assert_recognised(await http.get(PATH), SCHEME, None, [])


async def test_a_good_token_names_its_user_and_its_scopes(
    http: httpx2.AsyncClient, alice: TestUser, token: str
) -> None:
    response = await http.get(PATH, headers=bearer(token))
    assert_recognised(response, SCHEME, alice.id, ["profile", "items:read"])


@pytest.mark.parametrize("value", [b"Basic YTpi", b"Digest x", b"%s", b"", b"Bearer\t%s"])
async def test_what_is_no_bearer_token_is_not_anonymous(
    http: httpx2.AsyncClient, token: str, value: bytes
) -> None:
    assert_no_token_sent(await send(http, value.replace(b"%s", token.encode())))


async def test_two_headers_of_other_schemes_are_not_anonymous(http: httpx2.AsyncClient) -> None:
    assert_no_token_sent(await send(http, b"Basic YTpi", b"Digest x"))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"Bearer", id="scheme_alone"),
        pytest.param(b"Bearer ", id="scheme_and_space"),
        pytest.param(b"bearer nonsense", id="nonsense"),
        pytest.param(b"Bearer %s %s", id="two_words"),
        pytest.param(b"Bearer %sA", id="a_letter_more"),
        pytest.param("Bearer ключ".encode(), id="utf_8"),
    ],
)
async def test_a_bad_token_is_refused_and_not_anonymous(
    http: httpx2.AsyncClient, token: str, value: bytes
) -> None:
    response = await send(http, value.replace(b"%s", token.encode()))
    assert_bearer_error(response, "invalid_token", 401)


@pytest.mark.parametrize("other", [b"Bearer x", b"Basic YTpi"], ids=["bearer", "basic"])
@pytest.mark.parametrize("first", [True, False], ids=["good_first", "good_second"])
async def test_a_repeated_header_is_an_invalid_request_and_not_anonymous(
    http: httpx2.AsyncClient, token: str, other: bytes, first: bool
) -> None:
    values = [b"Bearer " + token.encode(), other]
    response = await send(http, *(values if first else reversed(values)))
    assert_bearer_error(response, "invalid_request", 400)


async def test_an_expired_token_is_refused_and_not_anonymous(
    http: httpx2.AsyncClient, token: str, clock: TestClock
) -> None:
    clock.advance(900)
    response = await http.get(PATH, headers=bearer(token))
    assert_bearer_error(response, "invalid_token", 401)


async def test_a_disabled_user_is_refused_at_once_and_not_anonymous(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, token: str
) -> None:
    await disable_user(server, alice)
    response = await http.get(PATH, headers=bearer(token))
    assert_bearer_error(response, "invalid_token", 401)


async def test_the_token_of_a_client_is_refused_and_not_anonymous(
    http: httpx2.AsyncClient, service_token: str
) -> None:
    response = await http.get(PATH, headers=bearer(service_token))
    assert_bearer_error(response, "insufficient_scope", 403)
    told = response.json()["error_description"]
    assert told == "This resource needs the access token of a user, not of a client."
