"""Refresh, client credentials, revocation and introspection, from client libraries as they are."""

import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
import requests
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.integrations.requests_client import OAuthError
from oauthlib.oauth2 import (
    BackendApplicationClient,
    InvalidGrantError,
    InvalidScopeError,
    LegacyApplicationClient,
)
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from tests.support.live_server import default_scope

LOGIN = {"username": "alice", "password": "alice-in-wonderland"}
WEB_SECRET = "demo-web-secret-for-development-only"
SERVICE_SECRET = "demo-service-secret-for-development-only"
SERVICE_SCOPE = default_scope("demo-service")
TWO_SCOPES = " ".join(sorted({SERVICE_SCOPE, "users:read"}))
REFUSED = "The refresh token is expired, revoked or invalid."


@pytest.fixture(autouse=True)
def _loopback_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def subject(token: Mapping[str, Any]) -> str:
    """For whom the access token was issued, unverified."""
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    found: str = claims["sub"]
    return found


def as_if_expired(token: Mapping[str, Any]) -> dict[str, Any]:
    """The token, as a client keeps it that has slept for long."""
    return {**token, "expires_in": -1, "expires_at": time.time() - 1}


def assert_rotated(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    assert after["refresh_token"] != before["refresh_token"]
    assert after["access_token"] != before["access_token"]
    assert subject(after) == subject(before)


def assert_service_token(token: Mapping[str, Any], scope: str = SERVICE_SCOPE) -> None:
    granted = token["scope"]  # oauthlib makes a list of it
    assert granted == scope if isinstance(granted, str) else granted == scope.split()
    assert "refresh_token" not in token
    assert subject(token) == "demo-service"


def assert_alice(answer: Mapping[str, Any], client_id: str, live: str) -> None:
    assert (answer["active"], answer["username"]) == (True, "alice")
    assert (answer["client_id"], answer["iss"]) == (client_id, live)


# Authlib: refresh


def test_authlib_on_requests_refreshes_as_a_confidential_client(live: str) -> None:
    with AuthlibSession("demo-web", WEB_SECRET) as session:
        before = dict(session.fetch_token(f"{live}/token", **LOGIN))
        assert_rotated(before, session.refresh_token(f"{live}/token"))
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_requests_refreshes_with_the_secret_in_the_body(live: str) -> None:
    method = "client_secret_post"
    with AuthlibSession("demo-web", WEB_SECRET, token_endpoint_auth_method=method) as session:
        before = dict(session.fetch_token(f"{live}/token", **LOGIN))
        assert_rotated(before, session.refresh_token(f"{live}/token"))


def test_authlib_on_requests_refreshes_as_a_public_client(live: str) -> None:
    with AuthlibSession("first-party") as session:
        before = dict(session.fetch_token(f"{live}/token", **LOGIN))
        assert_rotated(before, session.refresh_token(f"{live}/token"))
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_requests_refreshes_by_itself_when_the_access_token_has_expired(
    live: str,
) -> None:
    updates: list[str] = []

    def keep(token: Mapping[str, Any], refresh_token: str | None = None, **_: object) -> None:
        assert refresh_token is not None
        updates.append(refresh_token)

    with AuthlibSession(
        "demo-web", WEB_SECRET, token_endpoint=f"{live}/token", update_token=keep
    ) as session:
        before = dict(session.fetch_token(**LOGIN))
        session.token = as_if_expired(before)
        assert session.get(f"{live}/users/me").json()["username"] == "alice"
        assert_rotated(before, session.token)
        assert updates == [before["refresh_token"]]


def test_authlib_on_httpx2_refreshes_as_a_confidential_client(live: str) -> None:
    with OAuth2Client("demo-web", WEB_SECRET) as client:
        before = dict(client.fetch_token(f"{live}/token", **LOGIN))
        assert_rotated(before, client.refresh_token(f"{live}/token"))
        assert client.get(f"{live}/users/me").json()["username"] == "alice"


def test_authlib_on_httpx2_refreshes_as_a_public_client(live: str) -> None:
    with OAuth2Client("first-party") as client:
        before = dict(client.fetch_token(f"{live}/token", **LOGIN))
        assert_rotated(before, client.refresh_token(f"{live}/token"))


async def test_authlib_on_asynchronous_httpx2_refreshes_as_a_public_client(live: str) -> None:
    async with AsyncOAuth2Client("first-party") as client:
        before = dict(await client.fetch_token(f"{live}/token", **LOGIN))
        assert_rotated(before, await client.refresh_token(f"{live}/token"))
        me = await client.get(f"{live}/users/me")
        assert me.json()["username"] == "alice"


def test_authlib_reports_a_refresh_token_that_was_used_before(live: str) -> None:
    with AuthlibSession("demo-web", WEB_SECRET) as session:
        before = dict(session.fetch_token(f"{live}/token", **LOGIN))
        session.refresh_token(f"{live}/token")
        with pytest.raises(OAuthError) as refusal:
            session.refresh_token(f"{live}/token", refresh_token=before["refresh_token"])
        assert (refusal.value.error, refusal.value.description) == ("invalid_grant", REFUSED)


# Authlib: client credentials


def test_authlib_on_requests_gets_client_credentials_tokens_with_basic(live: str) -> None:
    with AuthlibSession("demo-service", SERVICE_SECRET) as session:
        token = session.fetch_token(f"{live}/token", grant_type="client_credentials")
        assert_service_token(token)


def test_authlib_on_requests_gets_client_credentials_tokens_when_no_grant_is_named(
    live: str,
) -> None:
    with AuthlibSession("demo-service", SERVICE_SECRET) as session:
        assert_service_token(session.fetch_token(f"{live}/token"))


def test_authlib_on_requests_gets_client_credentials_tokens_with_the_secret_in_the_body(
    live: str,
) -> None:
    method = "client_secret_post"
    with AuthlibSession(
        "demo-service", SERVICE_SECRET, token_endpoint_auth_method=method
    ) as session:
        token = session.fetch_token(f"{live}/token", grant_type="client_credentials")
        assert_service_token(token)


def test_authlib_on_requests_gets_client_credentials_tokens_for_the_scopes_it_asks_for(
    live: str,
) -> None:
    scope = TWO_SCOPES
    with AuthlibSession("demo-service", SERVICE_SECRET, scope=scope) as session:
        token = session.fetch_token(f"{live}/token", grant_type="client_credentials")
        assert_service_token(token, scope)


def test_authlib_on_httpx2_gets_client_credentials_tokens(live: str) -> None:
    with OAuth2Client("demo-service", SERVICE_SECRET) as client:
        token = client.fetch_token(f"{live}/token", grant_type="client_credentials")
        assert_service_token(token)


async def test_authlib_on_asynchronous_httpx2_gets_client_credentials_tokens(live: str) -> None:
    async with AsyncOAuth2Client("demo-service", SERVICE_SECRET) as client:
        token = await client.fetch_token(f"{live}/token", grant_type="client_credentials")
        assert_service_token(token)


# Authlib: revocation


@pytest.mark.parametrize(
    "hint", [None, "refresh_token", "access_token"], ids=["no hint", "right hint", "wrong hint"]
)
def test_authlib_on_requests_revokes_a_refresh_token_and_its_access_token(
    live: str, hint: str | None
) -> None:
    with AuthlibSession("demo-web", WEB_SECRET) as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        answer = session.revoke_token(
            f"{live}/revoke", token["refresh_token"], token_type_hint=hint
        )
        assert (answer.status_code, answer.json()) == (200, {})
        assert session.get(f"{live}/users/me").status_code == 401
        with pytest.raises(OAuthError):
            session.refresh_token(f"{live}/token")


def test_authlib_on_requests_revokes_an_access_token_as_a_public_client(live: str) -> None:
    with AuthlibSession("first-party") as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        answer = session.revoke_token(
            f"{live}/revoke", token["access_token"], token_type_hint="access_token"
        )
        assert answer.status_code == 200
        assert session.get(f"{live}/users/me").status_code == 401


def test_authlib_on_httpx2_revokes_a_refresh_token(live: str) -> None:
    with OAuth2Client("demo-web", WEB_SECRET) as client:
        token = client.fetch_token(f"{live}/token", **LOGIN)
        answer = client.revoke_token(f"{live}/revoke", token["refresh_token"])
        assert answer.status_code == 200
        assert client.get(f"{live}/users/me").status_code == 401


async def test_authlib_on_asynchronous_httpx2_revokes_a_refresh_token(live: str) -> None:
    async with AsyncOAuth2Client("first-party") as client:
        token = await client.fetch_token(f"{live}/token", **LOGIN)
        answer = await client.revoke_token(f"{live}/revoke", token["refresh_token"])
        assert answer.status_code == 200
        assert (await client.get(f"{live}/users/me")).status_code == 401


# Authlib: introspection


def test_authlib_on_requests_introspects_the_access_token_of_another_client(live: str) -> None:
    with (
        AuthlibSession("demo-web", WEB_SECRET) as web,
        AuthlibSession("demo-service", SERVICE_SECRET) as service,
    ):
        token = web.fetch_token(f"{live}/token", **LOGIN)
        answer = service.introspect_token(
            f"{live}/introspect", token["access_token"], token_type_hint="access_token"
        )
        assert answer.status_code == 200
        assert_alice(answer.json(), "demo-web", live)


def test_authlib_on_requests_introspects_the_refresh_token_that_it_holds(live: str) -> None:
    with AuthlibSession("demo-web", WEB_SECRET) as session:
        session.fetch_token(f"{live}/token", **LOGIN)
        answer = session.introspect_token(f"{live}/introspect")
        assert answer.status_code == 200
        assert_alice(answer.json(), "demo-web", live)


def test_authlib_on_requests_sees_that_a_revoked_token_is_not_active(live: str) -> None:
    with AuthlibSession("demo-web", WEB_SECRET) as session:
        token = session.fetch_token(f"{live}/token", **LOGIN)
        session.revoke_token(f"{live}/revoke", token["refresh_token"])
        answer = session.introspect_token(f"{live}/introspect", token["access_token"])
        assert (answer.status_code, answer.json()) == (200, {"active": False})


def test_authlib_on_httpx2_introspects_a_client_credentials_token(live: str) -> None:
    with OAuth2Client("demo-service", SERVICE_SECRET) as client:
        token = client.fetch_token(f"{live}/token", grant_type="client_credentials")
        answer = client.introspect_token(f"{live}/introspect", token["access_token"]).json()
        assert (answer["active"], answer["sub"]) == (True, "demo-service")
        assert "username" not in answer


async def test_authlib_on_asynchronous_httpx2_introspects_a_token(live: str) -> None:
    async with AsyncOAuth2Client("demo-web", WEB_SECRET) as client:
        token = await client.fetch_token(f"{live}/token", **LOGIN)
        answer = await client.introspect_token(f"{live}/introspect", token["access_token"])
        assert_alice(answer.json(), "demo-web", live)


# requests-oauthlib: refresh


def logged_in(live: str, client_id: str, secret: str | None = None, **more: Any) -> OAuth2Session:
    """A session of requests-oauthlib, after the password grant."""
    session = OAuth2Session(client=LegacyApplicationClient(client_id=client_id), **more)
    credentials = {"client_secret": secret} if secret else {"include_client_id": True}
    session.fetch_token(f"{live}/token", **credentials, **LOGIN)
    return session


def test_requests_oauthlib_refreshes_with_basic(live: str) -> None:
    with logged_in(live, "demo-web", WEB_SECRET) as session:
        before = dict(session.token)
        basic = HTTPBasicAuth("demo-web", WEB_SECRET)
        assert_rotated(before, session.refresh_token(f"{live}/token", auth=basic))
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


def test_requests_oauthlib_refreshes_with_the_secret_in_the_body(live: str) -> None:
    with logged_in(live, "demo-web", WEB_SECRET) as session:
        before = dict(session.token)
        after = session.refresh_token(
            f"{live}/token", client_id="demo-web", client_secret=WEB_SECRET
        )
        assert_rotated(before, after)


def test_requests_oauthlib_refreshes_as_a_public_client(live: str) -> None:
    with logged_in(live, "first-party") as session:
        before = dict(session.token)
        assert_rotated(before, session.refresh_token(f"{live}/token", client_id="first-party"))
        assert session.get(f"{live}/users/me").json()["username"] == "alice"


@pytest.mark.parametrize(("client_id", "secret"), [("demo-web", WEB_SECRET), ("first-party", None)])
def test_requests_oauthlib_refreshes_by_itself_when_the_access_token_has_expired(
    live: str, client_id: str, secret: str | None
) -> None:
    kept: list[dict[str, Any]] = []
    named = {"client_id": client_id, **({"client_secret": secret} if secret else {})}
    refreshing = {
        "auto_refresh_url": f"{live}/token",
        "auto_refresh_kwargs": named,
        "token_updater": kept.append,
    }
    with logged_in(live, client_id, secret, **refreshing) as session:
        before = dict(session.token)
        session.token = as_if_expired(before)
        assert session.get(f"{live}/users/me").json()["username"] == "alice"
        assert len(kept) == 1
        assert_rotated(before, kept[0])


def test_requests_oauthlib_reports_a_refresh_token_that_was_used_before(live: str) -> None:
    with logged_in(live, "first-party") as session:
        used = session.token["refresh_token"]
        session.refresh_token(f"{live}/token", client_id="first-party")
        with pytest.raises(InvalidGrantError) as refusal:
            session.refresh_token(f"{live}/token", refresh_token=used, client_id="first-party")
        assert refusal.value.description == REFUSED


# requests-oauthlib: client credentials


def test_requests_oauthlib_gets_client_credentials_tokens_with_basic(live: str) -> None:
    with OAuth2Session(client=BackendApplicationClient(client_id="demo-service")) as session:
        token = session.fetch_token(f"{live}/token", client_secret=SERVICE_SECRET)
        assert_service_token(token)


def test_requests_oauthlib_gets_client_credentials_tokens_with_the_secret_in_the_body(
    live: str,
) -> None:
    with OAuth2Session(client=BackendApplicationClient(client_id="demo-service")) as session:
        token = session.fetch_token(
            f"{live}/token", client_secret=SERVICE_SECRET, include_client_id=True
        )
        assert_service_token(token)


def test_requests_oauthlib_gets_client_credentials_tokens_for_the_scopes_it_asks_for(
    live: str,
) -> None:
    scope = TWO_SCOPES
    client = BackendApplicationClient(client_id="demo-service", scope=scope)
    with OAuth2Session(client=client) as session:
        token = session.fetch_token(f"{live}/token", client_secret=SERVICE_SECRET)
        assert_service_token(token, scope)


def test_requests_oauthlib_reports_a_scope_that_a_client_cannot_have_for_itself(
    live: str,
) -> None:
    client = BackendApplicationClient(client_id="demo-service", scope="profile")
    with OAuth2Session(client=client) as session, pytest.raises(InvalidScopeError):
        session.fetch_token(f"{live}/token", client_secret=SERVICE_SECRET)


# requests-oauthlib: revocation and introspection, for which it has no method of its own


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_a_revocation_request_that_oauthlib_prepares_ends_the_login(live: str, kind: str) -> None:
    with logged_in(live, "demo-web", WEB_SECRET) as session:
        url, headers, body = session._client.prepare_token_revocation_request(
            f"{live}/revoke", session.token[kind], token_type_hint=kind
        )
        answer = requests.post(
            url, data=body, headers=headers, auth=("demo-web", WEB_SECRET), timeout=10
        )
        assert (answer.status_code, answer.json()) == (200, {})
        assert session.get(f"{live}/users/me").status_code == 401


def test_a_revocation_request_that_oauthlib_prepares_for_a_public_client_ends_the_login(
    live: str,
) -> None:
    with logged_in(live, "first-party") as session:
        url, headers, body = session._client.prepare_token_revocation_request(
            f"{live}/revoke", session.token["refresh_token"], client_id="first-party"
        )
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()) == (200, {})
        assert session.get(f"{live}/users/me").status_code == 401


def test_a_session_of_requests_oauthlib_introspects_its_token(live: str) -> None:
    with logged_in(live, "demo-web", WEB_SECRET) as session:
        answer = session.post(
            f"{live}/introspect",
            data={"token": session.token["access_token"]},
            auth=("demo-web", WEB_SECRET),
            withhold_token=True,
        )
        assert answer.status_code == 200
        assert_alice(answer.json(), "demo-web", live)
