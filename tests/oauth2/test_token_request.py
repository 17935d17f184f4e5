"""The form of ``POST /token``: RFC 6749, section 3.2, and what goes wrong around it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx2
import pytest
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from app.log import add_ids
from app.server import Server
from app.settings import Settings
from app.web.form import FORM, MAX_FIELDS
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.factories import PASSWORD, TestClient, add_client, add_user
from tests.support.on_sqlite import backend as backend

GOOD = {"grant_type": "password", "username": "alice", "password": PASSWORD}

NOT_A_FORM = "The body must be application/x-www-form-urlencoded."
NO_GRANT_TYPE = "The request needs a grant_type."
REPEATED = "A parameter is repeated."
NOT_UTF_8 = "The body must be UTF-8."
NUL = "The body contains a NUL character."
TOO_MANY = "The body has too many parameters."
IN_THE_ADDRESS = "Credentials must be sent in the body, not in the address."
TOO_LARGE = "The request body is too large."
OTHER_METHOD = "This method is not allowed at this address."
UNSUPPORTED = "This server does not support this grant type."
BUSY = "The server is busy. Try again in a moment."


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


lax = pytest.mark.parametrize("changes", [{"strict_password_form": False}], ids=["lax_form"])
oauth21 = pytest.mark.parametrize("changes", [{"posture": "oauth21"}], ids=["oauth21"])


async def send(
    http: httpx2.AsyncClient,
    client: TestClient,
    body: bytes | str,
    content_type: str = FORM,
) -> httpx2.Response:
    headers = {"Content-Type": content_type}
    return await http.post("/token", content=body, headers=headers, auth=client.basic)


def assert_granted(response: httpx2.Response) -> None:
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "Bearer"


# The content type


@pytest.mark.rfc("openid-connect-core", "3.1.3.1", 2)
@pytest.mark.rfc("openid-connect-core", "13.2")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(FORM, id="plain"),
        pytest.param(f"{FORM}; charset=UTF-8", id="with_charset"),
        pytest.param(f"{FORM};charset=utf-8", id="with_charset_and_no_space"),
        pytest.param("Application/X-WWW-Form-URLEncoded", id="another_case"),
    ],
)
async def test_a_form_is_read(http: httpx2.AsyncClient, web: TestClient, content_type: str) -> None:
    assert_granted(await send(http, web, urlencode(GOOD), content_type))


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json", id="json"),
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded-not", id="another_of_a_similar_name"),
        pytest.param("", id="empty"),
        pytest.param(";", id="only_a_semicolon"),
    ],
)
async def test_a_form_that_says_it_is_something_else_is_refused(
    http: httpx2.AsyncClient, web: TestClient, content_type: str
) -> None:
    response = await send(http, web, urlencode(GOOD), content_type)
    assert_oauth2_error(response, "invalid_request", description=NOT_A_FORM)


@pytest.mark.usefixtures("alice")
async def test_a_body_without_a_content_type_is_refused(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await http.post("/token", content=urlencode(GOOD), auth=web.basic)
    assert_oauth2_error(response, "invalid_request", description=NOT_A_FORM)


@pytest.mark.rfc("6749", "5.2", 1)
@pytest.mark.usefixtures("alice")
async def test_a_json_body_is_refused(http: httpx2.AsyncClient, web: TestClient) -> None:
    response = await http.post("/token", json=GOOD, auth=web.basic)
    assert_oauth2_error(response, "invalid_request", description=NOT_A_FORM)


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("with_file", [False, True], ids=["fields", "fields_and_a_file"])
async def test_a_multipart_body_is_refused(
    http: httpx2.AsyncClient, web: TestClient, with_file: bool
) -> None:
    parts = {name: (None, value.encode()) for name, value in GOOD.items()}
    files = {"upload": ("passwd.txt", b"content")} if with_file else {}
    response = await http.post("/token", files={**parts, **files}, auth=web.basic)
    assert_oauth2_error(response, "invalid_request", description=NOT_A_FORM)


async def test_an_empty_request_is_refused(http: httpx2.AsyncClient) -> None:
    response = await http.post("/token")
    assert_oauth2_error(response, "invalid_request", description=NOT_A_FORM)


# Parameters


@pytest.mark.rfc("6749", "3.2", 6)
@pytest.mark.rfc("6749", "5.2", 2)
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "again",
    [
        pytest.param("grant_type=password", id="grant_type"),
        pytest.param("username=alice", id="username_with_the_same_value"),
        pytest.param("password=another", id="password_with_another_value"),
        pytest.param("password=", id="password_empty_the_second_time"),
        pytest.param("scope=email&scope=email", id="scope"),
        pytest.param("client_id=web&client_id=web", id="client_id"),
        pytest.param("client_secret=&client_secret=", id="client_secret_empty_both_times"),
        pytest.param("unknown=1&unknown=2", id="unknown"),
        pytest.param("pass%77ord=another", id="another_spelling_of_password"),
    ],
)
async def test_a_repeated_parameter_is_refused(
    http: httpx2.AsyncClient, web: TestClient, again: str
) -> None:
    response = await send(http, web, f"{urlencode(GOOD)}&{again}")
    assert_oauth2_error(response, "invalid_request", description=REPEATED)


@pytest.mark.rfc("6749", "3.2", 4)
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("name", ["scope", "client_id", "client_secret", "unknown"])
async def test_a_parameter_without_a_value_counts_as_left_out(
    http: httpx2.AsyncClient, web: TestClient, name: str
) -> None:
    response = await send(http, web, f"{urlencode(GOOD)}&{name}=")
    assert_granted(response)
    assert response.json()["scope"] == "profile"


@pytest.mark.rfc("6749", "3.2", 5)
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "more",
    [
        pytest.param("audience=somebody&resource=x&foo=bar", id="unknown"),
        pytest.param("Username=bob&PASSWORD=x", id="another_case"),
        pytest.param("redirect_uri=https://evil.example.com", id="of_another_grant"),
        pytest.param("&&", id="empty_pairs"),
        pytest.param("flag", id="without_an_equals_sign"),
        pytest.param("=value", id="without_a_name"),
    ],
)
async def test_an_unknown_parameter_is_ignored(
    http: httpx2.AsyncClient, web: TestClient, more: str
) -> None:
    assert_granted(await send(http, web, f"{urlencode(GOOD)}&{more}"))


@pytest.mark.usefixtures("alice")
async def test_as_many_parameters_as_may_be_are_read(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    more = {f"p{number}": "x" for number in range(MAX_FIELDS - len(GOOD))}
    assert_granted(await send(http, web, urlencode(GOOD | more)))


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("count", [MAX_FIELDS + 1, 1000])
async def test_too_many_parameters_are_refused(
    http: httpx2.AsyncClient, web: TestClient, count: int
) -> None:
    more = {f"p{number}": "x" for number in range(count - len(GOOD))}
    response = await send(http, web, urlencode(GOOD | more))
    assert_oauth2_error(response, "invalid_request", description=TOO_MANY)


# Characters


@pytest.mark.rfc("6749", "B")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"%ff", id="encoded"),
        pytest.param(b"\xff", id="raw"),
        pytest.param(b"%c3", id="cut_off"),
        pytest.param(b"%c0%80", id="overlong"),
        pytest.param(b"caf\xe9", id="latin_1"),
    ],
)
@pytest.mark.parametrize("place", ["name", "value"])
async def test_a_body_that_is_not_utf_8_is_refused(
    http: httpx2.AsyncClient, web: TestClient, bad: bytes, place: str
) -> None:
    pair = b"x=" + bad if place == "value" else bad + b"=x"
    response = await send(http, web, urlencode(GOOD).encode() + b"&" + pair)
    assert_oauth2_error(response, "invalid_request", description=NOT_UTF_8)


@pytest.mark.rfc("6749", "B")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("password=pässwörd ☃ und mehr".encode(), id="raw"),
        pytest.param(b"password=p%C3%A4ssw%C3%B6rd+%E2%98%83+und+mehr", id="encoded"),
        pytest.param("password=päss%77örd%20☃+und+mehr".encode(), id="mixed"),
    ],
)
async def test_utf_8_is_read_raw_and_encoded(
    http: httpx2.AsyncClient, server: Server, web: TestClient, body: bytes
) -> None:
    await add_user(server, password="pässwörd ☃ und mehr")
    assert_granted(await send(http, web, b"grant_type=password&username=alice&" + body))


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("nul", [b"%00", b"\x00"], ids=["encoded", "raw"])
@pytest.mark.parametrize(
    "field", ["grant_type", "username", "password", "scope", "client_id", "client_secret", "x"]
)
async def test_a_nul_in_a_value_is_refused(
    http: httpx2.AsyncClient, web: TestClient, field: str, nul: bytes
) -> None:
    others = {name: value for name, value in GOOD.items() if name != field}
    body = urlencode(others).encode() + b"&" + field.encode() + b"=a" + nul + b"b"
    response = await send(http, web, body)
    assert_oauth2_error(response, "invalid_request", description=NUL)


@pytest.mark.usefixtures("alice")
async def test_a_nul_in_a_name_is_refused(http: httpx2.AsyncClient, web: TestClient) -> None:
    response = await send(http, web, f"{urlencode(GOOD)}&a%00b=x")
    assert_oauth2_error(response, "invalid_request", description=NUL)


# Size

LIMIT = 65_536


def padded(size: int) -> bytes:
    """A good form of exactly ``size`` bytes."""
    form = urlencode(GOOD).encode()
    fields = b"".join(b"&%d=" % number + b"x" * 8000 for number in range(9))
    return (form + fields)[:size] if size > 8000 else (form + b"&x=").ljust(size, b"x")


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body whose length is not told."""
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


@pytest.mark.usefixtures("alice")
class TestSize:
    async def test_a_body_at_the_limit_is_read(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await send(http, web, padded(LIMIT)))

    async def test_a_body_past_the_limit_is_413(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        response = await send(http, web, padded(LIMIT + 1))
        assert_oauth2_error(response, "invalid_request", 413, TOO_LARGE)

    async def test_a_chunked_body_at_the_limit_is_read(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        request = http.build_request(
            "POST", "/token", content=in_pieces(padded(LIMIT)), headers={"Content-Type": FORM}
        )
        assert "content-length" not in request.headers
        assert_granted(await http.send(request, auth=web.basic))

    async def test_a_chunked_body_past_the_limit_is_413(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        request = http.build_request(
            "POST", "/token", content=in_pieces(padded(LIMIT + 1)), headers={"Content-Type": FORM}
        )
        assert "content-length" not in request.headers
        response = await http.send(request, auth=web.basic)
        assert_oauth2_error(response, "invalid_request", 413, TOO_LARGE)

    async def test_a_body_longer_than_it_says_is_413(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        response = await http.post(
            "/token",
            content=in_pieces(padded(LIMIT + 1)),
            headers={"Content-Type": FORM, "Content-Length": "10"},
            auth=web.basic,
        )
        assert_oauth2_error(response, "invalid_request", 413, TOO_LARGE)

    @pytest.mark.parametrize("changes", [{"request_body_limit": 1024}], ids=["1024_bytes"])
    async def test_the_limit_is_the_configured_one(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await send(http, web, padded(1024)))
        response = await send(http, web, padded(1025))
        assert_oauth2_error(response, "invalid_request", 413, TOO_LARGE)


# The address


@pytest.mark.rfc("6749", "2.3.1", 5)
@pytest.mark.rfc("9110", "17.9")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    "query",
    [
        "client_secret=x",
        "username=alice",
        "password=x",
        "refresh_token=x",
        "code=x",
        "token=x",
        "password",
        "pass%77ord=x",
        "foo=bar&password=x",
    ],
)
async def test_credentials_in_the_address_are_refused(
    http: httpx2.AsyncClient, web: TestClient, query: str
) -> None:
    response = await http.post(f"/token?{query}", data=GOOD, auth=web.basic)
    assert_oauth2_error(response, "invalid_request", description=IN_THE_ADDRESS)


@pytest.mark.rfc("6749", "2.3.1", 5)
@pytest.mark.usefixtures("alice")
async def test_credentials_in_the_address_alone_are_refused(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await http.post(
        f"/token?{urlencode(GOOD)}", headers={"Content-Type": FORM}, auth=web.basic
    )
    assert_oauth2_error(response, "invalid_request", description=IN_THE_ADDRESS)


@pytest.mark.usefixtures("alice")
async def test_other_parameters_in_the_address_are_ignored(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    assert_granted(await http.post("/token?foo=bar", data=GOOD, auth=web.basic))


async def test_the_grant_type_in_the_address_does_not_count(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await http.post("/token?grant_type=password", data={"x": "y"}, auth=web.basic)
    assert_oauth2_error(response, "invalid_request", description=NO_GRANT_TYPE)


@pytest.mark.rfc("9110", "7.2")
@pytest.mark.parametrize(
    "host",
    ["[", "[::1", "a b", "a:b:c", "", "\u00e9"],
    ids=["bracket", "half_an_address", "space", "two_colons", "empty", "not_ascii"],
)
async def test_a_malformed_host_header_is_400(
    http: httpx2.AsyncClient, web: TestClient, host: str
) -> None:
    headers = [(b"Host", host.encode("latin-1"))]
    response = await http.post("/token?foo=bar", data=GOOD, headers=headers, auth=web.basic)
    description = "The Host header is missing, repeated or malformed."
    assert_oauth2_error(response, "invalid_request", description=description)


async def test_a_password_is_never_sent_on_to_another_address(http: httpx2.AsyncClient) -> None:
    response = await http.post("/token/", data=GOOD, headers={"Host": "evil.example.com"})
    assert "location" not in response.headers


# The method


@pytest.mark.rfc("6749", "3.2", 3)
@pytest.mark.rfc("9110", "15.5.6")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_method_is_405(http: httpx2.AsyncClient, method: str) -> None:
    response = await http.request(method, "/token", params={"grant_type": "password"})
    assert_oauth2_error(response, "invalid_request", 405, OTHER_METHOD)
    assert response.headers["allow"] == "POST"


@pytest.mark.rfc("6749", "3.2", 3)
@pytest.mark.rfc("9110", "15.5.6")
async def test_head_is_405(http: httpx2.AsyncClient) -> None:
    response = await http.head("/token")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


# grant_type


@pytest.mark.rfc("6749", "4.3.2", 1)
@pytest.mark.rfc("6749", "5.2", 2, 10, 12)
@pytest.mark.parametrize(
    "body",
    ["username=alice&password=x", "grant_type=&username=alice", ""],
    ids=["missing", "empty", "empty_body"],
)
async def test_a_grant_type_is_needed(http: httpx2.AsyncClient, web: TestClient, body: str) -> None:
    response = await send(http, web, body)
    assert_oauth2_error(response, "invalid_request", description=NO_GRANT_TYPE)


UNKNOWN = [
    pytest.param("implicit", id="another"),
    pytest.param("PASSWORD", id="another_case"),
    pytest.param("password ", id="with_a_space"),
    pytest.param("urn:ietf:params:oauth:grant-type:saml2-bearer", id="extension"),
    pytest.param("__class__", id="python"),
    pytest.param("x" * 8_000, id="long"),
]


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("grant_type", UNKNOWN)
async def test_an_unknown_grant_type_is_unsupported(
    http: httpx2.AsyncClient, web: TestClient, grant_type: str
) -> None:
    response = await send(http, web, urlencode(GOOD | {"grant_type": grant_type}))
    assert_oauth2_error(response, "unsupported_grant_type", description=UNSUPPORTED)


@pytest.mark.parametrize(
    "client",
    [{}, {"client_id": "nobody", "client_secret": "wrong"}],
    ids=["no_client", "unknown_client"],
)
async def test_the_grant_type_is_judged_before_the_client(
    http: httpx2.AsyncClient, client: dict[str, str]
) -> None:
    response = await http.post("/token", data={"grant_type": "implicit"} | client)
    assert_oauth2_error(response, "unsupported_grant_type", description=UNSUPPORTED)


@pytest.mark.parametrize(
    "client",
    [{}, {"client_id": "nobody", "client_secret": "wrong"}],
    ids=["no_client", "unknown_client"],
)
async def test_a_missing_grant_type_is_judged_before_the_client(
    http: httpx2.AsyncClient, client: dict[str, str]
) -> None:
    response = await http.post("/token", data={"username": "alice"} | client)
    assert_oauth2_error(response, "invalid_request", description=NO_GRANT_TYPE)


# The lax form


@lax
@pytest.mark.usefixtures("alice")
class TestLaxForm:
    @pytest.mark.parametrize("start", ["", "grant_type=&"], ids=["missing", "empty"])
    async def test_without_a_grant_type_password_is_meant(
        self, http: httpx2.AsyncClient, web: TestClient, start: str
    ) -> None:
        body = start + urlencode({"username": "alice", "password": PASSWORD})
        assert_granted(await send(http, web, body))

    async def test_the_grant_type_password_is_accepted(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await send(http, web, urlencode(GOOD)))

    @pytest.mark.parametrize("grant_type", UNKNOWN)
    async def test_an_unknown_grant_type_is_unsupported(
        self, http: httpx2.AsyncClient, web: TestClient, grant_type: str
    ) -> None:
        response = await send(http, web, urlencode(GOOD | {"grant_type": grant_type}))
        assert_oauth2_error(response, "unsupported_grant_type", description=UNSUPPORTED)

    async def test_name_and_password_are_still_needed(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        response = await send(http, web, "username=alice")
        assert_oauth2_error(
            response, "invalid_request", description="The request needs username and password."
        )

    async def test_a_client_without_the_password_grant_is_still_refused(
        self, http: httpx2.AsyncClient, server: Server
    ) -> None:
        client = await add_client(server, "service", grant_types=("client_credentials",))
        response = await send(http, client, "username=alice&password=x")
        assert_oauth2_error(response, "unauthorized_client")


# The posture


@pytest.mark.rfc("6749", "4.3")
@oauth21
@pytest.mark.usefixtures("alice")
async def test_oauth_2_1_has_no_password_grant(http: httpx2.AsyncClient, web: TestClient) -> None:
    response = await send(http, web, urlencode(GOOD))
    assert_oauth2_error(response, "unsupported_grant_type", description=UNSUPPORTED)


@pytest.mark.parametrize(
    "changes", [{"posture": "oauth21", "strict_password_form": False}], ids=["oauth21_and_lax"]
)
@pytest.mark.usefixtures("alice")
async def test_oauth_2_1_has_no_password_grant_by_omission_either(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await send(http, web, urlencode({"username": "alice", "password": PASSWORD}))
    assert_oauth2_error(response, "unsupported_grant_type", description=UNSUPPORTED)


# What is told


CANARY = "canary-4711"


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(urlencode({**GOOD, "grant_type": CANARY}), FORM, id="grant_type"),
        pytest.param(urlencode({**GOOD, "username": CANARY}), FORM, id="username"),
        pytest.param(urlencode({**GOOD, "password": CANARY}), FORM, id="password"),
        pytest.param(urlencode({**GOOD, "scope": CANARY}), FORM, id="scope"),
        pytest.param(urlencode({**GOOD, "client_id": CANARY}), FORM, id="client_id"),
        pytest.param(urlencode({**GOOD, "client_secret": CANARY}), FORM, id="client_secret"),
        pytest.param(f"grant_type=password&username={CANARY}", FORM, id="missing_password"),
        pytest.param(f"{CANARY}=1&{CANARY}=2", FORM, id="repeated_name"),
        pytest.param(f"x={CANARY}%00", FORM, id="nul"),
        pytest.param(f"x={CANARY}%ff", FORM, id="not_utf_8"),
        pytest.param(f'{{"password": "{CANARY}"}}', "application/json", id="json"),
        pytest.param(urlencode(GOOD), CANARY, id="content_type"),
    ],
)
async def test_no_answer_and_no_log_repeats_what_was_sent(
    http: httpx2.AsyncClient, web: TestClient, body: str, content_type: str
) -> None:
    with capture_logs() as logs:
        response = await send(http, web, body, content_type)
    assert response.status_code == 400
    assert CANARY not in response.text
    assert CANARY not in repr(response.headers)
    assert CANARY not in repr(logs)


async def test_no_answer_and_no_log_repeats_the_address(http: httpx2.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await http.post(f"/token?password={CANARY}", data=GOOD)
    assert_oauth2_error(response, "invalid_request", description=IN_THE_ADDRESS)
    assert CANARY not in response.text
    assert CANARY not in repr(logs)


async def test_no_answer_and_no_log_repeats_the_authorization(http: httpx2.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await http.post("/token", data=GOOD, auth=("web", CANARY))
    assert_oauth2_error(response, "invalid_client", 401)
    assert CANARY not in response.text
    assert CANARY not in repr(logs)


# Faults


@pytest.fixture
def broken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that nobody foresaw, with a secret in its text."""

    async def fail(client_id: str) -> None:
        raise RuntimeError(f"{CANARY} {client_id}")

    monkeypatch.setattr(server.clients, "find", fail)


@pytest.mark.usefixtures("broken")
async def test_an_unexpected_fault_is_a_server_error_with_the_id_of_the_request(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await send(http, web, urlencode(GOOD))
    request_id = response.headers["x-request-id"]
    assert_oauth2_error(
        response,
        "server_error",
        500,
        f"An unexpected error occurred. It is logged under request id {request_id}.",
    )


@pytest.mark.usefixtures("broken")
async def test_an_unexpected_fault_tells_nothing_of_itself(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await send(http, web, urlencode(GOOD))
    for inside in (CANARY, "RuntimeError", "Traceback", PASSWORD, web.secret, "web"):
        assert inside not in response.text


@pytest.mark.usefixtures("broken")
async def test_an_unexpected_fault_is_in_the_log_under_the_id_of_the_request(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    with capture_logs([add_ids]) as logs:
        response = await send(http, web, urlencode(GOOD))
    (fault,) = [entry for entry in logs if entry["event"] == "unexpected fault"]
    assert fault["log_level"] == "error"
    assert fault["exc_info"]
    assert fault["request_id"] == response.headers["x-request-id"]


@pytest.mark.usefixtures("alice")
async def test_a_fault_in_the_middle_of_a_login_prints_no_credential(
    http: httpx2.AsyncClient,
    server: Server,
    web: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def fail(**_claims: object) -> str:
        raise RuntimeError

    monkeypatch.setattr(server.access_tokens, "sign", fail)
    assert_oauth2_error(await send(http, web, urlencode(GOOD)), "server_error", 500)
    printed = "".join(capfd.readouterr())
    for secret in (PASSWORD, web.secret, "$argon2id$"):
        assert secret not in printed


async def test_every_request_has_an_id_of_its_own(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    ids = {(await send(http, web, "x=y")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("changes", [{"login_queue": 0}], ids=["no_queue"])
async def test_a_full_login_queue_is_503(
    http: httpx2.AsyncClient,
    server: Server,
    web: TestClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert_granted(await send(http, web, urlencode(GOOD)))
    go_on = threading.Event()
    monkeypatch.setattr(server.passwords, "hash_now", lambda _password: str(go_on.wait(30)))
    threads = os.cpu_count() or 1
    logins = [asyncio.create_task(server.passwords.hash("x")) for _ in range(threads)]
    await checkpoint()
    response = await send(http, web, urlencode(GOOD))
    go_on.set()
    await asyncio.gather(*logins)
    assert_oauth2_error(response, "temporarily_unavailable", 503, BUSY)
    assert response.headers["retry-after"] == "2"
    assert_granted(await send(http, web, urlencode(GOOD)))
