"""The public keys: RFC 7517 and RFC 7638."""

import base64
import hashlib
import json
from typing import Any

import httpx2
import jwt
import pytest

from app.security.jwt import Algorithm, generate_private_key
from app.server import Server
from app.settings import Settings
from app.tokens.key_rotation import import_key
from tests.conftest import ISSUER, make_settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, log_in
from tests.support.on_sqlite import backend as backend

JWKS = "/.well-known/jwks.json"

MEMBERS = {
    "ES256": {"kty", "crv", "x", "y"},
    "RS256": {"kty", "n", "e"},
    "EdDSA": {"kty", "crv", "x"},
}
"""The public members of each kind of key: what RFC 7638 makes its thumbprint of."""

ALGORITHMS = pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])


@pytest.fixture
def alg() -> Algorithm:
    return "ES256"


@pytest.fixture
def settings(database_url: str, alg: Algorithm) -> Settings:
    return make_settings(database_url=database_url, access_token_alg=alg)


async def read(http: httpx2.AsyncClient) -> list[dict[str, Any]]:
    response = await http.get(JWKS)
    assert (response.status_code, set(response.json())) == (200, {"keys"})
    keys: list[dict[str, Any]] = response.json()["keys"]
    return keys


async def read_one(http: httpx2.AsyncClient, alg: Algorithm) -> dict[str, Any]:
    """The only key of that algorithm."""
    (key,) = [key for key in await read(http) if key["alg"] == alg]
    return key


async def add_key(server: Server, alg: Algorithm) -> str:
    """Another key, which takes over later."""
    async with server.database.transaction() as connection:
        kid, _ = await import_key(
            connection,
            server.encryption,
            generate_private_key(alg),
            server.clock,
            server.settings,
            at_once=False,
        )
    return kid


def thumbprint(jwk: dict[str, str], members: set[str]) -> str:
    """RFC 7638, section 3."""
    canonical = json.dumps(
        {name: jwk[name] for name in members}, sort_keys=True, separators=(",", ":")
    )
    digest = hashlib.sha256(canonical.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


# The keys


@pytest.mark.rfc("7517", "4")
@pytest.mark.rfc("7517", "4.1")
@pytest.mark.rfc("7517", "4.2")
@pytest.mark.rfc("7517", "4.3")
@pytest.mark.rfc("7517", "4.4")
@pytest.mark.rfc("7517", "9.2")
@pytest.mark.rfc("8414", "2", 4)
@pytest.mark.rfc("openid-connect-discovery", "3", 28, 33)
@ALGORITHMS
async def test_a_key_has_its_public_members_and_what_it_is_for(
    http: httpx2.AsyncClient, alg: Algorithm
) -> None:
    key = await read_one(http, alg)
    assert set(key) == MEMBERS[alg] | {"kid", "use", "alg"}
    assert (key["use"], key["alg"]) == ("sig", alg)


@pytest.mark.rfc("7517", "4.5", 2)
@ALGORITHMS
async def test_the_kid_is_the_thumbprint_of_the_key(
    http: httpx2.AsyncClient, alg: Algorithm
) -> None:
    key = await read_one(http, alg)
    assert key["kid"] == thumbprint(key, MEMBERS[alg])


@pytest.mark.parametrize(
    ("alg", "kty", "crv"),
    [("ES256", "EC", "P-256"), ("RS256", "RSA", None), ("EdDSA", "OKP", "Ed25519")],
    ids=["es256", "rs256", "eddsa"],
)
async def test_the_key_is_of_the_kind_that_is_configured(
    http: httpx2.AsyncClient, alg: Algorithm, kty: str, crv: str | None
) -> None:
    key = await read_one(http, alg)
    assert (key["kty"], key.get("crv")) == (kty, crv)


@pytest.mark.rfc("7517", "5")
@pytest.mark.rfc("9068", "4", 1)
@ALGORITHMS
async def test_a_token_is_verified_with_nothing_but_the_keys(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, alg: Algorithm
) -> None:
    token = (await log_in(http, alice, web))["access_token"]
    keys = jwt.PyJWKSet.from_dict({"keys": await read(http)})
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key.key, [alg], audience=ISSUER, issuer=ISSUER)
    assert claims["sub"] == str(alice.id)


@pytest.mark.rfc("7517", "4.5", 1)
async def test_several_keys_have_different_kids(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    before = [key["kid"] for key in await read(http)]
    algorithms: tuple[Algorithm, ...] = ("ES256", "RS256", "EdDSA")
    added = [await add_key(server, alg) for alg in algorithms]
    clock.advance(2)
    after = [key["kid"] for key in await read(http)]
    assert len(set(after)) == len(after)
    assert sorted(after) == sorted([*before, *added])


# How they are sent


@pytest.mark.rfc("openid-connect-core", "10.2.1", 1, 2)
async def test_verifiers_keep_the_keys_for_less_than_a_new_one_waits(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.get(JWKS)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=300"


async def test_a_page_of_any_origin_may_read_the_keys(http: httpx2.AsyncClient) -> None:
    response = await http.get(JWKS, headers={"Origin": "https://any.example.com"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.rfc("9110", "8.8.3")
@pytest.mark.rfc("9110", "13.1.2")
@pytest.mark.parametrize(
    "form",
    [
        pytest.param("{}", id="the_etag"),
        pytest.param("W/{}", id="a_weak_one"),
        pytest.param('"another", {}', id="one_of_several"),
        pytest.param("*", id="any"),
    ],
)
async def test_who_has_the_keys_already_is_told_so(http: httpx2.AsyncClient, form: str) -> None:
    first = await http.get(JWKS)
    condition = form.format(first.headers["etag"])
    again = await http.get(JWKS, headers={"If-None-Match": condition})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "access-control-allow-origin"):
        assert again.headers[name] == first.headers[name]


@pytest.mark.rfc("9110", "13.1.2")
async def test_what_somebody_has_may_be_said_in_several_lines(http: httpx2.AsyncClient) -> None:
    etag = (await http.get(JWKS)).headers["etag"]
    lines = [("If-None-Match", '"another"'), ("If-None-Match", etag)]
    assert (await http.get(JWKS, headers=lines)).status_code == 304


@pytest.mark.rfc("9110", "8.8.3")
async def test_the_etag_changes_with_the_keys(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    first = await http.get(JWKS)
    kid = await add_key(server, "ES256")
    clock.advance(2)
    again = await http.get(JWKS, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 200
    assert kid in {key["kid"] for key in again.json()["keys"]}
    assert again.headers["etag"] != first.headers["etag"]


async def test_the_etag_stays_while_the_keys_do(http: httpx2.AsyncClient, clock: TestClock) -> None:
    first = await http.get(JWKS)
    clock.advance(100)
    assert (await http.get(JWKS)).headers["etag"] == first.headers["etag"]


@pytest.mark.rfc("9110", "9.3.2")
async def test_head_is_answered_like_get_without_the_body(http: httpx2.AsyncClient) -> None:
    get, head = await http.get(JWKS), await http.head(JWKS)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers[name] == get.headers[name], name


async def test_another_method_is_not_answered(http: httpx2.AsyncClient) -> None:
    response = await http.post(JWKS)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
