"""Revocation: RFC 7009."""

import asyncio

import httpx2
import pytest
from sqlalchemy import select

from app.models import RevokedToken
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_bearer_error, assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, bearer, log_in
from tests.support.forger import assert_accepted, assert_refused, forge, read_claims
from tests.support.lifecycle import (
    INACTIVE,
    Tokens,
    add_refreshing,
    add_resource_server,
    add_service,
    credentials,
    ended_at,
    introspected,
    is_active,
    own_token,
    refresh,
    refreshed,
    revoke,
    revoked,
)

MISSING = "The request needs a token."
ROUNDS = 10

HINTS = pytest.mark.parametrize(
    "hint",
    [
        pytest.param("", id="without_a_hint"),
        pytest.param("access_token", id="hint_access_token"),
        pytest.param("refresh_token", id="hint_refresh_token"),
        pytest.param("id_token", id="an_unknown_hint"),
    ],
)

KINDS = pytest.mark.parametrize("kind", ["access_token", "refresh_token"])


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    """A confidential client that may refresh."""
    return await add_refreshing(server)


@pytest.fixture
async def spa(server: Server) -> TestClient:
    """A public client that may refresh."""
    return await add_refreshing(server, "spa", is_public=True)


@pytest.fixture
async def service(server: Server) -> TestClient:
    """A client that acts for itself."""
    return await add_service(server)


@pytest.fixture
async def first(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> Tokens:
    """What alice's login through the shop answered."""
    return await log_in(http, alice, shop, "profile items:read")


async def assert_dead(http: httpx2.AsyncClient, client: TestClient, tokens: Tokens) -> None:
    await assert_refused(http, tokens["access_token"])
    assert await introspected(http, client, tokens["access_token"]) == INACTIVE
    assert await introspected(http, client, tokens["refresh_token"]) == INACTIVE
    assert_oauth2_error(await refresh(http, client, tokens["refresh_token"]), "invalid_grant")


async def assert_alive(http: httpx2.AsyncClient, client: TestClient, tokens: Tokens) -> None:
    await assert_accepted(http, tokens["access_token"])
    assert await is_active(http, client, tokens["access_token"])
    assert await is_active(http, client, tokens["refresh_token"])
    await refreshed(http, client, tokens["refresh_token"])


# The answer


@pytest.mark.rfc("7009", "2.2", 1, 2)
@KINDS
async def test_the_answer_is_an_empty_json_object_that_no_cache_stores(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, kind: str
) -> None:
    response = await revoke(http, shop, first[kind])
    assert (response.status_code, response.text) == (200, "{}")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


# Both kinds of a user's tokens


@pytest.mark.rfc("7009", "2", 1, 2)
@pytest.mark.rfc("7009", "2.1", 3, 4, 5, 11, 12)
@pytest.mark.rfc("7009", "2.2", 3)
@HINTS
@KINDS
async def test_revoking_a_token_ends_all_that_was_issued_with_it(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, kind: str, hint: str
) -> None:
    await revoked(http, shop, first[kind], hint)
    await assert_dead(http, shop, first)


@pytest.mark.rfc("7009", "2.1", 11)
@KINDS
async def test_revoking_a_token_ends_its_predecessors_and_successors(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, kind: str
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    third = await refreshed(http, shop, second["refresh_token"])
    await revoked(http, shop, third[kind])
    for tokens in (first, second, third):
        await assert_dead(http, shop, tokens)


async def test_revoking_a_used_refresh_token_still_ends_its_family(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    await revoked(http, shop, first["refresh_token"])
    await assert_dead(http, shop, second)


async def test_revoking_a_refresh_token_ends_its_family_also_after_the_access_token_expired(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    clock.advance(900)
    await revoked(http, shop, first["refresh_token"])
    assert_oauth2_error(await refresh(http, shop, first["refresh_token"]), "invalid_grant")


@KINDS
async def test_revoking_twice_is_answered_as_once_and_keeps_the_first_time(
    http: httpx2.AsyncClient,
    server: Server,
    shop: TestClient,
    first: Tokens,
    clock: TestClock,
    kind: str,
) -> None:
    then = clock.now()
    await revoked(http, shop, first[kind])
    clock.advance(5)
    await revoked(http, shop, first[kind])
    assert await ended_at(server, first) == then


@KINDS
async def test_another_login_of_the_same_user_and_client_goes_on(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, first: Tokens, kind: str
) -> None:
    other = await log_in(http, alice, shop)
    await revoked(http, shop, first[kind])
    await assert_alive(http, shop, other)


async def test_the_access_token_of_a_client_that_cannot_refresh_is_revoked(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    await revoked(http, web, token)
    await assert_refused(http, token)
    assert await introspected(http, web, token) == INACTIVE


@pytest.mark.rfc("7009", "2.1", 7)
@KINDS
async def test_a_public_client_revokes_its_tokens_by_naming_itself(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, spa: TestClient, kind: str
) -> None:
    tokens = await log_in(http, alice, spa)
    await revoked(http, spa, tokens[kind])
    await assert_refused(http, tokens["access_token"])
    assert_oauth2_error(await refresh(http, spa, tokens["refresh_token"]), "invalid_grant")
    assert not await is_active(http, await add_resource_server(server), tokens["access_token"])


@pytest.mark.parametrize("changes", [{"default_client_id": "spa"}], ids=["default_client"])
@KINDS
async def test_the_default_client_revokes_its_tokens_without_a_name(
    http: httpx2.AsyncClient, alice: TestUser, spa: TestClient, kind: str
) -> None:
    tokens = await log_in(http, alice, spa)
    response = await http.post("/revoke", data={"token": tokens[kind]})
    assert (response.status_code, response.text) == (200, "{}")
    await assert_refused(http, tokens["access_token"])


async def test_a_client_may_authenticate_with_basic(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post("/revoke", data={"token": first["refresh_token"]}, auth=shop.basic)
    assert response.status_code == 200
    await assert_dead(http, shop, first)


# The token of a client that acts for itself


@HINTS
async def test_the_token_of_a_client_is_revoked(
    http: httpx2.AsyncClient, service: TestClient, hint: str
) -> None:
    token = await own_token(http, service)
    await revoked(http, service, token, hint)
    assert await introspected(http, service, token) == INACTIVE


async def test_the_other_tokens_of_that_client_stay_good(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    token, other = await own_token(http, service), await own_token(http, service)
    await revoked(http, service, token)
    assert await is_active(http, service, other)


async def test_the_revoked_token_of_a_client_is_remembered_until_it_expires_and_once(
    http: httpx2.AsyncClient, server: Server, service: TestClient
) -> None:
    token = await own_token(http, service)
    for _ in range(2):
        await revoked(http, service, token)
    async with server.database.read() as connection:
        rows = (await connection.execute(select(RevokedToken.__table__))).all()
    claims = read_claims(token)
    assert [(row.token_id, row.expires_at.timestamp()) for row in rows] == [
        (claims["jti"], claims["exp"])
    ]


async def test_simultaneous_revocations_of_one_token_of_a_client_all_succeed(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    token = await own_token(http, service)
    responses = await asyncio.gather(*(revoke(http, service, token) for _ in range(24)))
    assert [(response.status_code, response.text) for response in responses] == [(200, "{}")] * 24
    assert await introspected(http, service, token) == INACTIVE


# A stranger's


@pytest.mark.rfc("7009", "2.1", 8)
@pytest.mark.rfc("7009", "5", 1)
@KINDS
async def test_the_token_of_another_client_is_not_revoked_and_nothing_is_told(
    http: httpx2.AsyncClient, shop: TestClient, spa: TestClient, first: Tokens, kind: str
) -> None:
    theirs = await revoke(http, spa, first[kind])
    unknown = await revoke(http, spa, "unknown")
    assert (theirs.status_code, theirs.content) == (unknown.status_code, unknown.content)
    ignored = {"x-request-id", "date"}
    assert {k: v for k, v in theirs.headers.items() if k not in ignored} == {
        k: v for k, v in unknown.headers.items() if k not in ignored
    }
    await assert_alive(http, shop, first)


@pytest.mark.rfc("7009", "2.1", 8)
async def test_a_used_refresh_token_of_another_client_is_not_revoked(
    http: httpx2.AsyncClient, shop: TestClient, spa: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    await revoked(http, spa, first["refresh_token"])
    await assert_alive(http, shop, second)


async def test_a_client_that_introspects_any_token_does_not_revoke_any(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens
) -> None:
    await revoked(http, await add_resource_server(server), first["access_token"])
    await assert_alive(http, shop, first)


async def test_the_token_of_another_client_that_acts_for_itself_is_not_revoked(
    http: httpx2.AsyncClient, shop: TestClient, service: TestClient
) -> None:
    token = await own_token(http, service)
    await revoked(http, shop, token)
    assert await is_active(http, service, token)


# What is no token


@pytest.mark.rfc("7009", "2.2", 1)
@pytest.mark.rfc("7009", "5", 4)
@pytest.mark.parametrize(
    "token",
    [
        pytest.param("garbage", id="garbage"),
        pytest.param(".", id="a_dot"),
        pytest.param("a.b.c", id="like_a_jwt"),
        pytest.param("eyJhbGciOiJub25lIn0.e30.", id="alg_none"),
        pytest.param("x" * 8_000, id="very_long"),
        pytest.param("." * 8_000, id="very_long_with_dots"),
        pytest.param("\u00e9\u4e2d", id="not_ascii"),
        pytest.param("\u00e9.\u4e2d.x", id="not_ascii_with_dots"),
        pytest.param("%", id="a_wildcard"),
    ],
)
@HINTS
async def test_what_is_no_token_is_answered_as_if_it_had_been_revoked(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, token: str, hint: str
) -> None:
    await revoked(http, shop, token, hint)
    await assert_alive(http, shop, first)


async def test_a_forged_token_ends_nothing(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    forger = await forge(server, http, alice, shop)
    head, claims, _ = first["access_token"].split(".")
    _, _, signature = forger.genuine.split(".")
    await revoked(http, shop, f"{head}.{claims}.{signature}")
    await assert_alive(http, shop, first)


async def test_an_expired_access_token_ends_nothing(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    clock.advance(900)
    await revoked(http, shop, first["access_token"])
    await refreshed(http, shop, first["refresh_token"])


@pytest.mark.rfc("7009", "2.2", 1)
@pytest.mark.parametrize("changes", [{"refresh_token_ttl": 1000}], ids=["1000_seconds"])
async def test_an_expired_refresh_token_is_answered_like_any_other(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    clock.advance(1000)
    await revoked(http, shop, first["refresh_token"])


# The request


@pytest.mark.rfc("7009", "2.1", 2)
@pytest.mark.rfc("7009", "2.2.1", 1)
@pytest.mark.parametrize("more", [{}, {"token": ""}], ids=["left_out", "empty"])
async def test_a_missing_token_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, more: dict[str, str]
) -> None:
    response = await http.post("/revoke", data=credentials(shop) | more)
    assert_oauth2_error(response, "invalid_request", 400, MISSING)


@pytest.mark.parametrize("name", ["token", "token_type_hint"])
async def test_a_repeated_parameter_is_an_invalid_request_and_revokes_nothing(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, name: str
) -> None:
    form = {"token": first["refresh_token"], "token_type_hint": "refresh_token"}
    repeated: dict[str, str | list[str]] = {**form, name: [form[name], form[name]]}
    response = await http.post("/revoke", data=repeated, auth=shop.basic)
    assert_oauth2_error(response, "invalid_request", 400, "A parameter is repeated.")
    await assert_alive(http, shop, first)


async def test_a_token_in_the_address_is_an_invalid_request_and_is_not_revoked(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post(
        "/revoke", params={"token": first["refresh_token"]}, data=credentials(shop)
    )
    assert_oauth2_error(response, "invalid_request")
    await assert_alive(http, shop, first)


@pytest.mark.rfc("7009", "2.1", 1)
async def test_a_json_body_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post("/revoke", json={"token": first["refresh_token"]}, auth=shop.basic)
    assert_oauth2_error(response, "invalid_request")


@pytest.mark.rfc("7009", "2.1", 1)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_answered(http: httpx2.AsyncClient, method: str) -> None:
    response = await http.request(method, "/revoke")
    assert_oauth2_error(response, "invalid_request", 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.rfc("7009", "2.1", 6)
@pytest.mark.rfc("7009", "2.2.1", 1)
@pytest.mark.parametrize("secret", ["", "wrong"], ids=["no_secret", "a_wrong_secret"])
@KINDS
async def test_a_confidential_client_that_does_not_authenticate_revokes_nothing(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, kind: str, secret: str
) -> None:
    response = await revoke(http, TestClient(shop.client_id, secret), first[kind])
    assert_oauth2_error(response, "invalid_client", 401)
    await assert_alive(http, shop, first)


async def test_a_request_that_names_no_client_is_refused(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post("/revoke", data={"token": first["refresh_token"]})
    assert_oauth2_error(response, "invalid_client", 401)
    await assert_alive(http, shop, first)


@pytest.mark.rfc("7009", "2.1", 6)
async def test_the_client_is_judged_before_the_token_is_missed(http: httpx2.AsyncClient) -> None:
    assert_oauth2_error(await http.post("/revoke", data={"a": "b"}), "invalid_client", 401)


# Against a refresh that runs meanwhile


@pytest.mark.rfc("7009", "2.1", 10)
async def test_after_the_answer_nothing_of_the_family_works_also_against_a_refresh(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient
) -> None:
    for _ in range(ROUNDS):
        first = await log_in(http, alice, shop, "profile")
        refreshing, revoking = await asyncio.gather(
            refresh(http, shop, first["refresh_token"]), revoke(http, shop, first["access_token"])
        )
        assert (revoking.status_code, revoking.text) == (200, "{}")
        await assert_dead(http, shop, first)
        if refreshing.status_code == 200:
            await assert_dead(http, shop, refreshing.json())
        else:
            assert_oauth2_error(refreshing, "invalid_grant")


@pytest.mark.rfc("7009", "2", 2)
@pytest.mark.rfc("7009", "3")
async def test_a_revoked_access_token_opens_nothing(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    await revoked(http, shop, first["access_token"])
    response = await http.get("/users/me", headers=bearer(first["access_token"]))
    assert_bearer_error(response, "invalid_token", 401)


async def test_the_method_of_authentication_that_a_client_was_given_counts_here_too(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_client(server, "basic-only", auth_methods=("client_secret_basic",))
    form = {"grant_type": "password", "username": alice.username, "password": alice.password}
    granted = await http.post("/token", data=form, auth=client.basic)
    token = granted.json()["access_token"]
    assert_oauth2_error(await revoke(http, client, token), "invalid_client", 401)
    response = await http.post("/revoke", data={"token": token}, auth=client.basic)
    assert (response.status_code, response.text) == (200, "{}")
    await assert_refused(http, token)
