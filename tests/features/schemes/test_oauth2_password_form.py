"""``OAuth2PasswordRequestForm`` and ``…Strict``: tokens as ``/token`` issues them, errors included.

Each refused request is also sent to ``/token`` of a server with the same form, and the answers
are compared.
"""

import base64
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_user, bearer, disable_user
from tests.support.forger import read_claims
from tests.support.lifecycle import refreshed
from tests.support.started import started

LAX = "/schemes/oauth2/password-form"
STRICT = "/schemes/oauth2/password-form-strict"

BOTH = pytest.mark.parametrize("path", [LAX, STRICT], ids=["lax", "strict"])

FORM = "application/x-www-form-urlencoded"

WRONG = "The user name or the password is wrong."
MISSING = "The request needs username and password."


@pytest.fixture(scope="module")
async def lax_server(settings: Settings, clock: TestClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """An application whose ``/token`` takes the lax form, on the same database."""
    changed = make_settings(database_url=settings.database_url, strict_password_form=False)
    async with started(create_app(changed, clock)) as client:
        yield client


@pytest.fixture(scope="module")
async def oauth21(settings: Settings, clock: TestClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """An application that refuses the password grant, on the same database."""
    changed = make_settings(database_url=settings.database_url, posture="oauth21")
    async with started(create_app(changed, clock)) as client:
        yield client


@pytest.fixture
def form(alice: TestUser, web: TestClient) -> dict[str, str]:
    """A good request."""
    return {
        "grant_type": "password",
        "username": alice.username,
        "password": PASSWORD,
        "scope": "profile items:read",
        "client_id": web.client_id,
        "client_secret": web.secret,
    }


def told(response: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """The answer without the request's id, and without CORS, which ``/token`` alone has."""
    own = ("x-request-id", "vary")
    headers = {name: value for name, value in response.headers.items() if name not in own}
    return response.status_code, response.content, headers


# What is issued


@BOTH
async def test_tokens_are_issued_that_work_as_those_of_the_token_endpoint(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, form: dict[str, str], path: str
) -> None:
    response = await http.post(path, data=form)
    assert response.status_code == 200
    answer = response.json()
    assert answer == {
        "access_token": answer["access_token"],
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": answer["refresh_token"],
        "scope": "profile items:read",
    }
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    me = await http.get("/users/me", headers=bearer(answer["access_token"]))
    assert me.json()["id"] == str(alice.id)
    assert read_claims(answer["access_token"])["client_id"] == web.client_id
    assert (await refreshed(http, web, answer["refresh_token"]))["scope"] == "profile items:read"


@BOTH
async def test_the_client_may_authenticate_with_basic(
    http: httpx2.AsyncClient, web: TestClient, form: dict[str, str], path: str
) -> None:
    del form["client_id"], form["client_secret"]
    response = await http.post(path, data=form, auth=web.basic)
    assert (response.status_code, response.json()["scope"]) == (200, "profile items:read")


@pytest.mark.parametrize("grant_type", [None, ""], ids=["missing", "empty"])
async def test_the_lax_form_takes_no_grant_type_for_password(
    http: httpx2.AsyncClient, form: dict[str, str], grant_type: str | None
) -> None:
    changed = {**form, "grant_type": grant_type}
    response = await http.post(LAX, data={k: v for k, v in changed.items() if v is not None})
    assert (response.status_code, response.json()["scope"]) == (200, "profile items:read")


# What is refused


@pytest.mark.parametrize("grant_type", [None, ""], ids=["missing", "empty"])
async def test_the_strict_form_insists_on_a_grant_type(
    http: httpx2.AsyncClient, form: dict[str, str], grant_type: str | None
) -> None:
    changed = {**form, "grant_type": grant_type}
    data = {k: v for k, v in changed.items() if v is not None}
    response = await http.post(STRICT, data=data)
    assert_oauth2_error(response, "invalid_request", 400, "The request needs a grant_type.")
    assert told(response) == told(await http.post("/token", data=data))


@BOTH
@pytest.mark.parametrize(
    "grant_type",
    ["Password", "password ", "client_credentials", "refresh_token", "authorization_code", "x"],
)
async def test_another_grant_type_is_unsupported(
    http: httpx2.AsyncClient, form: dict[str, str], path: str, grant_type: str
) -> None:
    response = await http.post(path, data={**form, "grant_type": grant_type})
    assert_oauth2_error(
        response,
        "unsupported_grant_type",
        400,
        "This server does not support this grant type.",
    )


REFUSED: list[Any] = [
    pytest.param({"password": "wrong"}, "invalid_grant", 400, WRONG, id="wrong_password"),
    pytest.param({"username": "nobody"}, "invalid_grant", 400, WRONG, id="unknown_user"),
    pytest.param({"password": ""}, "invalid_request", 400, MISSING, id="empty_password"),
    pytest.param({"username": ""}, "invalid_request", 400, MISSING, id="empty_username"),
    pytest.param({"client_secret": "wrong"}, "invalid_client", 401, None, id="wrong_secret"),
    pytest.param({"client_id": "nobody"}, "invalid_client", 401, None, id="unknown_client"),
    pytest.param({"client_secret": ""}, "invalid_client", 401, None, id="no_secret"),
    pytest.param({"scope": "no-such-scope"}, "invalid_scope", 400, None, id="unknown_scope"),
    pytest.param({"scope": "items:read\tprofile"}, "invalid_scope", 400, None, id="tab_in_scope"),
    pytest.param({"password": "a\x00b"}, "invalid_request", 400, None, id="nul"),
]


@BOTH
@pytest.mark.parametrize(("changes", "error", "status", "description"), REFUSED)
async def test_a_refusal_is_the_one_of_the_token_endpoint(
    http: httpx2.AsyncClient,
    lax_server: httpx2.AsyncClient,
    form: dict[str, str],
    path: str,
    changes: dict[str, str],
    error: str,
    status: int,
    description: str | None,
) -> None:
    response = await http.post(path, data=form | changes)
    assert_oauth2_error(response, error, status, description)
    token_endpoint = lax_server if path == LAX else http
    assert told(response) == told(await token_endpoint.post("/token", data=form | changes))


@BOTH
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/json", b'{"grant_type": "password"}', id="json"),
        pytest.param("text/plain", b"grant_type=password", id="text"),
        pytest.param("multipart/form-data; boundary=x", b"--x--", id="multipart"),
        pytest.param(FORM, b"grant_type=password&username=a&username=b&password=c", id="twice"),
        pytest.param(FORM, b"grant_type=password&username=%FF&password=c", id="no_utf_8"),
        pytest.param(FORM, b"&".join(b"f%d=x" % n for n in range(51)), id="too_many"),
        pytest.param(FORM, b"", id="empty"),
        pytest.param("", b"grant_type=password", id="no_content_type"),
    ],
)
async def test_a_malformed_request_is_refused_as_the_token_endpoint_refuses_it(
    http: httpx2.AsyncClient,
    lax_server: httpx2.AsyncClient,
    path: str,
    content_type: str,
    body: bytes,
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await http.post(path, content=body, headers=headers)
    token_endpoint = lax_server if path == LAX else http
    expected = await token_endpoint.post("/token", content=body, headers=headers)
    assert told(response) == told(expected)
    assert response.json()["error"] in ("invalid_request", "invalid_client")


@BOTH
async def test_two_methods_of_client_authentication_are_an_invalid_request(
    http: httpx2.AsyncClient, web: TestClient, form: dict[str, str], path: str
) -> None:
    response = await http.post(path, data=form, auth=web.basic)
    assert_oauth2_error(
        response, "invalid_request", 400, "Use one method of client authentication."
    )


@BOTH
async def test_a_disabled_user_is_refused_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, form: dict[str, str], path: str
) -> None:
    assert (await http.post(path, data=form)).status_code == 200
    await disable_user(server, alice)
    assert_oauth2_error(await http.post(path, data=form), "invalid_grant", 400, WRONG)


@BOTH
async def test_what_the_user_may_not_is_left_out(
    http: httpx2.AsyncClient, server: Server, form: dict[str, str], path: str
) -> None:
    reader = await add_user(server, f"reader {form['username']}", scopes=["items:read"])
    response = await http.post(path, data=form | {"username": reader.username})
    assert (response.status_code, response.json()["scope"]) == (200, "items:read")


@BOTH
async def test_credentials_in_the_address_are_an_invalid_request(
    http: httpx2.AsyncClient, form: dict[str, str], path: str
) -> None:
    response = await http.post(path, params={"password": PASSWORD}, data=form)
    assert_oauth2_error(response, "invalid_request", 400)


@BOTH
async def test_no_secret_is_repeated_in_the_answer_or_the_log(
    http: httpx2.AsyncClient, form: dict[str, str], path: str
) -> None:
    secret = "a-secret-of-somebody"
    for name in ("username", "password", "client_secret", "client_id", "grant_type", "scope"):
        with capture_logs() as logs:
            response = await http.post(path, data=form | {name: secret})
        assert response.status_code in (400, 401)
        assert secret not in response.text + str(response.headers)
        if name in ("password", "client_secret"):
            assert secret not in repr(logs)


@BOTH
async def test_a_user_in_the_basic_header_is_a_client_that_does_not_exist(
    http: httpx2.AsyncClient, alice: TestUser, path: str
) -> None:
    pair = base64.b64encode(f"{alice.username}:{PASSWORD}".encode()).decode()
    response = await http.post(
        path, data={"grant_type": "password"}, headers={"Authorization": f"Basic {pair}"}
    )
    assert_oauth2_error(response, "invalid_client", 401)


@BOTH
async def test_there_is_no_password_grant_under_oauth_2_1(
    oauth21: httpx2.AsyncClient, form: dict[str, str], path: str
) -> None:
    response = await oauth21.post(path, data=form)
    assert_oauth2_error(response, "unsupported_grant_type", 400)
    assert told(response) == told(await oauth21.post("/token", data=form))


@BOTH
async def test_another_method_is_refused_as_the_token_endpoint_refuses_it(
    http: httpx2.AsyncClient, path: str
) -> None:
    response = await http.get(path)
    assert_oauth2_error(response, "invalid_request", 405)
    assert told(response) == told(await http.get("/token"))


@BOTH
async def test_a_body_that_is_too_large_is_refused_as_the_token_endpoint_refuses_it(
    http: httpx2.AsyncClient, form: dict[str, str], path: str
) -> None:
    large = form | {"password": "x" * 70_000}
    response = await http.post(path, data=large)
    assert_oauth2_error(response, "invalid_request", 413)
    assert told(response) == told(await http.post("/token", data=large))


@BOTH
@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        pytest.param(RuntimeError(), "server_error", 500, id="a_fault"),
        pytest.param(ConnectionRefusedError(), "temporarily_unavailable", 503, id="no_database"),
    ],
)
async def test_a_fault_of_the_server_is_answered_as_the_token_endpoint_answers_it(
    http: httpx2.AsyncClient,
    server: Server,
    form: dict[str, str],
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    error: str,
    status: int,
) -> None:
    async def authenticate(*_: object) -> None:
        raise fault

    monkeypatch.setattr(server.authenticator, "authenticate_at_client", authenticate)
    assert_oauth2_error(await http.post(path, data=form), error, status)
