"""API keys where access tokens are taken: by this server's routes and at ``/introspect``."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

import httpx2
import pytest
from fastapi import FastAPI, Security
from sqlalchemy import select

from app.features.api_keys.model import ApiKey
from app.features.api_keys.presented import acting_user_or_key, current_user_or_key
from app.main import create_app
from app.oauth2.acting import ActingUser
from app.oauth2.bearer import CurrentUser
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.features.api_keys.keys import give_key, revoke_key
from tests.support.assertions import assert_problem
from tests.support.between import Between
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    disable_user,
    log_in,
)
from tests.support.lifecycle import (
    INACTIVE,
    add_resource_server,
    introspect,
    introspected,
    take_from_user,
)
from tests.support.shared import Shared, of_this_module_alone
from tests.test_nothing_stale import WRITES, everything

__all__ = ["of_this_module_alone"]  # a fixture


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, api_keys_as_bearer=True)


@pytest.fixture
def app(settings: Settings, clock: TestClock, _shared: Shared) -> FastAPI:
    """With routes of a fork, which take a token or a key whatever the setting says."""
    app = _shared.fresh_app(settings, clock)
    if any(getattr(route, "path", "") == "/reports" for route in app.routes):
        return app

    @app.get("/reports")
    async def reports(
        user: Annotated[CurrentUser, Security(current_user_or_key, scopes=["items:read"])],
    ) -> list[str]:
        return [user.username, *sorted(user.scopes)]

    @app.post("/reports")
    async def report(
        actor: Annotated[ActingUser, Security(acting_user_or_key, scopes=["items:write"])],
    ) -> str:
        return actor.subject

    return app


async def last_use(server: Server) -> object:
    async with server.database.read() as connection:
        return await connection.scalar(select(ApiKey.last_used_at))


# This server's routes


async def test_a_key_is_taken_where_an_access_token_is(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    key = await give_key(server, alice, "profile", "email")
    response = await http.get("/users/me", headers=bearer(key.key))
    assert response.status_code == 200
    assert (response.json()["id"], response.json()["scopes"]) == (
        str(alice.id),
        ["email", "profile"],
    )
    assert await last_use(server) == clock.now()


async def test_a_key_opens_no_route_beyond_its_scopes(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "email")
    response = await http.get("/users/me", headers=bearer(key.key))
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")


async def test_a_key_opens_nothing_that_its_owner_has_lost(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice, "profile")
    await take_from_user(server, alice, "profile")
    response = await http.get("/users/me", headers=bearer(key.key))
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("why", ["unknown", "revoked", "expired", "of a disabled user"])
async def test_a_key_that_is_not_good_is_an_invalid_token(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock, why: str
) -> None:
    key = await give_key(server, alice, "profile", expires_in=60)
    if why == "revoked":
        await revoke_key(server, key)
    elif why == "expired":
        clock.advance(60)
    elif why == "of a disabled user":
        await disable_user(server, alice)
    presented = "lk_nobodys" if why == "unknown" else key.key
    response = await http.get("/users/me", headers=bearer(presented))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_without_the_setting_a_key_is_no_token(
    clock: TestClock, database_url: str, alice: TestUser, server: Server, web: TestClient
) -> None:
    key = await give_key(server, alice, "profile")
    any_server = await add_resource_server(server)
    app = create_app(make_settings(database_url=database_url), clock)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as plain:
            response = await plain.get("/users/me", headers=bearer(key.key))
            assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
            assert await introspected(plain, any_server, key.key) == INACTIVE


async def test_a_key_manages_within_its_scopes(http: httpx2.AsyncClient, server: Server) -> None:
    admin = await add_user(server, "admin", scopes=["users:read", "users:write", "profile"])
    key = await give_key(server, admin, "users:read", "users:write")
    made = await http.post(
        "/users", json={"username": "made", "scopes": ["profile"]}, headers=bearer(key.key)
    )
    assert made.status_code == 201
    listed = await http.get("/users", headers=bearer(key.key))
    assert [user["username"] for user in listed.json()["users"]] == ["admin", "made"]


async def test_a_key_makes_no_keys(http: httpx2.AsyncClient, server: Server) -> None:
    owner = await add_user(server, "owner", scopes=["api-keys:read", "api-keys:write"])
    key = await give_key(server, owner, "api-keys:read", "api-keys:write")
    wanted = {"name": "another", "scopes": []}
    response = await http.post("/api-keys", json=wanted, headers=bearer(key.key))
    problem = assert_problem(response, 403)
    assert problem["detail"] == "An API key cannot create API keys. Log in to create one."
    revoked = await http.delete(f"/api-keys/{key.id}", headers=bearer(key.key))
    assert revoked.status_code == 204


async def test_a_password_that_is_changed_with_a_key_ends_every_login(
    http: httpx2.AsyncClient, server: Server, web: TestClient
) -> None:
    owner = await add_user(server, "owner", scopes=["account", "profile"])
    key = await give_key(server, owner, "account")
    token = (await log_in(http, owner, web))["access_token"]
    change = {"current_password": PASSWORD, "new_password": "another good and long password"}
    changed = await http.post("/users/me/password", json=change, headers=bearer(key.key))
    assert changed.status_code == 204
    assert (await http.get("/users/me", headers=bearer(token))).status_code == 401


@pytest.mark.parametrize("name", ["PATCH /users/me", "POST /users", "DELETE /api-keys/{key_id}"])
@pytest.mark.parametrize("loss", ["revoke the key", "disable the user", "demote the user"])
async def test_a_key_that_is_lost_meanwhile_writes_nothing(
    http: httpx2.AsyncClient, server: Server, name: str, loss: str
) -> None:
    scope = WRITES[name].scope
    owner = await add_user(server, "owner", scopes=[scope, "profile"])
    key, other = await give_key(server, owner, scope), await give_key(server, owner)
    bodies: Mapping[str, tuple[str, str, object]] = {
        "PATCH /users/me": (
            "PATCH",
            "/users/me",
            {"email": "other@example.com", "current_password": PASSWORD},
        ),
        "POST /users": ("POST", "/users", {"username": "accomplice", "scopes": []}),
        "DELETE /api-keys/{key_id}": ("DELETE", f"/api-keys/{other.id}", None),
    }
    await http.get("/users/me", headers=bearer(key.key))  # its use is written down already
    after_the_loss: dict[str, list[str]] = {}

    async def happen() -> None:
        if loss == "revoke the key":
            await revoke_key(server, key)
        elif loss == "disable the user":
            await disable_user(server, owner)
        else:
            await take_from_user(server, owner, scope)
        after_the_loss.update(await everything(server))

    method, path, body = bodies[name]
    with Between(1, happen).applied():
        response = await http.request(method, path, json=body, headers=bearer(key.key))
    assert response.status_code == (403 if loss == "demote the user" else 401)
    assert after_the_loss
    assert await everything(server) == after_the_loss


# Introspection


async def test_introspection_answers_for_a_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, clock: TestClock
) -> None:
    made_at = clock.now()
    key = await give_key(server, alice, "profile", "items:read", expires_in=3600)
    clock.advance(10)
    await take_from_user(server, alice, "profile")
    response = await introspect(http, await add_resource_server(server), key.key)
    assert response.json() == {
        "active": True,
        "scope": "items:read",
        "username": "alice",
        "token_type": "Bearer",
        "exp": int((made_at + timedelta(seconds=3600)).timestamp()),
        "iat": int(made_at.timestamp()),
        "nbf": int(made_at.timestamp()),
        "sub": str(alice.id),
        "aud": ISSUER,
        "iss": ISSUER,
        "jti": str(key.id),
    }
    assert await last_use(server) == clock.now()


async def test_a_client_that_sees_its_own_tokens_alone_sees_no_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    key = await give_key(server, alice, "profile")
    assert await introspected(http, web, key.key) == INACTIVE
    assert await last_use(server) is None


async def test_a_revoked_key_is_inactive_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    key, caller = await give_key(server, alice, "profile"), await add_resource_server(server)
    assert (await introspected(http, caller, key.key))["active"]
    await revoke_key(server, key)
    assert await introspected(http, caller, key.key) == INACTIVE


async def test_a_refresh_token_that_begins_like_a_key_is_still_a_refresh_token(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.tokens.refresh_tokens.generate_secret", lambda: "lk_" + "x" * 40)
    client = await add_client(
        server, "any", grant_types=("password", "refresh_token"), introspect="any"
    )
    token = (await log_in(http, alice, client))["refresh_token"]
    assert (await introspected(http, client, token))["token_type"] == "refresh_token"


# Routes of a fork


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_route_of_a_fork_takes_a_key_in_either_header(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, header: str
) -> None:
    key = await give_key(server, alice, "items:read", "items:write")
    headers = {header: f"Bearer {key.key}" if header == "Authorization" else key.key}
    response = await http.get("/reports", headers=headers)
    assert (response.status_code, response.json()) == (200, ["alice", "items:read", "items:write"])
    written = await http.post("/reports", headers=headers)
    assert (written.status_code, written.json()) == (200, str(alice.id))


async def test_a_route_of_a_fork_takes_an_access_token(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "items:read"))["access_token"]
    response = await http.get("/reports", headers=bearer(token))
    assert (response.status_code, response.json()) == (200, ["alice", "items:read"])
    refused = await http.post("/reports", headers=bearer(token))
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")


async def test_a_route_of_a_fork_refuses_a_bad_credential_by_the_challenge_of_its_kind(
    http: httpx2.AsyncClient,
) -> None:
    nothing = await http.get("/reports")
    bad_key = await http.get("/reports", headers={"X-API-Key": f"lk_{uuid.uuid4()}"})
    bad_token = await http.get("/reports", headers=bearer(f"lk_{uuid.uuid4()}"))
    challenges = [r.headers["WWW-Authenticate"] for r in (nothing, bad_key, bad_token)]
    assert {r.status_code for r in (nothing, bad_key, bad_token)} == {401}
    assert challenges[0].startswith('Bearer realm="latchkey", resource_metadata=')
    assert challenges[1] == 'APIKey realm="latchkey"'
    assert challenges[2].startswith('Bearer realm="latchkey", error="invalid_token"')


async def test_openapi_says_that_a_route_of_a_fork_takes_either(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/reports"]["get"]
    assert operation["security"] == [
        {"OAuth2PasswordBearer": ["items:read"]},
        {"APIKeyHeader": ["items:read"]},
    ]
