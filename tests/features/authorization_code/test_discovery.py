"""OpenID Connect Discovery 1.0."""

from typing import Any

import httpx2
import pytest

from app.features.authorization_code import feature
from app.features.authorization_code.userinfo import CLAIMS
from app.identity.scopes import list_scopes
from app.languages.reader import languages
from app.oauth2.grants import FILES
from app.server import Server
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.factories import add_scope, bearer
from tests.support.flow import CodeFlow, Page, add_web_client, read_answer
from tests.support.lifecycle import introspected, refreshed, revoked
from tests.support.metadata import of_the_core

# What is tested here does not depend on the kind of database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

WELL_KNOWN = "/.well-known/openid-configuration"
WITH_PATH = "https://auth.example.com/tenants/one"


@pytest.fixture
async def scopes(server: Server) -> list[str]:
    """Those of the database; what has to be among them is said by the tests of migrations."""
    async with server.database.read() as connection:
        return list(await list_scopes(connection))


ID_TOKEN_CLAIMS = ["iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce"]


async def read(http: httpx2.AsyncClient, path: str = WELL_KNOWN) -> dict[str, Any]:
    response = await http.get(path)
    assert response.status_code == 200, response.text
    return of_the_core(response.json(), feature)


def document_of(issuer: str, scopes: list[str]) -> dict[str, Any]:
    """What a provider with these scopes publishes."""
    with_secret = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": scopes,
        "ui_locales_supported": sorted(languages()),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": [*FILES, "authorization_code"],
        "acr_values_supported": ["urn:latchkey:acr:any"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": [*with_secret, "none"],
        "revocation_endpoint_auth_methods_supported": [*with_secret, "none"],
        "introspection_endpoint_auth_methods_supported": with_secret,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "claims_supported": [*ID_TOKEN_CLAIMS, *CLAIMS],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


# The document


@pytest.mark.rfc("openid-connect-core", "2", 12)
@pytest.mark.rfc("openid-connect-core", "8", 1)
@pytest.mark.rfc("openid-connect-discovery", "3", 2, 5, 6, 10, 11, 13, 19, 20, 22, 23, 24, 32)
@pytest.mark.rfc("openid-connect-discovery", "4.1", 1)
@pytest.mark.rfc("openid-connect-discovery", "4.2", 2)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "2.1")
async def test_the_document_says_what_this_provider_can_do(
    http: httpx2.AsyncClient, scopes: list[str]
) -> None:
    assert await read(http) == document_of(ISSUER, scopes)


@pytest.mark.rfc("openid-connect-discovery", "3", 21)
async def test_the_claims_that_clients_rely_on_are_listed(http: httpx2.AsyncClient) -> None:
    promised = {*ID_TOKEN_CLAIMS, "sub", "preferred_username", "email", "email_verified"}
    assert set((await read(http))["claims_supported"]) >= promised


@pytest.mark.rfc("openid-connect-discovery", "4.2", 2)
async def test_no_member_is_null_or_empty(http: httpx2.AsyncClient) -> None:
    assert [name for name, value in (await read(http)).items() if value in (None, [], "")] == []


@pytest.mark.rfc("openid-connect-discovery", "3", 1, 25)
@pytest.mark.rfc("openid-connect-discovery", "4.3", 1)
@pytest.mark.rfc("openid-connect-discovery", "5")
@pytest.mark.parametrize(
    ("changes", "issuer"),
    [
        pytest.param({"issuer": issuer}, issuer, id=name)
        for name, issuer in [
            ("https", "https://auth.example.com"),
            ("a_port", "https://auth.example.com:8443"),
            ("capitals", "https://Auth.Example.COM"),
        ]
    ],
)
async def test_the_issuer_is_the_configured_one_byte_for_byte(
    http: httpx2.AsyncClient, issuer: str, scopes: list[str]
) -> None:
    assert await read(http) == document_of(issuer, scopes)


@pytest.mark.rfc("openid-connect-discovery", "4.3", 1)
async def test_the_issuer_is_not_taken_from_the_request(
    http: httpx2.AsyncClient, scopes: list[str]
) -> None:
    evil = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
    response = await http.get(WELL_KNOWN, headers=evil | {"X-Forwarded-Proto": "https"})
    assert of_the_core(response.json(), feature) == document_of(ISSUER, scopes)


@pytest.mark.rfc("openid-connect-discovery", "4", 1)
@pytest.mark.parametrize("changes", [{"issuer": WITH_PATH}], ids=["an_issuer_with_a_path"])
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"/tenants/one{WELL_KNOWN}", id="as_openid_connect_has_it"),
        pytest.param(f"{WELL_KNOWN}/tenants/one", id="as_rfc_8414_has_it"),
        pytest.param(WELL_KNOWN, id="behind_a_proxy_that_strips_the_path"),
    ],
)
async def test_an_issuer_with_a_path_is_described_at_all_its_addresses(
    http: httpx2.AsyncClient, path: str, scopes: list[str]
) -> None:
    assert await read(http, path) == document_of(WITH_PATH, scopes)


@pytest.mark.rfc("openid-connect-discovery", "4.2", 3)
@pytest.mark.parametrize("changes", [{"issuer": WITH_PATH}], ids=["an_issuer_with_a_path"])
@pytest.mark.parametrize("path", [f"/tenants/two{WELL_KNOWN}", f"{WELL_KNOWN}/tenants/two"])
async def test_another_path_than_the_issuers_is_not_described(
    http: httpx2.AsyncClient, path: str
) -> None:
    assert (await http.get(path)).status_code == 404


@pytest.mark.rfc("9068", "4", 10)
async def test_it_says_the_same_as_the_metadata_of_rfc_8414(http: httpx2.AsyncClient) -> None:
    metadata = await read(http, "/.well-known/oauth-authorization-server")
    document = await read(http)
    assert metadata == {name: document[name] for name in metadata}


@pytest.mark.rfc("openid-connect-discovery", "3", 5)
async def test_a_scope_that_is_added_shows_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, scopes: list[str]
) -> None:
    assert (await read(http))["scopes_supported"] == scopes
    await add_scope(server, "reports", "Read")
    clock.advance(2)
    assert (await read(http))["scopes_supported"] == sorted([*scopes, "reports"])


@pytest.mark.rfc("openid-connect-discovery", "3", 9)
@pytest.mark.parametrize("changes", [{"posture": "oauth21"}], ids=["posture_oauth21"])
async def test_a_grant_that_is_switched_off_is_not_listed(http: httpx2.AsyncClient) -> None:
    expected = [*(name for name in FILES if name != "password"), "authorization_code"]
    assert (await read(http))["grant_types_supported"] == expected


# What is listed works


@pytest.mark.rfc("openid-connect-discovery", "3", 2, 3, 26)
async def test_every_endpoint_that_is_listed_answers(flow: CodeFlow) -> None:
    """One walk with nothing but the addresses of the document."""
    http, document = flow.browser, await read(flow.browser)
    response = await http.get(document["authorization_endpoint"], params=flow.parameters())
    consent = await flow.follow(await flow.log_in(await flow.follow(response)))
    code = read_answer(await flow.allow(consent))["code"]
    response = await flow.exchange(code)
    tokens = response.json()
    assert str(response.url) == document["token_endpoint"]
    response = await http.get(document["userinfo_endpoint"], headers=bearer(tokens["access_token"]))
    assert response.json()["sub"] == str(flow.user.id)
    keys = (await http.get(document["jwks_uri"])).json()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    form = {"token": tokens["access_token"]}
    response = await http.post(
        document["introspection_endpoint"], data=form, auth=flow.client.basic
    )
    assert response.json()["active"] is True
    response = await http.post(document["revocation_endpoint"], data=form, auth=flow.client.basic)
    assert (response.status_code, response.text) == (200, "{}")
    response = await http.get(
        document["end_session_endpoint"], params={"id_token_hint": tokens["id_token"]}
    )
    assert Page(response).heading == "You have been logged out"


async def test_every_listed_endpoint_is_walked_above(http: httpx2.AsyncClient) -> None:
    endpoints = {name for name in await read(http) if name.endswith(("_endpoint", "_uri"))}
    assert endpoints == {
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "jwks_uri",
    }


@pytest.mark.rfc("8414", "2", 8)
@pytest.mark.rfc("openid-connect-discovery", "3", 8)
@pytest.mark.parametrize("mode", ["query", "form_post"])
async def test_every_listed_response_mode_works(flow: CodeFlow, mode: str) -> None:
    assert mode in (await read(flow.browser))["response_modes_supported"]
    response = await flow.finish(response_mode=mode)
    if mode == "form_post":
        code = Page(response).form.fields["code"]
    else:
        code = read_answer(response)["code"]
    assert (await flow.exchange(code)).status_code == 200


@pytest.mark.rfc("8725", "3.2", 1)
@pytest.mark.rfc("openid-connect-discovery", "3", 12)
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_every_listed_algorithm_signs_id_tokens(
    flow: CodeFlow, server: Server, alg: str
) -> None:
    assert alg in (await read(flow.browser))["id_token_signing_alg_values_supported"]
    flow.client = await add_web_client(server, "signed", id_token_alg=alg)
    assert "id_token" in await flow.tokens()


async def test_the_tokens_of_the_flow_can_be_refreshed_introspected_and_revoked(
    flow: CodeFlow,
) -> None:
    tokens = await flow.tokens()
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    seen = await introspected(flow.browser, flow.client, tokens["access_token"])
    assert (seen["active"], seen["sub"], seen["username"]) == (True, str(flow.user.id), "alice")
    await revoked(flow.browser, flow.client, tokens["refresh_token"])
    assert await introspected(flow.browser, flow.client, tokens["access_token"]) == {
        "active": False
    }


# How it is sent


@pytest.mark.rfc("openid-connect-discovery", "4", 2)
@pytest.mark.rfc("openid-connect-discovery", "4.2", 1)
async def test_any_page_may_read_and_keep_the_document(http: httpx2.AsyncClient) -> None:
    response = await http.get(WELL_KNOWN, headers={"Origin": "https://any.example.com"})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=60"
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


async def test_who_has_the_document_already_is_told_so(http: httpx2.AsyncClient) -> None:
    first = await http.get(WELL_KNOWN)
    again = await http.get(WELL_KNOWN, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_head_is_answered_like_get_without_the_body(http: httpx2.AsyncClient) -> None:
    get, head = await http.get(WELL_KNOWN), await http.head(WELL_KNOWN)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers[name] == get.headers[name], name
