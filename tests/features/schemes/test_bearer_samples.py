"""What holds for each sample that wants an access token; what is its own is in its own file."""

from dataclasses import dataclass

import httpx2
import pytest

from app.server import Server
from tests.features.schemes.answers import assert_recognised
from tests.support.assertions import assert_bearer_error, assert_no_token_sent, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, bearer, disable_user, log_in
from tests.support.lifecycle import Tokens, revoked, take_from_user


@dataclass(frozen=True)
class Sample:
    """A route, and the scheme that it names."""

    scheme: str
    path: str


@pytest.fixture(
    params=[
        pytest.param(Sample("HTTPBearer", "/schemes/http/bearer"), id="http_bearer"),
        pytest.param(Sample("OAuth2PasswordBearer", "/schemes/oauth2/password"), id="password"),
        pytest.param(
            Sample("OAuth2AuthorizationCodeBearer", "/schemes/oauth2/authorization-code"),
            id="authorization_code",
        ),
        pytest.param(Sample("OAuth2", "/schemes/oauth2/flows"), id="flows"),
        pytest.param(Sample("SecurityScopes", "/schemes/scopes/read"), id="security_scopes"),
    ]
)
def sample(request: pytest.FixtureRequest) -> Sample:
    found: Sample = request.param
    return found


async def use(http: httpx2.AsyncClient, sample: Sample, token: str) -> httpx2.Response:
    return await http.get(sample.path, headers=bearer(token))


async def send(http: httpx2.AsyncClient, sample: Sample, *values: bytes) -> httpx2.Response:
    """With ``Authorization`` headers of any form."""
    return await http.get(sample.path, headers=[(b"authorization", value) for value in values])


# What is accepted


async def test_a_good_token_names_its_user_and_its_scopes(
    http: httpx2.AsyncClient, sample: Sample, alice: TestUser, token: str
) -> None:
    response = await use(http, sample, token)
    assert_recognised(response, sample.scheme, alice.id, ["profile", "items:read"])


@pytest.mark.parametrize("scheme", [b"bearer", b"BEARER", b"bEaReR"])
async def test_the_name_of_the_scheme_knows_no_case(
    http: httpx2.AsyncClient, sample: Sample, alice: TestUser, token: str, scheme: bytes
) -> None:
    response = await send(http, sample, scheme + b" " + token.encode())
    assert_recognised(response, sample.scheme, alice.id, ["profile", "items:read"])


# What is refused


async def test_no_token_is_asked_for_without_an_error(
    http: httpx2.AsyncClient, sample: Sample
) -> None:
    response = await send(http, sample)
    assert_no_token_sent(response)
    assert assert_problem(response, 401) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "This resource needs an access token.",
        "error": None,
        "error_description": None,
        "scope": None,
    }


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"%s", id="no_scheme"),
        pytest.param(b"Basic %s", id="basic"),
        pytest.param(b"Digest %s", id="digest"),
        pytest.param(b"DPoP %s", id="dpop"),
    ],
)
async def test_another_scheme_counts_as_no_token(
    http: httpx2.AsyncClient, sample: Sample, token: str, header: bytes
) -> None:
    assert_no_token_sent(await send(http, sample, header.replace(b"%s", token.encode())))


async def test_a_token_in_the_address_is_not_looked_at(
    http: httpx2.AsyncClient, sample: Sample, token: str
) -> None:
    assert_no_token_sent(await http.get(sample.path, params={"access_token": token}))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"Bearer", id="scheme_alone"),
        pytest.param(b"Bearer ", id="scheme_and_space"),
        pytest.param(b"Bearer %s %s", id="two_words"),
        pytest.param(b"Bearer %s, Bearer %s", id="a_list"),
        pytest.param(b"Bearer Bearer %s", id="the_word_twice"),
        pytest.param(b'Bearer "%s"', id="quoted"),
        pytest.param(b"Bearer nonsense", id="nonsense"),
        pytest.param(b"Bearer %sA", id="a_letter_more"),
        pytest.param("Bearer ключ".encode(), id="utf_8"),
        pytest.param(b"Bearer \xff\xfe", id="bytes_that_are_no_utf_8"),
    ],
)
async def test_what_is_no_good_token_is_refused(
    http: httpx2.AsyncClient, sample: Sample, token: str, header: bytes
) -> None:
    response = await send(http, sample, header.replace(b"%s", token.encode()))
    assert_bearer_error(response, "invalid_token", 401)


@pytest.mark.parametrize("other", [b"Bearer x", b"Basic YTpi"], ids=["bearer", "basic"])
@pytest.mark.parametrize("first", [True, False], ids=["good_first", "good_second"])
async def test_a_repeated_header_is_an_invalid_request(
    http: httpx2.AsyncClient, sample: Sample, token: str, other: bytes, first: bool
) -> None:
    values = [b"Bearer " + token.encode(), other]
    response = await send(http, sample, *(values if first else reversed(values)))
    assert_bearer_error(response, "invalid_request", 400)


async def test_a_refresh_token_is_refused(
    http: httpx2.AsyncClient, sample: Sample, tokens: Tokens
) -> None:
    response = await use(http, sample, tokens["refresh_token"])
    assert_bearer_error(response, "invalid_token", 401)


async def test_an_id_token_is_refused(
    http: httpx2.AsyncClient, sample: Sample, id_token: str
) -> None:
    assert_bearer_error(await use(http, sample, id_token), "invalid_token", 401)


# When it ends


async def test_an_expired_token_is_refused(
    http: httpx2.AsyncClient, sample: Sample, token: str, clock: TestClock
) -> None:
    clock.advance(900)
    assert_bearer_error(await use(http, sample, token), "invalid_token", 401)


async def test_a_revoked_token_is_refused_at_once(
    http: httpx2.AsyncClient, sample: Sample, web: TestClient, token: str
) -> None:
    await revoked(http, web, token)
    assert_bearer_error(await use(http, sample, token), "invalid_token", 401)


async def test_a_disabled_user_stops_at_once(
    http: httpx2.AsyncClient, server: Server, sample: Sample, alice: TestUser, token: str
) -> None:
    assert (await use(http, sample, token)).status_code == 200
    await disable_user(server, alice)
    assert_bearer_error(await use(http, sample, token), "invalid_token", 401)


async def test_a_scope_that_was_taken_from_the_user_is_gone_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, sample: Sample
) -> None:
    token = (await log_in(http, alice, web, "profile items:read items:write"))["access_token"]
    await take_from_user(server, alice, "items:write")
    response = await use(http, sample, token)
    assert_recognised(response, sample.scheme, alice.id, ["profile", "items:read"])
