"""Cross-origin requests: which pages of other origins may call which address."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from app.database.engines import Database
from app.models import Client
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features import brought
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, log_in
from tests.support.lifecycle import disable_client, refresh, revoke

LISTED = "https://app.example.com"
ANOTHER = "https://evil.example.com"

ENDPOINTS = pytest.mark.parametrize("path", ["/revoke", "/token", *brought("ENDPOINTS")])


@pytest.fixture
def settings(database_url: str) -> Settings:
    origins = [LISTED, "http://localhost:3000"]
    return make_settings(database_url=database_url, cors_origins=origins)


async def add_public(server: Server, *redirect_uris: str, **more: Any) -> TestClient:
    return await add_client(
        server,
        "spa",
        is_public=True,
        grant_types=("password", "refresh_token"),
        redirect_uris=redirect_uris,
        **more,
    )


async def preflight(
    http: httpx2.AsyncClient, origin: str | None, path: str = "/token"
) -> httpx2.Response:
    """What a browser asks before it posts with an Authorization header."""
    headers = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,traceparent",
    }
    return await http.options(path, headers=headers | ({"Origin": origin} if origin else {}))


async def post(http: httpx2.AsyncClient, origin: str, path: str = "/token") -> httpx2.Response:
    return await http.post(path, data={"grant_type": "none"}, headers={"Origin": origin})


def cross_origin(response: httpx2.Response) -> dict[str, str]:
    """The headers of the answer by which a browser decides."""
    return {
        name: value
        for name, value in response.headers.items()
        if name.startswith("access-control-")
    }


def marked(origin: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "WWW-Authenticate, Retry-After",
    }


def assert_varies(response: httpx2.Response) -> None:
    """A cache must not give one origin's answer to another."""
    assert "origin" in response.headers["vary"].lower().replace(" ", "").split(",")


# The preflight


@pytest.mark.rfc("7009", "2.3", 2)
@pytest.mark.rfc("9700", "2.6", 6)
@pytest.mark.rfc("openid-connect-core", "5.3", 4)
@ENDPOINTS
@pytest.mark.parametrize("origin", [LISTED, "http://localhost:3000"], ids=["first", "second"])
async def test_the_preflight_of_a_listed_origin_is_allowed(
    http: httpx2.AsyncClient, path: str, origin: str
) -> None:
    response = await preflight(http, origin, path)
    assert (response.status_code, response.content) == (204, b"")
    assert cross_origin(response) == marked(origin) | {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "authorization,content-type,traceparent",
        "access-control-max-age": "600",
    }
    assert_varies(response)


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        *brought("PUBLISHED"),
        "/.well-known/jwks.json",
    ],
)
async def test_every_origin_may_read_the_published_documents_with_any_header(
    http: httpx2.AsyncClient, path: str
) -> None:
    headers = {
        "Origin": ANOTHER,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version",
    }
    response = await http.options(path, headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert cross_origin(response) == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "mcp-protocol-version",
        "access-control-max-age": "600",
    }


@ENDPOINTS
async def test_the_preflight_of_another_origin_is_not_allowed(
    http: httpx2.AsyncClient, path: str
) -> None:
    response = await preflight(http, ANOTHER, path)
    assert cross_origin(response) == {}
    assert_varies(response)


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("null", id="null"),
        pytest.param("*", id="a_wildcard"),
        pytest.param("https://app.example.com.evil.example", id="a_longer_host"),
        pytest.param("https://evil-app.example.com", id="a_prefix_of_the_host"),
        pytest.param("https://example.com", id="a_parent_domain"),
        pytest.param("https://sub.app.example.com", id="a_subdomain"),
        pytest.param("http://app.example.com", id="another_scheme"),
        pytest.param("https://app.example.com:8443", id="another_port"),
        pytest.param("https://app.example.com/", id="with_a_slash"),
        pytest.param("HTTPS://APP.EXAMPLE.COM", id="in_capitals"),
        pytest.param("https://app.example.com, https://evil.example.com", id="two"),
        pytest.param("http://localhost", id="without_the_port"),
    ],
)
async def test_an_origin_that_only_resembles_a_listed_one_is_not_allowed(
    http: httpx2.AsyncClient, origin: str
) -> None:
    assert cross_origin(await preflight(http, origin)) == {}
    assert cross_origin(await post(http, origin)) == {}


async def test_a_preflight_without_an_origin_is_not_allowed(http: httpx2.AsyncClient) -> None:
    response = await preflight(http, None)
    assert cross_origin(response) == {}
    assert_varies(response)


async def test_options_that_is_no_preflight_is_answered_as_any_other_method(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.options("/token", headers={"Origin": LISTED})
    assert_oauth2_error(response, "invalid_request", 405)


# The request itself


async def test_the_answer_to_a_listed_origin_is_marked(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_public(server)
    form = {"grant_type": "password", "username": alice.username, "password": alice.password}
    response = await http.post(
        "/token", data=form | {"client_id": client.client_id}, headers={"Origin": LISTED}
    )
    assert response.status_code == 200
    assert cross_origin(response) == marked(LISTED)
    assert_varies(response)
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/token", "/revoke"])
async def test_an_error_is_marked_too_so_that_the_page_can_read_it(
    http: httpx2.AsyncClient, path: str
) -> None:
    response = await post(http, LISTED, path)
    assert response.status_code in (400, 401)
    assert cross_origin(response) == marked(LISTED)
    assert_varies(response)


@ENDPOINTS
async def test_the_answer_to_another_origin_is_not_marked(
    http: httpx2.AsyncClient, path: str
) -> None:
    response = await post(http, ANOTHER, path)
    assert cross_origin(response) == {}
    assert_varies(response)


@ENDPOINTS
async def test_an_answer_without_an_origin_is_not_marked_and_varies_all_the_same(
    http: httpx2.AsyncClient, path: str
) -> None:
    response = await http.post(path, data={"a": "b"})
    assert cross_origin(response) == {}
    assert_varies(response)


async def test_another_origin_is_answered_all_the_same_because_browsers_enforce_this(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_public(server)
    tokens = await log_in(http, alice, client)
    response = await refresh(http, client, tokens["refresh_token"])
    assert response.status_code == 200
    response = await revoke(http, client, response.json()["refresh_token"])
    assert cross_origin(response) == {}


@ENDPOINTS
async def test_credentials_are_never_allowed(http: httpx2.AsyncClient, path: str) -> None:
    for response in (await preflight(http, LISTED, path), await post(http, LISTED, path)):
        assert "access-control-allow-credentials" not in response.headers
        assert response.headers["access-control-allow-origin"] == LISTED


# The redirect origins of public clients


@pytest.mark.parametrize(
    ("redirect_uri", "origin"),
    [
        ("https://spa.example.com/callback?a=b", "https://spa.example.com"),
        ("https://spa.example.com:8443/", "https://spa.example.com:8443"),
        ("https://spa.example.com", "https://spa.example.com"),
        ("http://127.0.0.1:9000/callback", "http://127.0.0.1:9000"),
        ("http://[::1]:9000/callback", "http://[::1]:9000"),
        ("https://spa.example.com:443/callback", "https://spa.example.com"),
        ("http://localhost:80/callback", "http://localhost"),
        ("https://SPA.Example.com/callback", "https://spa.example.com"),
    ],
    ids=[
        "with_path_and_query",
        "with_a_port",
        "bare",
        "loopback",
        "ipv6",
        "https_with_its_default_port",
        "http_with_its_default_port",
        "with_capitals",
    ],
)
async def test_the_origin_of_a_public_clients_redirect_uri_is_allowed(
    http: httpx2.AsyncClient, server: Server, redirect_uri: str, origin: str
) -> None:
    await add_public(server, redirect_uri)
    assert (await preflight(http, origin)).headers.get("access-control-allow-origin") == origin
    assert cross_origin(await post(http, origin)) == marked(origin)


async def test_the_origins_of_all_its_redirect_uris_are_allowed(
    http: httpx2.AsyncClient, server: Server
) -> None:
    origins = ["https://one.example.com", "https://two.example.com"]
    await add_public(server, *(f"{origin}/callback" for origin in origins))
    for origin in origins:
        assert cross_origin(await post(http, origin)) == marked(origin)


async def test_the_origin_of_a_confidential_clients_redirect_uri_is_not_allowed(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_client(server, redirect_uris=("https://web.example.com/callback",))
    assert cross_origin(await preflight(http, "https://web.example.com")) == {}
    assert cross_origin(await post(http, "https://web.example.com")) == {}


async def test_the_logout_address_of_a_public_client_gives_no_origin(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_public(server, post_logout_redirect_uris=("https://spa.example.com/bye",))
    assert cross_origin(await preflight(http, "https://spa.example.com")) == {}


@pytest.mark.parametrize("origin", ["null", "com.example.app://", "com.example.app:"])
async def test_the_private_scheme_of_an_application_gives_no_origin_of_a_page(
    http: httpx2.AsyncClient, server: Server, origin: str
) -> None:
    await add_public(server, "com.example.app:/callback")
    assert cross_origin(await preflight(http, origin)) == {}


async def test_the_origin_of_a_disabled_public_client_goes_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    origin = "https://spa.example.com"
    client = await add_public(server, f"{origin}/callback")
    assert cross_origin(await post(http, origin)) == marked(origin)
    await disable_client(server, client)
    clock.advance(2)
    assert cross_origin(await post(http, origin)) == {}


async def test_a_redirect_uri_that_is_added_counts_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    origin = "https://spa.example.com"
    await add_public(server)
    assert cross_origin(await post(http, origin)) == {}
    async with server.database.transaction() as connection:
        await connection.execute(update(Client).values(redirect_uris=[f"{origin}/callback"]))
    clock.advance(2)
    assert cross_origin(await post(http, origin)) == marked(origin)


# Every other address


@pytest.mark.rfc("9700", "2.6", 7)
@pytest.mark.parametrize(
    "path", ["/introspect", "/users/me", "/users/me/sessions", "/users", "/healthz", "/docs", "/"]
)
async def test_other_addresses_allow_no_origin(http: httpx2.AsyncClient, path: str) -> None:
    responses = [
        await preflight(http, LISTED, path),
        await http.get(path, headers={"Origin": LISTED}),
        await post(http, LISTED, path),
    ]
    assert [cross_origin(response) for response in responses] == [{}, {}, {}]


@pytest.mark.rfc("9700", "2.6", 6)
@pytest.mark.parametrize(
    "path", ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"]
)
@pytest.mark.parametrize("origin", [LISTED, ANOTHER, "null"], ids=["listed", "another", "null"])
async def test_what_anybody_may_read_is_open_to_every_origin(
    http: httpx2.AsyncClient, path: str, origin: str
) -> None:
    response = await http.get(path, headers={"Origin": origin})
    assert response.status_code == 200
    assert cross_origin(response) == {"access-control-allow-origin": "*"}


# Without a database


async def test_a_database_that_is_gone_is_told_to_a_page_as_to_anybody_else(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Database) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(Database, "read", gone)
    response = await post(http, LISTED)
    assert_oauth2_error(response, "unsupported_grant_type")
    response = await http.post(
        "/token",
        data={"grant_type": "password", "client_id": "spa"},
        headers={"Origin": LISTED},
    )
    assert_oauth2_error(response, "temporarily_unavailable", 503)
    assert response.headers["retry-after"] == "2"
