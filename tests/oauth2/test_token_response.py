"""The answer of ``POST /token``: RFC 6749, section 5.1, and the claims of RFC 9068."""

from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest
from sqlalchemy import select

from app.models import Login
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer, log_in
from tests.support.on_sqlite import backend as backend


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


async def post(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, **more: str
) -> httpx2.Response:
    form = {"grant_type": "password", "username": user.username, "password": user.password}
    return await http.post("/token", data=form | more, auth=client.basic)


async def claims_of(server: Server, token: str) -> dict[str, Any]:
    """The claims, after the signature was checked with the key that the header names."""
    keys = await server.keys.public()
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key.key, [key.alg], options={"verify_aud": False, "verify_exp": False}
    )
    return claims


@pytest.mark.rfc("6749", "4.3.2", 1)
@pytest.mark.rfc("6749", "4.3.3")
@pytest.mark.rfc("6749", "5.1", 1, 5)
@pytest.mark.rfc("6750", "4")
async def test_a_password_is_exchanged_for_a_bearer_token(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    response = await post(http, alice, web)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "profile"


@pytest.mark.rfc("6749", "5.1", 6)
async def test_the_answer_is_never_stored_by_a_cache(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    response = await post(http, alice, web)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"


@pytest.mark.rfc("6749", "5.1", 5)
async def test_the_answer_has_no_null_member(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    response = await post(http, alice, web)
    assert None not in response.json().values()


@pytest.mark.rfc("6749", "5.1", 2)
@pytest.mark.rfc("6750", "5.3", 4)
async def test_the_lifetime_is_an_integer_of_seconds(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    response = await post(http, alice, web)
    assert '"expires_in":900,' in response.text


@pytest.mark.rfc("openid-connect-core", "16.18", 1)
@pytest.mark.parametrize("changes", [{"access_token_ttl": 60}], ids=["60_seconds"])
async def test_the_lifetime_is_the_configured_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    body = (await post(http, alice, web)).json()
    claims = await claims_of(server, body["access_token"])
    assert body["expires_in"] == 60
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.rfc("6749", "3.3", 5)
@pytest.mark.rfc("6749", "5.1", 4)
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        pytest.param("", "profile", id="none_asked"),
        pytest.param("items:read", "items:read", id="granted_as_asked"),
        pytest.param("items:read email", "items:read email", id="several_granted_as_asked"),
    ],
)
async def test_the_scope_is_always_told(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, asked: str, granted: str
) -> None:
    response = await post(http, alice, web, scope=asked)
    assert response.json()["scope"] == granted


async def test_the_password_grant_answers_no_id_token_even_for_openid(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, scopes=("openid", "profile"))
    client = await add_client(server, scopes=("openid", "profile"))
    body = await log_in(http, user, client, "openid profile")
    assert body["scope"] == "openid profile"
    assert "id_token" not in body


@pytest.mark.rfc("6749", "5.1", 3)
async def test_a_client_without_the_refresh_grant_gets_no_refresh_token(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, scopes=("profile", "offline_access"))
    client = await add_client(server, scopes=("profile", "offline_access"))
    body = await log_in(http, user, client, "profile offline_access")
    assert "refresh_token" not in body


async def test_the_token_opens_a_protected_route(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    body = await log_in(http, alice, web, "profile")
    response = await http.get("/users/me", headers=bearer(body["access_token"]))
    assert response.status_code == 200
    assert response.json()["username"] == "alice"


@pytest.mark.rfc("7519", "5.1", 1)
@pytest.mark.rfc("7519", "5.2", 2)
@pytest.mark.rfc("8725", "3.11")
@pytest.mark.rfc("9068", "2.1", 5, 6)
async def test_the_header_of_the_token_is_that_of_rfc_9068(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    header = jwt.get_unverified_header(token)
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": header["kid"]}
    assert header["kid"] in await server.keys.public()


@pytest.mark.rfc("9068", "2.1", 2)
@pytest.mark.parametrize(
    ("changes", "alg"),
    [
        pytest.param({"access_token_alg": alg}, alg, id=alg.lower())
        for alg in ("ES256", "RS256", "EdDSA")
    ],
)
async def test_the_token_is_signed_with_the_configured_algorithm(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, alg: str
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    assert jwt.get_unverified_header(token)["alg"] == alg
    assert (await claims_of(server, token))["client_id"] == web.client_id


@pytest.mark.rfc("6750", "5.2", 3)
@pytest.mark.rfc("9068", "2.2", 1)
@pytest.mark.rfc("9068", "2.2.3", 1)
@pytest.mark.rfc("9700", "4.10", 1)
async def test_the_claims_are_exactly_those_of_rfc_9068_and_sid(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, clock: TestClock
) -> None:
    token = (await log_in(http, alice, web, "email profile"))["access_token"]
    claims = await claims_of(server, token)
    now = int(clock.now().timestamp())
    assert claims == {
        "iss": ISSUER,
        "sub": str(alice.id),
        "aud": ISSUER,
        "exp": now + 900,
        "iat": now,
        "jti": claims["jti"],
        "client_id": "web",
        "scope": "email profile",
        "sid": claims["sid"],
    }


@pytest.mark.rfc("6750", "5.3", 5)
@pytest.mark.rfc("8725", "3.9", 1)
@pytest.mark.rfc("9068", "3", 2)
@pytest.mark.rfc("9700", "2.3", 4)
@pytest.mark.parametrize(
    "changes", [{"audience": "https://api.example.com"}], ids=["another_audience"]
)
async def test_the_audience_is_the_configured_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    assert (await claims_of(server, token))["aud"] == "https://api.example.com"


async def test_the_issuer_is_not_taken_from_the_request(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": "alice", "password": alice.password},
        headers={"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"},
        auth=web.basic,
    )
    claims = await claims_of(server, response.json()["access_token"])
    assert (claims["iss"], claims["aud"]) == (ISSUER, ISSUER)


@pytest.mark.rfc("7519", "4.1.2")
@pytest.mark.rfc("9068", "2.2", 2)
async def test_the_subject_is_the_id_of_the_user_and_not_the_name(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    assert (await claims_of(server, token))["sub"] == str(alice.id)


@pytest.mark.rfc("7519", "12")
@pytest.mark.rfc("9068", "6", 2)
async def test_the_token_holds_nothing_personal(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "profile email"))["access_token"]
    values = [str(value) for value in (await claims_of(server, token)).values()]
    assert not any("alice" in value for value in values)


@pytest.mark.rfc("7519", "4.1.7")
async def test_two_tokens_never_have_the_same_id(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    tokens = [(await log_in(http, alice, web))["access_token"] for _ in range(2)]
    first, second = [(await claims_of(server, token))["jti"] for token in tokens]
    assert first != second
    assert len(first) == len(second) == 43  # 256 bits


async def test_the_sid_names_a_login_that_was_recorded(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, clock: TestClock
) -> None:
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": "alice", "password": alice.password},
        headers={"User-Agent": "the tests"},
        auth=web.basic,
    )
    claims = await claims_of(server, response.json()["access_token"])
    async with server.database.read() as connection:
        login = (await connection.execute(select(Login.__table__))).one()
    assert login.id == UUID(claims["sid"])
    assert (login.user_id, login.client_id, login.scope) == (alice.id, "web", "profile")
    assert (login.created_at, login.ended_at) == (clock.now(), None)
    assert (login.address, login.user_agent) == ("127.0.0.1", "the tests")


async def test_every_login_has_its_own_sid(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    tokens = [(await log_in(http, alice, web))["access_token"] for _ in range(2)]
    first, second = [(await claims_of(server, token))["sid"] for token in tokens]
    assert first != second


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(b"x" * 5000, id="long"),
        pytest.param("bröwser \udcff".encode("utf-8", "surrogateescape"), id="not_ascii"),
    ],
)
async def test_a_strange_user_agent_does_not_stop_a_login(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, agent: bytes
) -> None:
    response = await http.post(
        "/token",
        data={"grant_type": "password", "username": "alice", "password": alice.password},
        headers=[(b"User-Agent", agent)],
        auth=web.basic,
    )
    assert response.status_code == 200
