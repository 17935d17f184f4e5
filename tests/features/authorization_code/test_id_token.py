"""ID tokens: OpenID Connect Core 1.0, sections 2, 3.1.3 and 12.2."""

import base64
import hashlib
from typing import Any
from uuid import UUID

import httpx2
import jwt
import pytest

from app.server import Server
from tests.conftest import ISSUER
from tests.support.assertions import assert_bearer_error, assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, add_client, bearer, log_in
from tests.support.flow import USER_SCOPES, CodeFlow, add_web_client, read_answer
from tests.support.forger import read_claims
from tests.support.lifecycle import (
    INACTIVE,
    Tokens,
    introspected,
    login_of,
    refresh,
    refreshed,
    revoked,
)
from tests.support.on_sqlite import backend as backend

NONCE = "n-0S6_WzA2Mj"

HALF_OF = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
"""Core, section 3.1.3.6: the hash of the algorithm of the ID token."""

ALGORITHMS = pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])


async def validate(
    http: httpx2.AsyncClient, id_token: str, client_id: str, alg: str
) -> dict[str, Any]:
    """The claims, checked as a client does: with the published key of the ``kid``."""
    keys = (await http.get("/.well-known/jwks.json")).json()["keys"]
    header = jwt.get_unverified_header(id_token)
    (key,) = [key for key in keys if key["kid"] == header["kid"]]
    assert (header["alg"], key["alg"], key["use"]) == (alg, alg, "sig")
    claims: dict[str, Any] = jwt.decode(
        id_token,
        jwt.PyJWK(key),
        algorithms=[alg],
        audience=client_id,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},  # the clock of the test decides
    )
    return claims


async def flow_with(flow: CodeFlow, server: Server, alg: str) -> CodeFlow:
    """The flow at a client whose ID tokens are signed with ``alg``."""
    client = await add_web_client(server, "signed", id_token_alg=alg)
    return CodeFlow(flow.browser, flow.user, client)


# What it says


@pytest.mark.rfc("openid-connect-core", "2", 1, 2, 4, 7, 8, 9, 16)
@pytest.mark.rfc("openid-connect-core", "16.15", 1)
@pytest.mark.rfc("openid-connect-discovery", "3", 1)
@pytest.mark.rfc("openid-connect-discovery", "4.3", 2)
@pytest.mark.rfc("openid-connect-discovery", "7.2")
async def test_an_id_token_has_these_claims_and_no_others(flow: CodeFlow, clock: TestClock) -> None:
    page = await flow.login_page(nonce=NONCE)
    logged_in_at = int(clock.now().timestamp())
    consent = await flow.follow(await flow.log_in(page))
    clock.advance(7)
    code = read_answer(await flow.allow(consent))["code"]
    clock.advance(5)
    tokens = (await flow.exchange(code)).json()
    now = int(clock.now().timestamp())
    claims = await validate(flow.browser, tokens["id_token"], "shop", "RS256")
    assert claims == {
        "iss": ISSUER,
        "sub": str(flow.user.id),
        "aud": "shop",
        "exp": now + 900,
        "iat": now,
        "auth_time": logged_in_at,
        "acr": "urn:latchkey:acr:any",
        "amr": ["pwd"],
        "nonce": NONCE,
        "at_hash": claims["at_hash"],
        "sid": str(login_of(tokens)),
    }


@pytest.mark.rfc("7519", "5.1", 2)
@pytest.mark.rfc("openid-connect-core", "2", 13)
@pytest.mark.rfc("openid-connect-core", "10.1", 1)
async def test_the_header_has_these_members_and_no_others(flow: CodeFlow) -> None:
    header = jwt.get_unverified_header((await flow.tokens())["id_token"])
    assert header == {"alg": "RS256", "typ": "JWT", "kid": header["kid"]}


@pytest.mark.rfc("openid-connect-core", "2", 3)
@pytest.mark.rfc("openid-connect-core", "5.1", 3)
@pytest.mark.rfc("openid-connect-core", "5.7")
@pytest.mark.rfc("openid-connect-core", "8", 2)
async def test_the_subject_is_the_id_of_the_user_as_in_the_access_token(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    subject = read_claims(tokens["id_token"])["sub"]
    assert UUID(subject) == flow.user.id
    assert subject == read_claims(tokens["access_token"])["sub"]


@pytest.mark.parametrize("changes", [{"id_token_ttl": 60}], ids=["60_seconds"])
async def test_the_lifetime_can_be_set(flow: CodeFlow) -> None:
    claims = read_claims((await flow.tokens())["id_token"])
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.rfc("9700", "2.1", 3)
@pytest.mark.rfc("openid-connect-core", "2", 6, 14)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 9)
@pytest.mark.parametrize(
    "nonce",
    [
        pytest.param("a b+c%20&=", id="signs"),
        pytest.param("\u00fc\U0001f511", id="not_ascii"),
        pytest.param("x" * 500, id="long"),
        pytest.param('"\\', id="what_json_escapes"),
        pytest.param(" ", id="a_space"),
    ],
)
async def test_the_nonce_comes_back_as_it_was(flow: CodeFlow, nonce: str) -> None:
    assert read_claims((await flow.tokens(nonce=nonce))["id_token"])["nonce"] == nonce


@pytest.mark.rfc("openid-connect-core", "2", 6)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 9)
async def test_without_a_nonce_none_comes_back(flow: CodeFlow) -> None:
    assert "nonce" not in read_claims((await flow.tokens())["id_token"])


@pytest.mark.rfc("9700", "2.1.1", 3)
@pytest.mark.rfc("openid-connect-core", "2", 6)
async def test_the_nonce_is_that_of_its_own_request(flow: CodeFlow) -> None:
    first, second = await flow.code(nonce="one"), await flow.code(nonce="two")
    claims = [
        read_claims((await flow.exchange(code)).json()["id_token"]) for code in (first, second)
    ]
    assert [each["nonce"] for each in claims] == ["one", "two"]


# auth_time


async def test_auth_time_stays_when_the_session_is_used_again(
    flow: CodeFlow, clock: TestClock
) -> None:
    first = read_claims((await flow.tokens())["id_token"])
    clock.advance(600)
    second = read_claims((await flow.tokens())["id_token"])
    assert second["auth_time"] == first["auth_time"]
    assert second["iat"] == first["iat"] + 600


@pytest.mark.parametrize("parameter", [{"max_age": "60"}, {"prompt": "login"}], ids=str)
async def test_auth_time_is_new_when_the_password_was_asked_for_again(
    flow: CodeFlow, clock: TestClock, parameter: dict[str, str]
) -> None:
    first = read_claims((await flow.tokens())["id_token"])
    clock.advance(600)
    second = read_claims((await flow.tokens(**parameter))["id_token"])
    assert second["auth_time"] == first["auth_time"] + 600


@pytest.mark.rfc("openid-connect-core", "2", 5)
@pytest.mark.rfc("openid-connect-core", "15.1", 5)
async def test_auth_time_is_there_and_right_with_max_age_and_a_young_session(
    flow: CodeFlow, clock: TestClock
) -> None:
    logged_in_at = int(clock.now().timestamp())
    await flow.finish()
    clock.advance(30)
    claims = read_claims((await flow.tokens(max_age="60"))["id_token"])
    assert claims["auth_time"] == logged_in_at


# How it is signed


@pytest.mark.rfc("openid-connect-core", "2", 11)
@pytest.mark.rfc("openid-connect-core", "10.1", 1, 3)
@pytest.mark.rfc("openid-connect-core", "15.1", 1)
@ALGORITHMS
async def test_an_id_token_is_signed_as_its_client_wants(
    flow: CodeFlow, server: Server, alg: str
) -> None:
    """Also when no key of that algorithm was there before."""
    signed = await flow_with(flow, server, alg)
    tokens = await signed.tokens()
    claims = await validate(flow.browser, tokens["id_token"], "signed", alg)
    assert claims["sub"] == str(flow.user.id)


async def test_no_key_is_made_before_a_client_needs_it(flow: CodeFlow, server: Server) -> None:
    async def algorithms() -> list[str]:
        keys = (await flow.browser.get("/.well-known/jwks.json")).json()["keys"]
        return sorted(key["alg"] for key in keys)

    assert await algorithms() == ["ES256", "RS256"]
    await (await flow_with(flow, server, "EdDSA")).tokens()
    assert await algorithms() == ["ES256", "EdDSA", "RS256"]


async def test_a_key_that_was_made_for_a_client_is_used_again(
    flow: CodeFlow, server: Server
) -> None:
    signed = await flow_with(flow, server, "EdDSA")
    kids = {jwt.get_unverified_header((await signed.tokens())["id_token"])["kid"] for _ in range(3)}
    assert len(kids) == 1


@pytest.mark.parametrize("changes", [{"access_token_alg": "EdDSA"}], ids=["eddsa"])
async def test_the_algorithm_of_access_tokens_is_another_matter(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    headers = [
        jwt.get_unverified_header(tokens[name])["alg"] for name in ("access_token", "id_token")
    ]
    assert headers == ["EdDSA", "RS256"]


@pytest.mark.rfc("openid-connect-core", "3.1.3.6")
@pytest.mark.rfc("openid-connect-core", "16.11")
@ALGORITHMS
async def test_at_hash_is_the_left_half_of_the_access_tokens_hash(
    flow: CodeFlow, server: Server, alg: str
) -> None:
    tokens = await (await flow_with(flow, server, alg)).tokens()
    digest = HALF_OF[alg](tokens["access_token"].encode("ascii")).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    assert read_claims(tokens["id_token"])["at_hash"] == half


@ALGORITHMS
async def test_at_hash_fits_the_new_access_token_after_a_refresh(
    flow: CodeFlow, server: Server, alg: str
) -> None:
    signed = await flow_with(flow, server, alg)
    tokens = await signed.tokens()
    tokens = await refreshed(flow.browser, signed.client, tokens["refresh_token"])
    digest = HALF_OF[alg](tokens["access_token"].encode("ascii")).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    assert read_claims(tokens["id_token"])["at_hash"] == half


# Refreshing: Core, section 12.2


@pytest.mark.rfc("openid-connect-core", "12.2", 1, 2, 4, 6)
async def test_a_refresh_brings_a_new_id_token_for_the_same_login(
    flow: CodeFlow, clock: TestClock
) -> None:
    tokens = await flow.tokens(nonce=NONCE)
    first = read_claims(tokens["id_token"])
    clock.advance(600)
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    second = await validate(flow.browser, tokens["id_token"], "shop", "RS256")
    kept = {name: first[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")}
    assert second == kept | {
        "iat": first["iat"] + 600,
        "exp": first["exp"] + 600,
        "at_hash": second["at_hash"],
    }


@pytest.mark.rfc("openid-connect-core", "12.2", 3)
async def test_a_second_refresh_keeps_auth_time_too(flow: CodeFlow, clock: TestClock) -> None:
    tokens = await flow.tokens()
    first = read_claims(tokens["id_token"])
    for _ in range(2):
        clock.advance(600)
        tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert read_claims(tokens["id_token"])["auth_time"] == first["auth_time"]


@pytest.mark.rfc("openid-connect-core", "12.2", 3)
async def test_a_refresh_keeps_auth_time_although_the_user_has_logged_out(
    flow: CodeFlow, clock: TestClock
) -> None:
    tokens = await flow.tokens(scope="openid offline_access")
    first = read_claims(tokens["id_token"])
    await flow.browser.get("/logout", params={"id_token_hint": tokens["id_token"]})
    clock.advance(600)
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert read_claims(tokens["id_token"])["auth_time"] == first["auth_time"]


@pytest.mark.rfc("openid-connect-core", "12.2", 5)
async def test_a_refresh_for_less_than_openid_brings_no_id_token(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    narrowed = await refreshed(flow.browser, flow.client, tokens["refresh_token"], "profile")
    assert "id_token" not in narrowed


async def test_a_refresh_after_a_narrowed_one_brings_an_id_token_again(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    narrowed = await refreshed(flow.browser, flow.client, tokens["refresh_token"], "profile")
    again = await refreshed(flow.browser, flow.client, narrowed["refresh_token"])
    assert "id_token" in again


# When there is none


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 2)
async def test_without_openid_there_is_no_id_token(flow: CodeFlow) -> None:
    tokens = await flow.tokens(scope="profile email")
    assert "id_token" not in tokens
    refreshing = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert "id_token" not in refreshing


async def test_the_password_grant_brings_no_id_token(flow: CodeFlow, server: Server) -> None:
    web = await add_client(server, grant_types=["password", "refresh_token"], scopes=USER_SCOPES)
    tokens = await log_in(flow.browser, flow.user, web, "openid profile")
    assert (tokens["scope"], "id_token" in tokens) == ("openid profile", False)
    tokens = await refreshed(flow.browser, web, tokens["refresh_token"])
    assert (tokens["scope"], "id_token" in tokens) == ("openid profile", False)


# What it is not


@pytest.mark.rfc("8725", "3.12")
async def test_an_id_token_is_no_access_token(flow: CodeFlow, shop: TestClient) -> None:
    id_token = (await flow.tokens())["id_token"]
    for path in ("/userinfo", "/users/me"):
        response = await flow.browser.get(path, headers=bearer(id_token))
        assert_bearer_error(response, "invalid_token", 401)
    assert await introspected(flow.browser, shop, id_token) == INACTIVE


async def test_an_id_token_is_no_access_token_in_a_form(flow: CodeFlow) -> None:
    id_token = (await flow.tokens())["id_token"]
    response = await flow.browser.post("/userinfo", data={"access_token": id_token})
    assert_bearer_error(response, "invalid_token", 401)


async def test_an_id_token_is_no_refresh_token(flow: CodeFlow, shop: TestClient) -> None:
    tokens = await flow.tokens()
    assert_oauth2_error(await refresh(flow.browser, shop, tokens["id_token"]), "invalid_grant")


async def test_to_revoke_an_id_token_revokes_nothing(flow: CodeFlow, shop: TestClient) -> None:
    tokens: Tokens = await flow.tokens()
    await revoked(flow.browser, shop, tokens["id_token"])
    response = await flow.browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert response.status_code == 200
