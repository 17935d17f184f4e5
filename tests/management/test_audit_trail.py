"""What is written into the audit trail, and what never is."""

import asyncio
import hashlib
import uuid
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select

from app.api import users as users_api
from app.main import create_app
from app.management import authority
from app.models import AuditEvent, User
from app.operations.purge import purge
from app.server import Server
from tests.conftest import make_settings
from tests.features import brought
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import PASSWORD, TestClient, TestUser, add_user, log_in
from tests.support.lifecycle import (
    add_refreshing,
    add_service,
    introspected,
    login_of,
    own_token,
    refresh,
    refreshed,
    revoke,
    revoked,
)
from tests.support.operators import (
    EVERY_SCOPE,
    add_somebody,
    events,
    token_of,
)
from tests.support.started import started
from tests.support.trail import AGENT, an_event, written

NEW_PASSWORD = "another horse battery staple"


@pytest.fixture(autouse=True)
async def _empty_trail(server: Server, console: TestClient) -> None:
    assert console
    await server.audit_batch.write()
    async with server.database.transaction() as connection:
        await connection.execute(delete(AuditEvent))


@pytest.fixture(autouse=True)
def _agent(http: httpx2.AsyncClient) -> None:
    http.headers["User-Agent"] = AGENT


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_refreshing(server, f"shop-{uuid.uuid4()}")


# Logins


async def test_a_login_and_its_tokens_are_written_down(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    shop: TestClient,
    clock: TestClock,
) -> None:
    tokens = await log_in(http, alice, shop, "profile email")
    assert await written(server, "login.succeeded") == [
        an_event(alice.id, alice.id, shop.client_id, door="token")
    ]
    assert await written(server, "token.issued") == [
        an_event(
            alice.id,
            alice.id,
            shop.client_id,
            grant="password",
            scope="profile email",
            session=str(login_of(tokens)),
        )
    ]
    assert {event.at for event in await events(server)} == {clock.now()}


@pytest.mark.parametrize(
    ("state", "password", "reason"),
    [
        pytest.param("enabled", "wrong horse battery staple", "wrong password", id="wrong"),
        pytest.param("disabled", PASSWORD, "disabled user", id="disabled"),
        pytest.param("disabled", "wrong horse", "wrong password", id="disabled and wrong"),
        pytest.param("unknown", PASSWORD, "unknown user", id="unknown"),
        pytest.param("without", PASSWORD, "wrong password", id="no password"),
    ],
)
async def test_a_failed_login_is_written_down_with_its_reason_and_without_what_was_typed(
    http: httpx2.AsyncClient,
    server: Server,
    shop: TestClient,
    state: str,
    password: str,
    reason: str,
) -> None:
    name = f"typed-{uuid.uuid4()}"
    user = None
    if state != "unknown":
        stored = None if state == "without" else ""
        user = await add_user(server, name, password_hash=stored, disabled=state == "disabled")
    form = {"grant_type": "password", "username": name, "password": password, "scope": "profile"}
    response = await http.post("/token", data=form, auth=shop.basic)
    assert_oauth2_error(response, "invalid_grant")
    assert await written(server, "login.failed") == [
        an_event(None, user.id if user else None, shop.client_id, door="token", reason=reason)
    ]
    assert len(await events(server)) == 1
    trail = await dump(server)
    assert name not in trail
    assert password not in trail


async def test_a_right_password_without_any_scope_to_grant_is_a_failed_login(
    http: httpx2.AsyncClient, server: Server, shop: TestClient
) -> None:
    user = await add_somebody(server, "items:write")
    form = {"grant_type": "password", "username": user.username, "password": user.password}
    response = await http.post("/token", data=form | {"scope": "profile"}, auth=shop.basic)
    assert_oauth2_error(response, "invalid_scope")
    assert await written(server, "login.failed") == [
        an_event(None, user.id, shop.client_id, door="token", reason="no scope to grant")
    ]
    assert len(await events(server)) == 1


async def test_a_wrong_current_password_is_a_failed_login(
    http: httpx2.AsyncClient, server: Server, console: TestClient
) -> None:
    manager = await add_somebody(server, "account")
    body = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    headers = await token_of(server, manager, "account")
    await http.post("/users/me/password", json=body, headers=headers)
    assert await written(server, "login.failed") == [
        an_event(None, manager.id, console.client_id, door="account", reason="wrong password")
    ]


async def test_a_long_user_agent_is_cut(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
) -> None:
    http.headers["User-Agent"] = "x" * 1000
    await log_in(http, alice, shop)
    (event,) = await written(server, "login.succeeded")
    assert event["user_agent"] == "x" * 255


# Tokens


async def test_a_refresh_is_written_down(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
) -> None:
    tokens = await log_in(http, alice, shop)
    await refreshed(http, shop, tokens["refresh_token"])
    (event,) = await written(server, "token.refreshed")
    assert event == an_event(alice.id, alice.id, shop.client_id) | {"details": event["details"]}


async def test_a_refresh_token_that_comes_again_is_written_down_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
) -> None:
    tokens = await log_in(http, alice, shop)
    await refreshed(http, shop, tokens["refresh_token"])
    await asyncio.gather(*(refresh(http, shop, tokens["refresh_token"]) for _ in range(8)))
    assert await written(server, "token.reused") == [
        an_event(None, alice.id, shop.client_id, session=str(login_of(tokens)))
    ]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_revocation_is_written_down_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, kind: str
) -> None:
    tokens = await log_in(http, alice, shop)
    await asyncio.gather(*(revoked(http, shop, tokens[kind]) for _ in range(3)))
    await revoked(http, shop, tokens["access_token"])
    await revoked(http, shop, tokens["refresh_token"])
    assert await written(server, "token.revoked") == [
        an_event(shop.client_id, alice.id, shop.client_id, session=str(login_of(tokens)))
    ]


async def test_a_revocation_of_a_clients_own_token_is_written_down_once(
    http: httpx2.AsyncClient, server: Server
) -> None:
    service = await add_service(server, f"service-{uuid.uuid4()}")
    token = await own_token(http, service)
    await asyncio.gather(*(revoked(http, service, token) for _ in range(3)))
    assert await written(server, "token.revoked") == [
        an_event(service.client_id, None, service.client_id)
    ]


async def test_a_revocation_of_a_strangers_token_is_no_event(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
) -> None:
    stranger = await add_refreshing(server, f"stranger-{uuid.uuid4()}")
    tokens = await log_in(http, alice, shop)
    await revoke(http, stranger, tokens["access_token"])
    await revoke(http, stranger, tokens["refresh_token"])
    assert await written(server, "token.revoked") == []


async def test_a_clients_own_token_is_written_down_in_a_batch(
    http: httpx2.AsyncClient, server: Server
) -> None:
    service = await add_service(server, f"service-{uuid.uuid4()}")
    await own_token(http, service)
    async with server.database.read() as connection:
        assert (await connection.execute(select(AuditEvent.id))).all() == []
    assert await written(server, "token.issued") == [
        an_event(
            service.client_id,
            None,
            service.client_id,
            grant="client_credentials",
            scope="items:read",
        )
    ]


@pytest.mark.parametrize("active", [True, False], ids=["a good token", "a bad one"])
async def test_an_introspection_is_written_down_in_a_batch(
    http: httpx2.AsyncClient, server: Server, active: bool
) -> None:
    service = await add_service(server, f"service-{uuid.uuid4()}")
    token = await own_token(http, service) if active else "a.b.c"
    assert (await introspected(http, service, token))["active"] is active
    assert await written(server, "token.introspected") == [
        an_event(service.client_id, None, service.client_id, active=active)
    ]


async def test_a_batch_is_written_once(http: httpx2.AsyncClient, server: Server) -> None:
    service = await add_service(server, f"service-{uuid.uuid4()}")
    for _ in range(3):
        await own_token(http, service)
    assert len(await written(server, "token.issued")) == 3
    assert len(await written(server, "token.issued")) == 3


async def test_a_batch_is_written_when_the_server_stops(sqlite: Backend) -> None:
    url = sqlite.migrated()
    settings = make_settings(database_url=url)
    app = create_app(settings, TestClock())
    async with started(app) as http:
        service = await add_service(app.state.server, "service")
        await own_token(http, service)
    again = Server(settings, TestClock())
    async with again.database.read() as connection:
        types = (await connection.scalars(select(AuditEvent.type))).all()
    await again.close()
    sqlite.drop(url)
    assert types == ["token.issued"]


# One's own account, over HTTP


async def test_what_a_user_does_to_their_account_is_written_down(
    http: httpx2.AsyncClient, server: Server, console: TestClient
) -> None:
    alice = await add_somebody(server, "account")
    headers = await token_of(server, alice, "account")
    other = await log_in(http, alice, console, "account")
    session = str(login_of(other))
    ended = await http.delete(f"/users/me/sessions/{session}", headers=headers)
    assert ended.status_code == 204
    body = {"email": "new@example.com", "current_password": alice.password}
    assert (await http.patch("/users/me", json=body, headers=headers)).status_code == 200
    body = {"current_password": alice.password, "new_password": NEW_PASSWORD}
    assert (await http.post("/users/me/password", json=body, headers=headers)).status_code == 204
    by_alice = (alice.id, alice.id, console.client_id)
    assert await written(server, "session.ended") == [an_event(*by_alice, session=session)]
    assert await written(server, "email.changed") == [an_event(*by_alice)]
    assert await written(server, "password.changed") == [an_event(*by_alice)]


# Management


async def test_what_is_done_to_a_user_is_written_down_with_the_difference(
    http: httpx2.AsyncClient, server: Server, admin: TestUser, as_admin: dict[str, str]
) -> None:
    body = {"username": f"user-{uuid.uuid4()}", "scopes": ["profile", "email"]}
    created = await http.post("/users", json=body, headers=as_admin)
    address, user_id = created.headers["location"], created.json()["id"]
    changes = {"email": "a@example.com", "scopes": ["email", "account"], "disabled": True}
    await http.patch(address, json=changes, headers=as_admin)
    await http.post(f"{address}/password", json={"password": NEW_PASSWORD}, headers=as_admin)
    await http.delete(address, headers=as_admin)
    assert [event.type for event in await events(server, user_id=user_id)] == [
        "user.created",
        "user.changed",
        "user.password_reset",
        "user.deleted",
    ]
    who = (admin.id, user_id, None)
    assert await written(server, "user.created") == [
        an_event(*who, username=body["username"], scopes=["email", "profile"])
    ]
    assert await written(server, "user.changed") == [
        an_event(
            *who,
            email="changed",
            scopes_added=["account"],
            scopes_removed=["profile"],
            disabled=True,
        )
    ]
    assert await written(server, "user.password_reset") == [an_event(*who)]
    assert await written(server, "user.deleted") == [an_event(*who, username=body["username"])]


async def test_what_is_done_to_a_client_is_written_down_with_the_difference(
    http: httpx2.AsyncClient,
    server: Server,
    admin: TestUser,
    as_admin: dict[str, str],
    clock: TestClock,
) -> None:
    body = {"name": "App", "grant_types": ["client_credentials"]}
    created = await http.post("/clients", json=body, headers=as_admin)
    policy = {
        name: value
        for name, value in created.json()["client"].items()
        if name not in ("client_id", "created_at", "updated_at", "disabled_at", "self_registered")
    }
    address, client_id = created.headers["location"], created.json()["client_id"]
    changes = {"name": "Other", "default_scopes": ["items:read"], "disabled": True}
    await http.patch(address, json=changes, headers=as_admin)
    until = clock.now() + timedelta(days=7)
    await http.post(f"{address}/secret", json={}, headers=as_admin)
    await http.delete(address, headers=as_admin)
    who = (admin.id, None, client_id)
    assert await written(server, "client.created") == [an_event(*who, **policy, disabled=False)]
    assert await written(server, "client.changed") == [
        an_event(
            *who,
            name="Other",
            scopes=["items:read"],
            default_scopes=["items:read"],
            disabled=True,
        )
    ]
    assert await written(server, "client.secret_rotated") == [
        an_event(*who, old_secret_expires_at=until.isoformat())
    ]
    assert await written(server, "client.deleted") == [an_event(*who, name="Other")]
    assert len(await events(server, client_id=client_id)) == 4


async def test_what_is_done_to_a_scope_is_written_down(
    http: httpx2.AsyncClient, server: Server, admin: TestUser, as_admin: dict[str, str]
) -> None:
    name = f"reports-{uuid.uuid4()}"
    body = {"name": name, "description": "Reports"}
    created = await http.post("/scopes", json=body, headers=as_admin)
    await http.delete(created.headers["location"], headers=as_admin)
    assert await written(server, "scope.created") == [
        an_event(admin.id, None, None, scope=name, description="Reports")
    ]
    assert await written(server, "scope.deleted") == [an_event(admin.id, None, None, scope=name)]


# Together with what it tells, or not at all


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/users", {"username": "x", "email": "none"}, id="new user"),
        pytest.param(
            "PATCH", "/users/{user}", {"disabled": True, "scopes": ["gone"]}, id="changed user"
        ),
        pytest.param(
            "POST",
            "/clients",
            {"name": "x", "grant_types": ["password"], "redirect_uris": ["x"]},
            id="new client",
        ),
        pytest.param("POST", "/scopes", {"name": "email", "description": "x"}, id="scope twice"),
        pytest.param("DELETE", "/scopes/email", None, id="scope in use"),
    ],
)
async def test_a_change_that_is_refused_leaves_no_event(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    path = path.replace("{user}", str(alice.id))
    response = await http.request(method, path, json=body, headers=as_admin)
    assert_problem(response, response.status_code)
    assert response.status_code in (409, 422)
    assert await events(server) == []


async def test_a_change_that_is_rolled_back_leaves_no_event(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("after the event is written")

    monkeypatch.setattr(users_api, "with_etag", fail)
    changes = {"email": "new@example.com"}
    response = await http.patch(f"/users/{alice.id}", json=changes, headers=as_admin)
    assert_problem(response, 500)
    assert await events(server) == []


async def test_a_change_whose_event_cannot_be_written_is_not_made(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the trail is full")

    with monkeypatch.context() as patch:
        patch.setattr(authority, "record", fail)
        assert_problem(await http.delete(f"/users/{alice.id}", headers=as_admin), 500)
    shown = await http.get(f"/users/{alice.id}", headers=as_admin)
    assert shown.status_code == 200


# What never is in it


async def dump(server: Server) -> str:
    """Every row of the trail."""
    await server.audit_batch.write()
    async with server.database.read() as connection:
        rows = await connection.execute(select(AuditEvent.__table__))
        return "\n".join(repr(row) for row in rows)


async def test_no_credential_is_in_any_row(
    http: httpx2.AsyncClient,
    app: FastAPI,
    server: Server,
    as_admin: dict[str, str],
    console: TestClient,
) -> None:
    """All that is sent and all that is issued is searched for, and its hashes too."""
    credentials = {PASSWORD, NEW_PASSWORD, as_admin["Authorization"].split()[1]}

    def keep(answer: dict[str, Any], *names: str) -> None:
        credentials.update(answer[name] for name in names)

    alice = await add_somebody(server, *EVERY_SCOPE)
    service = await add_service(server, f"service-{uuid.uuid4()}")
    credentials.add(service.secret)
    tokens = await log_in(http, alice, console)
    keep(tokens, "access_token", "refresh_token")
    again = await refreshed(http, console, tokens["refresh_token"])
    keep(again, "access_token", "refresh_token")
    await refresh(http, console, tokens["refresh_token"])
    credentials.add(token := await own_token(http, service))
    await introspected(http, service, token)
    await revoked(http, service, token)
    for more in brought("CREDENTIALS").values():
        credentials |= await more(app, alice)
    headers = await token_of(server, alice, *EVERY_SCOPE)
    for path, body, member in brought("SHOWN_ONCE").values():
        keep((await http.post(path, json=body, headers=headers)).json(), member)
    body = {"name": "App", "grant_types": ["password"]}
    client = await http.post("/clients", json=body, headers=as_admin)
    keep(client.json(), "client_secret")
    address = client.headers["location"]
    keep((await http.post(f"{address}/secret", json={}, headers=as_admin)).json(), "client_secret")
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await http.post("/users/me/password", json=body, headers=headers)).status_code == 204
    wrong = {"current_password": "typed but wrong", "new_password": NEW_PASSWORD}
    await http.post("/users/me/password", json=wrong, headers=headers)
    credentials.add("typed but wrong")
    body = {"password": "a third horse battery staple"}
    credentials.add(body["password"])
    await http.post(f"/users/{alice.id}/password", json=body, headers=as_admin)
    trail = await dump(server)
    assert len(credentials) >= 12
    found = {credential for credential in credentials if credential in trail}
    hashes = {hashlib.sha256(credential.encode()).hexdigest() for credential in credentials}
    assert found | {value for value in hashes if value in trail} == set()
    assert "argon2" not in trail
    assert "sha256" not in trail


# How long it stays


async def test_events_stay_unless_a_purge_names_their_age(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    shop: TestClient,
    clock: TestClock,
) -> None:
    await log_in(http, alice, shop)
    clock.advance(1000 * 24 * 3600)
    assert "audit_events" not in await purge(server)
    assert len(await events(server)) == 2


async def test_a_purge_deletes_events_that_are_older_than_it_says(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    shop: TestClient,
    clock: TestClock,
) -> None:
    await log_in(http, alice, shop)
    clock.advance(24 * 3600)
    await log_in(http, alice, shop)
    clock.advance(29 * 24 * 3600)
    assert (await purge(server, 30))["audit_events"] == 0
    clock.advance(0.001)
    assert (await purge(server, 30))["audit_events"] == 2
    assert len(await events(server, user_id=str(alice.id))) == 2


async def test_a_purge_of_the_trail_is_written_into_it(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    assert http
    await purge(server, 30)
    (event,) = await events(server)
    assert (event.type, event.actor) == ("trail.purged", "operator")
    assert event.details == {"before": (clock.now() - timedelta(days=30)).isoformat()}


async def test_events_outlive_a_user_and_a_client(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    shop: TestClient,
) -> None:
    await log_in(http, alice, shop)
    before = await events(server)
    assert (await http.delete(f"/users/{alice.id}", headers=as_admin)).status_code == 204
    assert (await http.delete(f"/clients/{shop.client_id}", headers=as_admin)).status_code == 204
    after = await events(server)
    assert list(after[: len(before)]) == list(before)
    assert [event.type for event in after[len(before) :]] == ["user.deleted", "client.deleted"]
    response = await http.get("/audit", params={"user": str(alice.id)}, headers=as_admin)
    assert [event["type"] for event in response.json()["events"]] == [
        "user.deleted",
        "token.issued",
        "login.succeeded",
    ]
    async with server.database.read() as connection:
        assert await connection.scalar(select(User.id).where(User.id == alice.id)) is None
