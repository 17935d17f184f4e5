"""``APIKeyCookie``: the same keys, in a cookie that no other site and no script can use."""

from collections.abc import AsyncGenerator
from http.cookies import Morsel, SimpleCookie

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.features.api_keys.keys import TestKey, give_key, revoke_key
from tests.features.schemes.answers import assert_no_good_key, assert_recognised
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestUser, disable_user
from tests.support.lifecycle import take_from_user
from tests.support.started import started

PATH = "/schemes/api-key/cookie"

HTTPS_ISSUER = "https://auth.example.com"


@pytest.fixture(scope="module")
async def https(settings: Settings, clock: TestClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """An application with an https issuer, on the same database."""
    reached_by_tls = make_settings(database_url=settings.database_url, issuer=HTTPS_ISSUER)
    async with started(create_app(reached_by_tls, clock)) as client:
        client.base_url = httpx2.URL(HTTPS_ISSUER)
        yield client


@pytest.fixture
async def browser(app: FastAPI, http: httpx2.AsyncClient) -> AsyncGenerator[httpx2.AsyncClient]:
    """A browser with no cookies yet, at the started application."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
        yield client


@pytest.fixture
async def key(server: Server, alice: TestUser) -> TestKey:
    return await give_key(server, alice, "items:read")


async def present(http: httpx2.AsyncClient, key: str) -> httpx2.Response:
    return await http.get(PATH, headers={"Cookie": f"latchkey_key={key}"})


async def put(
    http: httpx2.AsyncClient, key: str, headers: dict[str, str] | None = None
) -> httpx2.Response:
    return await http.put(PATH, json={"api_key": key}, headers=headers)


def set_cookie(response: httpx2.Response) -> Morsel[str]:
    """The one cookie that an answer without a body sets."""
    assert (response.status_code, response.content) == (204, b"")
    (header,) = response.headers.get_list("set-cookie")
    (cookie,) = SimpleCookie(header).values()
    return cookie


def attributes(cookie: Morsel[str]) -> dict[str, str | bool]:
    """Those that are there."""
    return {name: value for name, value in cookie.items() if value}


# Reading it


async def test_a_good_key_names_its_owner_and_its_scopes(
    http: httpx2.AsyncClient, alice: TestUser, key: TestKey
) -> None:
    response = await present(http, key.key)
    assert_recognised(response, "APIKeyCookie", alice.id, ["items:read"])


async def test_no_cookie_is_refused(http: httpx2.AsyncClient) -> None:
    assert_no_good_key(await http.get(PATH))


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(b"latchkey_key=", id="empty"),
        pytest.param(b"latchkey_key", id="without_a_value"),
        pytest.param(b"latchkey_key=nobodys-key", id="unknown"),
        pytest.param("latchkey_key=ключ".encode(), id="utf_8"),
        pytest.param(b"latchkey_key=\xff\xfe", id="bytes_that_are_no_utf_8"),
    ],
)
async def test_what_is_no_key_is_refused(http: httpx2.AsyncClient, cookie: bytes) -> None:
    assert_no_good_key(await http.get(PATH, headers=[(b"cookie", cookie)]))


async def test_a_key_that_comes_twice_is_refused(http: httpx2.AsyncClient, key: TestKey) -> None:
    one = f"latchkey_key={key.key}".encode()
    assert_no_good_key(await http.get(PATH, headers=[(b"cookie", one + b"; " + one)]))
    assert_no_good_key(await http.get(PATH, headers=[(b"cookie", one), (b"cookie", one)]))


async def test_a_cookie_of_another_name_is_no_key(http: httpx2.AsyncClient, key: TestKey) -> None:
    assert_no_good_key(await http.get(PATH, headers={"Cookie": f"Latchkey_Key={key.key}"}))


async def test_a_key_in_the_header_is_no_key_here(http: httpx2.AsyncClient, key: TestKey) -> None:
    assert_no_good_key(await http.get(PATH, headers={"X-API-Key": key.key}))


async def test_an_expired_key_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    key = await give_key(server, alice, expires_in=60)
    clock.advance(60)
    assert_no_good_key(await present(http, key.key))


async def test_a_revoked_key_is_refused(
    http: httpx2.AsyncClient, server: Server, key: TestKey
) -> None:
    await revoke_key(server, key)
    assert_no_good_key(await present(http, key.key))


async def test_a_key_stops_at_once_when_its_owner_is_disabled(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, key: TestKey
) -> None:
    assert_recognised(await present(http, key.key), "APIKeyCookie", alice.id, ["items:read"])
    await disable_user(server, alice)
    assert_no_good_key(await present(http, key.key))


async def test_a_key_loses_a_scope_at_once_when_its_owner_does(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, key: TestKey
) -> None:
    await take_from_user(server, alice, "items:read")
    assert_recognised(await present(http, key.key), "APIKeyCookie", alice.id, [])


# Setting it


async def test_over_http_the_cookie_is_hidden_from_scripts_and_other_sites_until_the_browser_closes(
    http: httpx2.AsyncClient, key: TestKey
) -> None:
    cookie = set_cookie(await put(http, key.key))
    assert (cookie.key, cookie.value) == ("latchkey_key", key.key)
    assert attributes(cookie) == {"path": "/schemes", "httponly": True, "samesite": "strict"}
    http.cookies.clear()


@pytest.mark.rfc("6750", "5.2", 6)
@pytest.mark.rfc("6750", "5.3", 3, 8)
async def test_over_https_the_cookie_is_secure_as_well(
    https: httpx2.AsyncClient, key: TestKey
) -> None:
    cookie = set_cookie(await put(https, key.key))
    assert (cookie.key, cookie.value) == ("latchkey_key", key.key)
    assert attributes(cookie) == {
        "path": "/schemes",
        "httponly": True,
        "samesite": "strict",
        "secure": True,
    }
    https.cookies.clear()


async def test_a_cookie_that_was_set_is_accepted(
    browser: httpx2.AsyncClient, alice: TestUser, key: TestKey
) -> None:
    await put(browser, key.key)
    assert_recognised(await browser.get(PATH), "APIKeyCookie", alice.id, ["items:read"])


async def test_a_key_that_is_not_good_is_not_put_into_the_cookie(
    http: httpx2.AsyncClient, server: Server, key: TestKey
) -> None:
    await revoke_key(server, key)
    for bad in (key.key, "nobodys-key", "", "\x00"):
        response = await put(http, bad)
        assert_no_good_key(response)
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="missing"),
        pytest.param(b'{"api_key": null}', id="null"),
        pytest.param(b'{"api_key": 1}', id="a_number"),
        pytest.param(b'{"api_key": "' + b"k" * 201 + b'"}', id="too_long"),
        pytest.param(b'{"api_key": "\\ud800"}', id="a_lone_surrogate"),
        pytest.param(b'{"api_key": ', id="no_json"),
        pytest.param(b'"a-secret-of-somebody"', id="no_object"),
    ],
)
async def test_a_body_of_another_form_is_a_problem_that_does_not_repeat_it(
    http: httpx2.AsyncClient, body: bytes
) -> None:
    response = await http.put(PATH, content=body, headers={"Content-Type": "application/json"})
    assert assert_problem(response, 422)["errors"]
    assert "a-secret-of-somebody" not in response.text
    assert "kkk" not in response.text
    assert "set-cookie" not in response.headers


# Clearing it


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_clearing_takes_away_the_very_cookie_that_was_set(
    http: httpx2.AsyncClient, https: httpx2.AsyncClient, scheme: str
) -> None:
    cookie = set_cookie(await {"http": http, "https": https}[scheme].delete(PATH))
    assert (cookie.key, cookie.value, cookie["max-age"]) == ("latchkey_key", "", "0")
    assert (cookie["path"], cookie["samesite"]) == ("/schemes", "strict")


async def test_a_cleared_cookie_is_sent_no_more(browser: httpx2.AsyncClient, key: TestKey) -> None:
    await put(browser, key.key)
    await browser.delete(PATH)
    assert_no_good_key(await browser.get(PATH))


async def test_clearing_does_not_revoke_the_key(
    browser: httpx2.AsyncClient, alice: TestUser, key: TestKey
) -> None:
    await put(browser, key.key)
    await browser.delete(PATH)
    assert_recognised(await present(browser, key.key), "APIKeyCookie", alice.id, ["items:read"])


# Other sites


@pytest.mark.rfc("6750", "5.3", 8)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "something-new", ""])
async def test_another_site_can_neither_set_nor_clear_the_cookie(
    http: httpx2.AsyncClient, key: TestKey, method: str, site: str
) -> None:
    body = {"api_key": key.key} if method == "PUT" else None
    response = await http.request(method, PATH, json=body, headers={"Sec-Fetch-Site": site})
    assert assert_problem(response, 403)["detail"] == "This is for pages of this very site."
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_a_page_of_this_site_can_set_and_clear_the_cookie(
    browser: httpx2.AsyncClient, key: TestKey, method: str, site: str
) -> None:
    body = {"api_key": key.key} if method == "PUT" else None
    response = await browser.request(method, PATH, json=body, headers={"Sec-Fetch-Site": site})
    assert set_cookie(response).key == "latchkey_key"


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded", id="form"),
        pytest.param("multipart/form-data; boundary=x", id="multipart"),
        pytest.param("", id="none"),
    ],
)
async def test_json_under_a_content_type_that_other_sites_may_send_does_not_set_the_cookie(
    http: httpx2.AsyncClient, key: TestKey, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    body = b'{"api_key": "' + key.key.encode() + b'"}'
    response = await http.put(PATH, content=body, headers=headers)
    assert_problem(response, 422)
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_preflight_of_another_site_is_not_allowed(
    http: httpx2.AsyncClient, method: str
) -> None:
    response = await http.options(
        PATH,
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": method},
    )
    assert response.status_code >= 400
    assert not [name for name in response.headers if name.startswith("access-control-")]
