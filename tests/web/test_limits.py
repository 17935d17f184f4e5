"""What comes in is bounded, and what is over a bound is refused before any work is done for it."""

import asyncio
import json
from base64 import b64encode
from collections.abc import MutableMapping
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.server import Server
from app.web import limits
from tests.features import brought
from tests.support.assertions import assert_bearer_error, assert_oauth2_error, assert_problem
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer, log_in
from tests.support.flow import FORM, Page
from tests.support.on_sqlite import settings
from tests.support.passwords import Hashes, count_hashes
from tests.support.started import app, clock, http, server

__all__ = ["app", "clock", "http", "server", "settings"]

PROTOCOL = ["/token", "/revoke", "/introspect"]
PAGES = [*brought("FORMS")]
JSON_API = ["/users/me/password", "/users", "/scopes", "/clients"]


@pytest.fixture(scope="module")
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=("profile", "account", "items:read", "items:write"))


@pytest.fixture(scope="module")
async def web(server: Server) -> TestClient:
    return await add_client(server, scopes=("profile", "account", "items:read", "items:write"))


@pytest.fixture
async def hashes(
    server: Server, alice: TestUser, web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> Hashes:
    """How many passwords are looked at."""
    return count_hashes(server, monkeypatch)


@pytest.fixture
def login(alice: TestUser, web: TestClient) -> dict[str, str]:
    return {
        "grant_type": "password",
        "username": alice.username,
        "password": alice.password,
        "client_id": web.client_id,
        "client_secret": web.secret,
    }


async def test_a_login_within_the_limits_costs_one_hash(
    http: httpx2.AsyncClient, login: dict[str, str], hashes: Hashes
) -> None:
    assert (await http.post("/token", data=login)).status_code == 200
    assert hashes.count == 1


# The address and the headers


def assert_refused(response: httpx2.Response, path: str, status: int, detail: str) -> None:
    """The same refusal, in the format of each endpoint."""
    if path in PROTOCOL:
        assert_oauth2_error(response, "invalid_request", status, detail)
    elif path in PAGES:
        assert response.status_code == status
        assert Page(response).heading == PAGE_TITLES[status]
        assert response.headers["cross-origin-opener-policy"] == "unsafe-none"
    else:
        assert assert_problem(response, status)["detail"] == detail
    assert response.headers["x-content-type-options"] == "nosniff"


PAGE_TITLES = {
    400: "The request could not be read",
    408: "The request took too long to arrive",
    413: "The request is too large",
    414: "This address is too long",
    431: "The request headers are too large",
}

HEADERS_TOO_LARGE = "The request headers are too large."


@pytest.mark.parametrize("path", [*PROTOCOL, *PAGES, *JSON_API, "/nowhere"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Authorization", "Bearer " + "x" * 100_000)], id="bearer"),
        pytest.param(
            [("Authorization", "Basic " + b64encode(b"a:" + b"x" * 75_000).decode())], id="basic"
        ),
        pytest.param([("Cookie", f"a{n}={'x' * 1000}") for n in range(40)], id="cookies"),
        pytest.param([("X-Some", "x")] * 101, id="many"),
    ],
)
async def test_headers_past_the_limit_are_431_and_cost_no_hash(
    http: httpx2.AsyncClient, hashes: Hashes, path: str, headers: list[tuple[str, str]]
) -> None:
    response = await http.request("POST", path, content=b"", headers=headers)
    assert_refused(response, path, 431, HEADERS_TOO_LARGE)
    assert hashes.count == 0


@pytest.mark.parametrize("path", ["/users/me", *brought("ENDPOINTS")])
@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Digest"])
async def test_credentials_past_the_limit_are_431_whatever_the_scheme(
    http: httpx2.AsyncClient, hashes: Hashes, path: str, scheme: str
) -> None:
    response = await http.get(path, headers={"Authorization": f"{scheme} {'x' * 100_000}"})
    assert_refused(response, path, 431, HEADERS_TOO_LARGE)
    assert hashes.count == 0


async def test_headers_at_the_limit_are_read(http: httpx2.AsyncClient) -> None:
    request = http.build_request("GET", "/healthz")
    size = sum(len(name) + len(value) for name, value in request.headers.raw)
    request.headers["x"] = "y" * (limits.HEADERS_LIMIT - size - 1)
    assert (await http.send(request)).status_code == 200
    request.headers["x"] += "y"
    assert (await http.send(request)).status_code == 431


@pytest.mark.rfc("9110", "15.5.15")
@pytest.mark.parametrize("path", [*PROTOCOL, *PAGES, *JSON_API])
async def test_an_address_past_the_limit_is_414(
    http: httpx2.AsyncClient, hashes: Hashes, path: str
) -> None:
    response = await http.get(path + "?x=" + "y" * limits.ADDRESS_LIMIT)
    assert_refused(response, path, 414, "The address is too long.")
    assert hashes.count == 0


async def test_a_long_path_is_414_like_a_long_query(http: httpx2.AsyncClient) -> None:
    path = "/" + "y" * limits.ADDRESS_LIMIT
    assert_refused(await http.get(path), path, 414, "The address is too long.")
    assert (await http.get(path[:-1])).status_code == 404


# The host (RFC 9112, section 3.2)


async def get_from(
    app: FastAPI, path: str, hosts: list[bytes], http_version: str = "1.1"
) -> httpx2.Response:
    """The answer to a request with these ``Host`` headers. Over ASGI itself: HTTP clients add one
    and are particular about what is in it."""
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(dict(message))

    scope = {
        "type": "http",
        "http_version": http_version,
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", host) for host in hosts],
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    start, *rest = answers
    body = b"".join(message["body"] for message in rest)
    return httpx2.Response(start["status"], headers=start["headers"], content=body)


HOST_REFUSED = "The Host header is missing, repeated or malformed."


@pytest.mark.rfc("9110", "7.2")
@pytest.mark.usefixtures("http")
@pytest.mark.parametrize("path", [*PROTOCOL, *PAGES, *JSON_API, "/nowhere"])
@pytest.mark.parametrize("hosts", [[], [b"a.example", b"a.example"], [b"a b"]], ids=str)
async def test_a_request_that_does_not_name_one_host_is_400(
    app: FastAPI, path: str, hosts: list[bytes]
) -> None:
    assert_refused(await get_from(app, path, hosts), path, 400, HOST_REFUSED)


@pytest.mark.rfc("9110", "7.2")
@pytest.mark.usefixtures("http")
@pytest.mark.parametrize(
    "host",
    [
        *(b"", b":80", b"a/b", b"a?b", b"a#b", b"user@a", b"a,b c", b"http://a", b"a:b", b"a:1:2"),
        *(b"a:123456", b"\xc3\xbc.example", b"a%2", b"a\\b", b"<a>"),
        *(b"::1", b"[::1", b"[::g]", b"[127.0.0.1]", b"[1:2:3]:80", b"[::1]80", b"[fe80::1%lo]"),
    ],
)
async def test_what_is_no_host_is_400(app: FastAPI, host: bytes) -> None:
    assert (await get_from(app, "/healthz", [host])).status_code == 400


@pytest.mark.usefixtures("http")
@pytest.mark.parametrize(
    "host",
    [
        *(b"a", b"a.example", b"A.Example:8000", b"a.example.", b"a_b", b"xn--bcher-kva.example"),
        *(b"a:", b"127.0.0.1", b"127.0.0.1:8000", b"[::1]", b"[2001:db8::1]:443", b"a%20b"),
        b"[::ffff:127.0.0.1]:1",
    ],
)
async def test_what_is_a_host_is_served(app: FastAPI, host: bytes) -> None:
    """Whether it is ours does not matter: nothing that is answered depends on it."""
    assert (await get_from(app, "/healthz", [host])).status_code == 200


@pytest.mark.usefixtures("http")
@pytest.mark.parametrize(
    ("hosts", "status"), [([], 200), ([b"a"], 200), ([b"a", b"a"], 400), ([b"a b"], 400)], ids=str
)
async def test_http_1_0_may_leave_the_host_out(
    app: FastAPI, hosts: list[bytes], status: int
) -> None:
    assert (await get_from(app, "/healthz", hosts, "1.0")).status_code == status


# The body


@pytest.mark.rfc("9110", "15.5.14")
@pytest.mark.parametrize("path", [*PROTOCOL, *PAGES[:-1], *JSON_API[:1], "/users"])
async def test_a_megabyte_is_413_and_costs_no_hash(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    login: dict[str, str],
    server: Server,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = bearer((await log_in(http, alice, web, "account items:write"))["access_token"])
    hashes = count_hashes(server, monkeypatch)
    if path in JSON_API:
        response = await http.post(path, json={"password": "x" * 1_000_000}, headers=headers)
    else:
        response = await http.post(path, data=login | {"password": "x" * 1_000_000})
    assert_refused(response, path, 413, "The request body is too large.")
    assert hashes.count == 0


async def post_in_part(app: FastAPI, path: str, *, goes_away: bool = False) -> httpx2.Response:
    """The answer to a body that never ends, from a client that waits or one that does not.

    Over ASGI itself: HTTP clients send all of a body before they look at the answer.
    """
    coming = [{"type": "http.request", "body": b"g", "more_body": True}]
    if goes_away:
        coming.append({"type": "http.disconnect"})
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, object]:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(dict(message))

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"content-type", FORM["Content-Type"].encode()),
            (b"content-length", b"9"),
        ],
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    async with asyncio.timeout(5):
        await app(scope, receive, send)
    start, *rest = answers
    body = b"".join(message["body"] for message in rest)
    return httpx2.Response(start["status"], headers=start["headers"], content=body)


@pytest.mark.parametrize("path", [*PROTOCOL, *PAGES[:-1]])
async def test_a_body_that_does_not_arrive_is_408_and_costs_no_hash(
    app: FastAPI,
    http: httpx2.AsyncClient,
    hashes: Hashes,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.02)
    response = await post_in_part(app, path)
    assert_refused(response, path, 408, "The request body did not arrive in time.")
    assert hashes.count == 0


@pytest.mark.usefixtures("http")
async def test_a_client_that_goes_away_before_its_body_is_complete_is_no_fault(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await post_in_part(app, "/token", goes_away=True)).status_code == 400
    assert "unexpected fault" not in caplog.text


# Fields


async def test_a_thousand_fields_are_refused_without_a_hash(
    http: httpx2.AsyncClient, login: dict[str, str], hashes: Hashes
) -> None:
    response = await http.post("/token", data=login | {f"x{n}": "y" for n in range(1000)})
    assert_oauth2_error(
        response, "invalid_request", description="The body has too many parameters."
    )
    assert hashes.count == 0


@pytest.mark.parametrize(
    "name",
    ["password", "username", "client_id", "client_secret", "scope", "grant_type", "code"],
)
async def test_a_parameter_past_the_limit_is_refused_without_a_hash(
    http: httpx2.AsyncClient, login: dict[str, str], hashes: Hashes, name: str
) -> None:
    response = await http.post("/token", data=login | {name: "x" * 8193})
    assert_oauth2_error(response, "invalid_request", description="A parameter is too long.")
    assert hashes.count == 0


async def test_the_name_of_a_parameter_has_the_same_limit(
    http: httpx2.AsyncClient, login: dict[str, str], hashes: Hashes
) -> None:
    response = await http.post("/token", data=login | {"x" * 8193: "y"})
    assert_oauth2_error(response, "invalid_request", description="A parameter is too long.")
    assert hashes.count == 0


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        pytest.param({"password": "x" * 1025}, "invalid_grant", id="password"),
        pytest.param({"username": "x" * 1000}, "invalid_grant", id="user name"),
        pytest.param({"scope": " ".join(f"s{n}" for n in range(101))}, "invalid_scope", id="101"),
        pytest.param({"scope": "x" * 2001}, "invalid_scope", id="long scope"),
    ],
)
async def test_a_value_past_its_own_limit_is_refused_without_a_hash(
    http: httpx2.AsyncClient,
    login: dict[str, str],
    hashes: Hashes,
    changed: dict[str, str],
    error: str,
) -> None:
    assert_oauth2_error(await http.post("/token", data=login | changed), error)
    assert hashes.count == 0


async def test_a_token_past_the_limit_is_not_parsed(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jwt.get_unverified_header", None)
    response = await http.get("/users/me", headers=bearer("a." * 2049))
    assert_bearer_error(response, "invalid_token", 401)


# JSON


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 60_000, id="open lists"),
        pytest.param(b"[" * 30_000 + b"]" * 30_000, id="deep list"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="deep object"),
        pytest.param(b'{"current_password":' + b"9" * 60_000 + b"}", id="huge number"),
        pytest.param(json.dumps({f"f{n}": n for n in range(4000)}).encode(), id="many members"),
        pytest.param(
            json.dumps({"current_password": "x" * 60_000, "new_password": "y"}).encode(),
            id="long password",
        ),
    ],
)
async def test_json_that_is_deep_or_large_is_a_4xx_without_a_hash(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    server: Server,
    body: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = bearer((await log_in(http, alice, web, "account"))["access_token"])
    hashes = count_hashes(server, monkeypatch)
    response = await http.post(
        "/users/me/password", content=body, headers=headers | {"Content-Type": "application/json"}
    )
    assert response.status_code in (400, 403, 422), response.text
    assert hashes.count == 0
