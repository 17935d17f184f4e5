"""OAuth client libraries log in as their own documents say, with nothing adapted."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.integrations.requests_client import OAuthError
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.support.live_server import default_scope

LOGIN = {"username": "alice", "password": "alice-in-wonderland"}
WEB_SECRET = "demo-web-secret-for-development-only"
WRONG_PASSWORD = "The user name or the password is wrong."

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl is missing: apt-get install curl"
)


@pytest.fixture(autouse=True)
def _loopback_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def granted(token: Mapping[str, Any]) -> str:
    """The granted scopes, of a token that is otherwise as it should be."""
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 900)
    scope = token["scope"]  # oauthlib makes a list of it
    return scope if isinstance(scope, str) else " ".join(scope)


# requests-oauthlib


def test_requests_oauthlib_logs_in_with_basic_which_is_its_default(live: str) -> None:
    with OAuth2Session(client=LegacyApplicationClient(client_id="demo-web")) as session:
        token = session.fetch_token(f"{live}/token", client_secret=WEB_SECRET, **LOGIN)
        assert granted(token) == "email profile"
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_requests_oauthlib_logs_in_with_the_secret_in_the_body(live: str) -> None:
    with OAuth2Session(client=LegacyApplicationClient(client_id="demo-web")) as session:
        token = session.fetch_token(
            f"{live}/token", client_secret=WEB_SECRET, include_client_id=True, **LOGIN
        )
        assert granted(token) == "email profile"
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_requests_oauthlib_logs_in_as_a_public_client_by_an_empty_secret(live: str) -> None:
    with OAuth2Session(client=LegacyApplicationClient(client_id="first-party")) as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == default_scope("first-party")
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_requests_oauthlib_logs_in_as_a_public_client_by_its_id_in_the_body(live: str) -> None:
    with OAuth2Session(client=LegacyApplicationClient(client_id="first-party")) as session:
        token = session.fetch_token(f"{live}/token", include_client_id=True, **LOGIN)
        assert granted(token) == default_scope("first-party")
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_requests_oauthlib_accepts_the_answer_to_the_scopes_that_it_asked_for(live: str) -> None:
    client = LegacyApplicationClient(client_id="first-party", scope="email profile")
    with OAuth2Session(client=client) as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == "email profile"


def test_requests_oauthlib_reports_a_wrong_password_with_the_reason(live: str) -> None:
    with OAuth2Session(client=LegacyApplicationClient(client_id="first-party")) as session:
        with pytest.raises(InvalidGrantError) as refusal:
            session.fetch_token(f"{live}/token", username="alice", password="wrong")
        assert refusal.value.description == WRONG_PASSWORD


# Authlib


def test_authlib_on_requests_logs_in_with_basic_which_is_its_default(live: str) -> None:
    with AuthlibSession("demo-web", WEB_SECRET) as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == "email profile"
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_requests_logs_in_with_the_secret_in_the_body(live: str) -> None:
    method = "client_secret_post"
    with AuthlibSession("demo-web", WEB_SECRET, token_endpoint_auth_method=method) as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == "email profile"
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_requests_logs_in_as_a_public_client(live: str) -> None:
    with AuthlibSession("first-party") as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == default_scope("first-party")
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_httpx2_logs_in_with_basic_which_is_its_default(live: str) -> None:
    with OAuth2Client("demo-web", WEB_SECRET) as client:
        token = client.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == "email profile"
        assert client.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_httpx2_logs_in_with_the_secret_in_the_body(live: str) -> None:
    method = "client_secret_post"
    with OAuth2Client("demo-web", WEB_SECRET, token_endpoint_auth_method=method) as client:
        token = client.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == "email profile"
        assert client.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_httpx2_logs_in_as_a_public_client(live: str) -> None:
    with OAuth2Client("first-party") as client:
        token = client.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == default_scope("first-party")
        assert client.get(f"{live}/users/me").json()["username"] == "alice"


async def test_authlib_on_asynchronous_httpx2_logs_in_as_a_public_client(live: str) -> None:
    async with AsyncOAuth2Client("first-party") as client:
        token = await client.fetch_token(f"{live}/token", **LOGIN)
        assert granted(token) == default_scope("first-party")
        me = await client.get(f"{live}/users/me")
        assert me.json()["username"] == "alice"


def test_authlib_reports_a_wrong_password_with_the_reason(live: str) -> None:
    with AuthlibSession("first-party") as session:
        with pytest.raises(OAuthError) as refusal:
            session.fetch_token(f"{live}/token", username="alice", password="wrong")
        assert (refusal.value.error, refusal.value.description) == ("invalid_grant", WRONG_PASSWORD)


# curl


def curl(*arguments: str) -> dict[str, Any]:
    finished = subprocess.run(
        ["curl", "--disable", "--silent", "--show-error", *arguments],  # without anybody's .curlrc
        capture_output=True,
        timeout=20,
        check=True,
    )
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


@needs_curl
def test_the_curl_commands_of_the_readme_log_in_without_naming_a_client(live: str) -> None:
    token = curl(
        *("-d", "grant_type=password", "-d", "username=alice"),
        *("-d", "password=alice-in-wonderland", f"{live}/token"),
    )
    assert granted(token) == default_scope("first-party")
    me = curl("-H", f"Authorization: Bearer {token['access_token']}", f"{live}/users/me")
    assert me["username"] == "alice"
