"""Authorization server metadata: RFC 8414."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete

from app.identity.scopes import list_scopes
from app.languages.reader import languages
from app.models import Scope
from app.oauth2.grants import FILES
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_scope, log_in
from tests.support.lifecycle import act_for_itself, add_refreshing, add_service, refresh
from tests.support.metadata import of_the_core
from tests.support.on_sqlite import backend as backend

WELL_KNOWN = "/.well-known/oauth-authorization-server"
WITH_PATH = "https://auth.example.com/tenants/one"


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
async def scopes(server: Server) -> list[str]:
    """Those of the database; what has to be among them is said by the tests of migrations."""
    async with server.database.read() as connection:
        return list(await list_scopes(connection))


async def read(http: httpx2.AsyncClient, path: str = WELL_KNOWN) -> dict[str, Any]:
    response = await http.get(path)
    assert response.status_code == 200, response.text
    return of_the_core(response.json())


def document_of(issuer: str, scopes: list[str]) -> dict[str, Any]:
    """What a server with these scopes publishes."""
    with_secret = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": [*with_secret, "none"],
        "grant_types_supported": [*FILES],
        "scopes_supported": scopes,
        "ui_locales_supported": sorted(languages()),
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": [*with_secret, "none"],
        "introspection_endpoint": f"{issuer}/introspect",
        "introspection_endpoint_auth_methods_supported": with_secret,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "acr_values_supported": ["urn:latchkey:acr:any"],
    }


# The document


@pytest.mark.rfc("6749", "3.2", 1)
@pytest.mark.rfc("8414", "2", 3, 12, 13, 16, 17)
@pytest.mark.rfc("8414", "3.1", 1)
@pytest.mark.rfc("8414", "3.2", 2)
@pytest.mark.rfc("9470", "7")
@pytest.mark.rfc("9700", "2.6", 1)
async def test_the_document_says_what_this_server_can_do(
    http: httpx2.AsyncClient, scopes: list[str]
) -> None:
    assert await read(http) == document_of(ISSUER, scopes)


@pytest.mark.rfc("8414", "2", 18)
@pytest.mark.rfc("8414", "3.3")
@pytest.mark.rfc("8414", "4")
@pytest.mark.rfc("9207", "2.3", 1)
@pytest.mark.parametrize(
    ("changes", "issuer"),
    [
        pytest.param({"issuer": issuer}, issuer, id=name)
        for name, issuer in [
            ("https", "https://auth.example.com"),
            ("a_port", "https://auth.example.com:8443"),
            ("capitals", "https://Auth.Example.COM"),
            ("another_spelling_of_the_loopback", "http://localhost:8000"),
            ("ipv6", "http://[::1]:8000"),
        ]
    ],
)
async def test_the_issuer_is_the_configured_one_byte_for_byte(
    http: httpx2.AsyncClient, issuer: str, scopes: list[str]
) -> None:
    assert await read(http) == document_of(issuer, scopes)


@pytest.mark.rfc("8414", "3.3")
@pytest.mark.rfc("8414", "6.2")
async def test_the_issuer_is_not_taken_from_the_request(
    http: httpx2.AsyncClient, scopes: list[str]
) -> None:
    evil = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
    response = await http.get(WELL_KNOWN, headers=evil | {"X-Forwarded-Proto": "https"})
    assert of_the_core(response.json()) == document_of(ISSUER, scopes)


@pytest.mark.rfc("8414", "3", 1)
@pytest.mark.parametrize("changes", [{"issuer": WITH_PATH}], ids=["an_issuer_with_a_path"])
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"{WELL_KNOWN}/tenants/one", id="as_rfc_8414_has_it"),
        pytest.param(WELL_KNOWN, id="behind_a_proxy_that_strips_the_path"),
    ],
)
async def test_an_issuer_with_a_path_is_described_at_both_addresses(
    http: httpx2.AsyncClient, path: str, scopes: list[str]
) -> None:
    assert await read(http, path) == document_of(WITH_PATH, scopes)


@pytest.mark.rfc("8414", "3.2", 4)
@pytest.mark.parametrize("changes", [{"issuer": WITH_PATH}], ids=["an_issuer_with_a_path"])
async def test_another_path_than_the_issuers_is_not_described(http: httpx2.AsyncClient) -> None:
    assert (await http.get(f"{WELL_KNOWN}/tenants/two")).status_code == 404


@pytest.mark.rfc("8414", "2", 2, 12, 13)
async def test_every_listed_endpoint_is_there(http: httpx2.AsyncClient) -> None:
    document = await read(http)
    for name in [each for each in document if each.endswith("_endpoint")]:
        assert_oauth2_error(await http.post(document[name]), "invalid_request")
    assert (await http.get(document["jwks_uri"])).status_code == 200


@pytest.mark.rfc("8414", "3.2", 3)
async def test_no_member_is_empty_or_null(http: httpx2.AsyncClient) -> None:
    assert all((await read(http)).values())


@pytest.mark.rfc("8414", "3.2", 3)
async def test_a_list_that_would_be_empty_is_left_out(
    http: httpx2.AsyncClient, server: Server
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(delete(Scope))
    assert "scopes_supported" not in await read(http)


# Scopes


@pytest.mark.rfc("8414", "2", 6)
async def test_a_scope_that_is_added_shows_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, scopes: list[str]
) -> None:
    assert (await read(http))["scopes_supported"] == scopes
    await add_scope(server, "reports", "Read reports")
    clock.advance(2)
    assert (await read(http))["scopes_supported"] == sorted([*scopes, "reports"])


@pytest.mark.rfc("8414", "2", 6)
async def test_a_scope_that_is_deleted_goes_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    assert "audit:read" in (await read(http))["scopes_supported"]
    async with server.database.transaction() as connection:
        await connection.execute(delete(Scope).where(Scope.name == "audit:read"))
    clock.advance(2)
    assert "audit:read" not in (await read(http))["scopes_supported"]


# What is listed works, and nothing else


@pytest.mark.rfc("8414", "2", 9)
async def test_each_listed_grant_works(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    shop, service = await add_refreshing(server), await add_service(server)

    async def password() -> int:
        form = {"grant_type": "password", "username": alice.username, "password": alice.password}
        return (await http.post("/token", data=form, auth=shop.basic)).status_code

    async def refresh_token() -> int:
        tokens = await log_in(http, alice, shop)
        return (await refresh(http, shop, tokens["refresh_token"])).status_code

    async def client_credentials() -> int:
        return (await act_for_itself(http, service)).status_code

    tries: dict[str, Callable[[], Awaitable[int]]] = {
        each.__name__: each for each in (password, refresh_token, client_credentials)
    }
    listed = (await read(http))["grant_types_supported"]
    assert {grant: await tries[grant]() for grant in listed if grant in tries} == dict.fromkeys(
        tries, 200
    )


@pytest.mark.rfc("6749", "5.2", 8)
@pytest.mark.rfc("8414", "2", 9)
@pytest.mark.parametrize("grant_type", ["implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"])
async def test_a_grant_that_is_not_listed_is_not_supported(
    http: httpx2.AsyncClient, web: TestClient, grant_type: str
) -> None:
    listed = (await read(http))["grant_types_supported"]
    response = await http.post("/token", data={"grant_type": grant_type}, auth=web.basic)
    assert (grant_type in listed) == (response.json()["error"] != "unsupported_grant_type")


@pytest.mark.parametrize("changes", [{"posture": "oauth21"}], ids=["posture_oauth21"])
async def test_the_posture_oauth21_takes_the_password_grant_away(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, scopes: list[str]
) -> None:
    others = [name for name in FILES if name != "password"]
    assert (await read(http))["grant_types_supported"] == others
    form = {"grant_type": "password", "username": alice.username, "password": alice.password}
    response = await http.post("/token", data=form, auth=web.basic)
    assert_oauth2_error(response, "unsupported_grant_type")


@pytest.mark.rfc("8414", "2", 10)
@pytest.mark.rfc("openid-connect-core", "9", 1)
@pytest.mark.rfc("openid-connect-discovery", "3", 17)
@pytest.mark.parametrize("endpoint", ["token", "revocation", "introspection"])
async def test_each_listed_method_of_authentication_works_and_no_other(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, endpoint: str
) -> None:
    await add_client(server, "spa", is_public=True)
    web = await add_client(server)
    token = (await log_in(http, alice, web))["access_token"]
    form = {
        "grant_type": "password",
        "username": alice.username,
        "password": alice.password,
        "token": token,
    }
    document = await read(http)
    url = document[f"{endpoint}_endpoint"]
    posted = {
        "client_secret_basic": await http.post(url, data=form, auth=web.basic),
        "client_secret_post": await http.post(
            url, data=form | {"client_id": web.client_id, "client_secret": web.secret}
        ),
        "none": await http.post(url, data=form | {"client_id": "spa"}),
    }
    works = [method for method, response in posted.items() if response.status_code == 200]
    assert works == document[f"{endpoint}_endpoint_auth_methods_supported"]


# How it is sent


@pytest.mark.rfc("8414", "3.2", 1)
async def test_the_document_may_be_kept_for_a_minute(http: httpx2.AsyncClient) -> None:
    response = await http.get(WELL_KNOWN)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=60"


async def test_a_page_of_any_origin_may_read_the_document(http: httpx2.AsyncClient) -> None:
    response = await http.get(WELL_KNOWN, headers={"Origin": "https://any.example.com"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.rfc("9110", "8.8.3")
@pytest.mark.rfc("9110", "13.1.2")
async def test_who_has_the_document_already_is_told_so(http: httpx2.AsyncClient) -> None:
    first = await http.get(WELL_KNOWN)
    again = await http.get(WELL_KNOWN, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "access-control-allow-origin"):
        assert again.headers[name] == first.headers[name]


async def test_the_etag_changes_with_the_document(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    first = await http.get(WELL_KNOWN)
    await add_scope(server, "reports", "Read reports")
    clock.advance(2)
    again = await http.get(WELL_KNOWN, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["etag"] == first.headers["etag"]) == (200, False)


@pytest.mark.rfc("9110", "9.3.2")
async def test_head_is_answered_like_get_without_the_body(http: httpx2.AsyncClient) -> None:
    get, head = await http.get(WELL_KNOWN), await http.head(WELL_KNOWN)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers[name] == get.headers[name], name


@pytest.mark.rfc("8414", "3.1", 1)
async def test_another_method_is_not_answered(http: httpx2.AsyncClient) -> None:
    response = await http.post(WELL_KNOWN)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
