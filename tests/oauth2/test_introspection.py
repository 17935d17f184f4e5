"""Introspection: RFC 7662."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2
import jwt
import pytest
from sqlalchemy import update

from app.models import SigningKey
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user, disable_user, log_in
from tests.support.forger import encode_parts, forge, read_claims, sign
from tests.support.lifecycle import (
    INACTIVE,
    KNOWN_EVERYWHERE,
    Tokens,
    add_refreshing,
    add_resource_server,
    add_service,
    credentials,
    delete_user,
    disable_client,
    end,
    introspect,
    introspected,
    is_active,
    own_token,
    refresh,
    refreshed,
    revoked,
)
from tests.support.on_sqlite import backend as backend

MISSING = "The request needs a token."
GRANTED = "profile items:read"

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
    """A confidential client that may refresh, and introspects its own tokens."""
    return await add_refreshing(server)


@pytest.fixture
async def api(server: Server) -> TestClient:
    """A resource server: it introspects every client's access tokens."""
    return await add_resource_server(server)


@pytest.fixture
async def first(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> Tokens:
    """What alice's login through the shop answered."""
    return await log_in(http, alice, shop, GRANTED)


# What is told of a good token


@pytest.mark.rfc("7662", "2.1", 3, 6)
@pytest.mark.rfc("7662", "2.2", 1, 2)
@pytest.mark.rfc("7662", "4", 8)
@HINTS
async def test_all_of_an_access_token_is_told(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, first: Tokens, hint: str
) -> None:
    claims = read_claims(first["access_token"])
    assert await introspected(http, shop, first["access_token"], hint) == {
        "active": True,
        "scope": GRANTED,
        "client_id": "shop",
        "username": "alice",
        "token_type": "Bearer",
        "exp": claims["exp"],
        "iat": claims["iat"],
        "nbf": claims["iat"],
        "sub": str(alice.id),
        "aud": ISSUER,
        "iss": ISSUER,
        "jti": claims["jti"],
    }


@pytest.mark.rfc("7662", "2.1", 3, 6)
@pytest.mark.rfc("7662", "2.2", 2)
@pytest.mark.rfc("7662", "4", 8)
@HINTS
async def test_all_of_a_refresh_token_is_told(
    http: httpx2.AsyncClient,
    alice: TestUser,
    shop: TestClient,
    first: Tokens,
    clock: TestClock,
    hint: str,
) -> None:
    now = int(clock.now().timestamp())
    assert await introspected(http, shop, first["refresh_token"], hint) == {
        "active": True,
        "scope": GRANTED,
        "client_id": "shop",
        "username": "alice",
        "token_type": "refresh_token",
        "exp": now + 2_592_000,
        "iat": now,
        "nbf": now,
        "sub": str(alice.id),
        "aud": ISSUER,
        "iss": ISSUER,
    }


@pytest.mark.rfc("7662", "5")
async def test_the_token_of_a_client_has_no_user_name(
    http: httpx2.AsyncClient, server: Server
) -> None:
    service = await add_service(server)
    token = await own_token(http, service)
    claims = read_claims(token)
    assert await introspected(http, service, token) == {
        "active": True,
        "scope": "items:read",
        "client_id": "service",
        "token_type": "Bearer",
        "exp": claims["exp"],
        "iat": claims["iat"],
        "nbf": claims["iat"],
        "sub": "service",
        "aud": ISSUER,
        "iss": ISSUER,
        "jti": claims["jti"],
    }


async def test_a_successor_is_told_with_its_own_time_and_the_scope_of_the_family(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    before = await introspected(http, shop, first["refresh_token"])
    clock.advance(100)
    second = await refreshed(http, shop, first["refresh_token"], "profile")
    told = await introspected(http, shop, second["refresh_token"])
    assert told == before | {"iat": before["iat"] + 100, "nbf": before["nbf"] + 100}


@pytest.mark.parametrize(
    "changes", [{"audience": "https://api.example.com"}], ids=["another_audience"]
)
async def test_the_audience_is_the_configured_one(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    told = await introspected(http, shop, first["access_token"])
    assert (told["aud"], told["iss"]) == ("https://api.example.com", ISSUER)


async def test_the_name_is_told_as_it_was_registered(
    http: httpx2.AsyncClient, server: Server, shop: TestClient
) -> None:
    bob = await add_user(server, "Bob Ünïcode")
    token = (await log_in(http, bob, shop))["access_token"]
    assert (await introspected(http, shop, token))["username"] == "Bob Ünïcode"


@pytest.mark.rfc("7662", "2.2", 1, 7)
@KINDS
async def test_the_answer_is_json_that_no_cache_stores(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, kind: str
) -> None:
    response = await introspect(http, shop, first[kind])
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


async def test_asking_about_a_refresh_token_does_not_use_it_up(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    for _ in range(3):
        assert await is_active(http, shop, first["refresh_token"])
    await refreshed(http, shop, first["refresh_token"])


# Whose tokens a client sees


@pytest.mark.rfc("7662", "2.2", 6)
@pytest.mark.rfc("7662", "4", 5)
@pytest.mark.rfc("7662", "5")
@KINDS
async def test_a_client_does_not_see_the_tokens_of_another(
    http: httpx2.AsyncClient, server: Server, first: Tokens, kind: str
) -> None:
    other = await add_refreshing(server, "other")
    assert await introspected(http, other, first[kind]) == INACTIVE


async def test_a_client_does_not_see_the_own_token_of_another(
    http: httpx2.AsyncClient, server: Server, shop: TestClient
) -> None:
    token = await own_token(http, await add_service(server))
    assert await introspected(http, shop, token) == INACTIVE


@pytest.mark.rfc("7662", "4", 5)
async def test_a_resource_server_sees_the_access_tokens_of_every_client(
    http: httpx2.AsyncClient, server: Server, api: TestClient, first: Tokens
) -> None:
    service = await add_service(server)
    of_user = await introspected(http, api, first["access_token"])
    of_client = await introspected(http, api, await own_token(http, service))
    assert (of_user["active"], of_user["client_id"]) == (True, "shop")
    assert (of_client["active"], of_client["client_id"]) == (True, "service")


async def test_a_resource_server_sees_the_access_tokens_of_a_public_client(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, api: TestClient
) -> None:
    spa = await add_refreshing(server, "spa", is_public=True)
    token = (await log_in(http, alice, spa))["access_token"]
    assert (await introspected(http, api, token))["client_id"] == "spa"


@pytest.mark.rfc("7662", "2.2", 6)
async def test_a_resource_server_does_not_see_the_refresh_tokens_of_another(
    http: httpx2.AsyncClient, api: TestClient, first: Tokens
) -> None:
    assert await introspected(http, api, first["refresh_token"]) == INACTIVE


@pytest.mark.rfc("7662", "4", 6)
async def test_a_resource_server_sees_its_own_refresh_tokens(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    both = await add_refreshing(server, "both", introspect="any")
    tokens = await log_in(http, alice, both)
    assert await is_active(http, both, tokens["refresh_token"])


# What is not active, and of which nothing else is told


@dataclass(frozen=True)
class Situation:
    """A good token, and all that can be done to it."""

    http: httpx2.AsyncClient
    server: Server
    clock: TestClock
    user: TestUser
    client: TestClient
    tokens: Tokens


Happening = Callable[[Situation], Awaitable[None]]


@pytest.fixture
def situation(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    shop: TestClient,
    first: Tokens,
) -> Situation:
    return Situation(http, server, clock, alice, shop, first)


async def it_expires(it: Situation) -> None:
    it.clock.advance(900)


async def it_is_revoked(it: Situation) -> None:
    await revoked(it.http, it.client, it.tokens["access_token"])


async def its_refresh_token_is_revoked(it: Situation) -> None:
    await revoked(it.http, it.client, it.tokens["refresh_token"])


async def its_refresh_token_is_used_twice(it: Situation) -> None:
    await refreshed(it.http, it.client, it.tokens["refresh_token"])
    assert (await refresh(it.http, it.client, it.tokens["refresh_token"])).status_code == 400


async def it_is_used(it: Situation) -> None:
    await refreshed(it.http, it.client, it.tokens["refresh_token"])


async def the_family_expires(it: Situation) -> None:
    it.clock.advance(2_592_000)


async def its_login_is_ended(it: Situation) -> None:
    await end(it.server, it.tokens)


async def its_user_is_disabled(it: Situation) -> None:
    await disable_user(it.server, it.user)


async def its_user_is_deleted(it: Situation) -> None:
    await delete_user(it.server, it.user)


async def its_client_is_disabled(it: Situation) -> None:
    await disable_client(it.server, it.client)
    it.clock.advance(KNOWN_EVERYWHERE)


async def its_key_is_retired(it: Situation) -> None:
    async with it.server.database.transaction() as connection:
        await connection.execute(update(SigningKey).values(retired_at=it.clock.now()))
    it.clock.advance(KNOWN_EVERYWHERE)


def happenings(*all_of_them: Happening) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "happening", [pytest.param(each, id=each.__name__) for each in all_of_them]
    )


@pytest.mark.rfc("7009", "3")
@pytest.mark.rfc("7662", "2.2", 5, 6)
@pytest.mark.rfc("7662", "4", 1)
@happenings(
    it_expires,
    it_is_revoked,
    its_refresh_token_is_revoked,
    its_refresh_token_is_used_twice,
    its_login_is_ended,
    its_user_is_disabled,
    its_user_is_deleted,
    its_client_is_disabled,
    its_key_is_retired,
)
async def test_an_access_token_is_not_active_after(
    situation: Situation, api: TestClient, happening: Happening
) -> None:
    token = situation.tokens["access_token"]
    assert await is_active(situation.http, api, token)
    await happening(situation)
    assert await introspected(situation.http, api, token) == INACTIVE


@pytest.mark.rfc("7662", "2.2", 5)
@happenings(
    it_is_used,
    the_family_expires,
    it_is_revoked,
    its_refresh_token_is_revoked,
    its_refresh_token_is_used_twice,
    its_login_is_ended,
    its_user_is_disabled,
    its_user_is_deleted,
)
async def test_a_refresh_token_is_not_active_after(
    situation: Situation, happening: Happening
) -> None:
    token = situation.tokens["refresh_token"]
    assert await is_active(situation.http, situation.client, token)
    await happening(situation)
    assert await introspected(situation.http, situation.client, token) == INACTIVE


async def test_an_access_token_is_active_until_the_second_before_it_expires(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    clock.advance(899)
    assert await is_active(http, shop, first["access_token"])


async def test_a_refresh_token_stays_active_when_the_key_of_its_access_token_is_retired(
    situation: Situation,
) -> None:
    await its_key_is_retired(situation)
    assert await is_active(situation.http, situation.client, situation.tokens["refresh_token"])


@pytest.mark.rfc("7662", "4", 1)
async def test_a_revoked_token_of_a_client_is_not_active(
    http: httpx2.AsyncClient, server: Server, api: TestClient
) -> None:
    service = await add_service(server)
    token = await own_token(http, service)
    await revoked(http, service, token)
    assert await introspected(http, api, token) == INACTIVE


async def test_the_token_of_a_disabled_client_is_not_active_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, api: TestClient, clock: TestClock
) -> None:
    service = await add_service(server)
    token = await own_token(http, service)
    await disable_client(server, service)
    clock.advance(KNOWN_EVERYWHERE)
    assert await introspected(http, api, token) == INACTIVE


@pytest.mark.rfc("7662", "2.2", 5, 6)
@pytest.mark.rfc("7662", "2.3", 3)
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
    ],
)
@HINTS
async def test_what_is_no_token_is_not_active(
    http: httpx2.AsyncClient, shop: TestClient, token: str, hint: str
) -> None:
    assert await introspected(http, shop, token, hint) == INACTIVE


class TestForged:
    """Tokens that look genuine. Those of the other kinds are in ``test_forged_tokens``."""

    @pytest.mark.rfc("7662", "4", 1)
    async def test_a_token_with_another_scope_under_the_old_signature_is_not_active(
        self, http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
    ) -> None:
        forger = await forge(server, http, alice, shop)
        parts = encode_parts(forger.header, forger.claims | {"scope": "users:write"})
        signature = forger.genuine.rpartition(".")[2]
        assert await introspected(http, shop, f"{parts}.{signature}") == INACTIVE

    @pytest.mark.rfc("7662", "4", 1)
    async def test_a_token_that_is_not_signed_is_not_active(
        self, http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
    ) -> None:
        forger = await forge(server, http, alice, shop)
        parts = encode_parts(forger.header | {"alg": "none"}, forger.claims)
        assert await introspected(http, shop, f"{parts}.") == INACTIVE

    async def test_a_token_that_the_public_key_signed_as_a_secret_is_not_active(
        self, http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
    ) -> None:
        forger = await forge(server, http, alice, shop)
        secret = jwt.get_algorithm_by_name("HS256").prepare_key(b"x" * 32)
        parts = encode_parts(forger.header | {"alg": "HS256"}, forger.claims)
        assert await introspected(http, shop, sign(parts, secret, "HS256")) == INACTIVE

    @pytest.mark.rfc("7662", "4", 1)
    @pytest.mark.parametrize(
        ("claims", "header"),
        [
            pytest.param({"iss": "https://evil.example.com"}, {}, id="another_issuer"),
            pytest.param({"aud": "https://evil.example.com"}, {}, id="another_audience"),
            pytest.param({"client_id": "other"}, {}, id="another_client"),
            pytest.param({"sub": "00000000-0000-4000-8000-000000000000"}, {}, id="another_user"),
            pytest.param({"sid": "00000000-0000-4000-8000-000000000000"}, {}, id="another_login"),
            pytest.param({"exp": 1}, {}, id="expired"),
            pytest.param({"nbf": 253_402_300_799}, {}, id="not_yet_good"),
            pytest.param({}, {"typ": "JWT"}, id="an_id_token"),
            pytest.param({}, {"kid": "unknown"}, id="another_key"),
            pytest.param({}, {"crit": ["unknown"], "unknown": 1}, id="a_critical_extension"),
        ],
    )
    async def test_a_token_that_we_signed_for_another_purpose_is_not_active(
        self,
        http: httpx2.AsyncClient,
        server: Server,
        alice: TestUser,
        shop: TestClient,
        claims: dict[str, object],
        header: dict[str, object],
    ) -> None:
        forger = await forge(server, http, alice, shop)
        assert await is_active(http, shop, forger.sign())
        assert await introspected(http, shop, forger.sign(claims, header)) == INACTIVE

    @pytest.mark.parametrize(
        "claim", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"]
    )
    async def test_a_token_without_a_required_claim_is_not_active(
        self,
        http: httpx2.AsyncClient,
        server: Server,
        alice: TestUser,
        shop: TestClient,
        claim: str,
    ) -> None:
        forger = await forge(server, http, alice, shop)
        assert await introspected(http, shop, forger.sign(leave_out=claim)) == INACTIVE


# Who may ask


@pytest.mark.rfc("6749", "2.3", 2)
@pytest.mark.rfc("7662", "2.1", 4)
async def test_a_public_client_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    spa = await add_refreshing(server, "spa", is_public=True)
    token = (await log_in(http, alice, spa))["access_token"]
    response = await http.post("/introspect", data={"token": token, "client_id": "spa"})
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.parametrize("changes", [{"default_client_id": "spa"}], ids=["default_client"])
async def test_the_default_client_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    spa = await add_refreshing(server, "spa", is_public=True)
    token = (await log_in(http, alice, spa))["access_token"]
    response = await http.post("/introspect", data={"token": token})
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.rfc("7662", "2.1", 4)
async def test_a_request_that_names_no_client_is_refused(
    http: httpx2.AsyncClient, first: Tokens
) -> None:
    response = await http.post("/introspect", data={"token": first["access_token"]})
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.rfc("7662", "2.1", 5)
async def test_an_access_token_does_not_authenticate_the_caller(
    http: httpx2.AsyncClient, first: Tokens
) -> None:
    response = await http.post(
        "/introspect",
        data={"token": first["access_token"]},
        headers={"Authorization": f"Bearer {first['access_token']}"},
    )
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.rfc("7662", "2.1", 4)
@pytest.mark.rfc("7662", "2.3", 1)
@pytest.mark.rfc("7662", "4", 2)
@pytest.mark.parametrize("secret", ["", "wrong"], ids=["no_secret", "a_wrong_secret"])
async def test_a_client_that_does_not_authenticate_is_refused(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, secret: str
) -> None:
    impostor = TestClient(shop.client_id, secret)
    response = await introspect(http, impostor, first["access_token"])
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.rfc("7662", "2.1", 5)
async def test_a_client_may_authenticate_in_the_body(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post(
        "/introspect", data={"token": first["access_token"]} | credentials(shop)
    )
    assert (response.status_code, response.json()["active"]) == (200, True)


# The request


@pytest.mark.rfc("7662", "2.1", 2)
@pytest.mark.parametrize("more", [{}, {"token": ""}], ids=["left_out", "empty"])
async def test_a_missing_token_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, more: dict[str, str]
) -> None:
    response = await http.post("/introspect", data=credentials(shop) | more)
    assert_oauth2_error(response, "invalid_request", 400, MISSING)


async def test_a_repeated_token_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    token = first["access_token"]
    response = await http.post("/introspect", data={"token": [token, token]}, auth=shop.basic)
    assert_oauth2_error(response, "invalid_request", 400, "A parameter is repeated.")


@pytest.mark.rfc("7662", "4", 3)
async def test_a_token_in_the_address_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post(
        "/introspect", params={"token": first["access_token"]}, data=credentials(shop)
    )
    assert_oauth2_error(response, "invalid_request")


@pytest.mark.rfc("7662", "2.1", 1)
@pytest.mark.rfc("7662", "4", 3)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_answered(http: httpx2.AsyncClient, method: str) -> None:
    response = await http.request(method, "/introspect")
    assert_oauth2_error(response, "invalid_request", 405)
    assert response.headers["allow"] == "POST"
