"""What could differ between SQLite and PostgreSQL: odd characters, and requests at one time."""

import asyncio
import uuid
from datetime import datetime
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, insert, select, text

from app.identity.clients import hold_client
from app.identity.scopes import list_scopes
from app.identity.users import hold_user
from app.models import ClientScope, Login, Scope, UserScope
from app.server import Server
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user, log_in
from tests.support.lifecycle import (
    KNOWN_EVERYWHERE,
    act_for_itself,
    add_refreshing,
    add_service,
    login_of,
    refreshed,
)
from tests.support.operators import (
    EVERY_SCOPE,
    THE_LAST,
    add_console,
    add_somebody,
    assert_refused,
    events,
    walk,
)
from tests.support.started import app, clock, http, server, settings

__all__ = ["app", "clock", "http", "server", "settings"]

AT_ONCE = 4


@pytest.fixture(scope="module")
async def console(server: Server) -> TestClient:
    return await add_console(server)


@pytest.fixture(scope="module")
async def admin(server: Server) -> TestUser:
    return await add_user(server, "admin", scopes=EVERY_SCOPE)


# The NUL character, which PostgreSQL cannot store nor compare

CLIENT = {"name": "App", "grant_types": ["password"]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/users?name=%00", None, id="name of a user"),
        pytest.param("GET", "/clients?cursor=%00", None, id="cursor of a client"),
        pytest.param("GET", "/clients/%00", None, id="client"),
        pytest.param("PATCH", "/clients/a%00b", {}, id="client that is changed"),
        pytest.param("POST", "/clients/%00/secret", {}, id="client that is given a secret"),
        pytest.param("DELETE", "/clients/%00", None, id="client that is deleted"),
        pytest.param("DELETE", "/scopes/%00", None, id="scope that is deleted"),
        pytest.param("GET", "/audit?user=%00", None, id="user in the trail"),
        pytest.param("GET", "/audit?client=%00", None, id="client in the trail"),
        pytest.param("GET", "/audit?type=%00", None, id="type in the trail"),
        pytest.param("POST", "/users", {"username": "a\x00b"}, id="new user"),
        pytest.param("POST", "/users", {"username": "a", "scopes": ["\x00"]}, id="their scope"),
        pytest.param("POST", "/clients", CLIENT | {"name": "a\x00b"}, id="new client"),
        pytest.param("POST", "/clients", CLIENT | {"client_id": "a\x00b"}, id="its id"),
        pytest.param("POST", "/scopes", {"name": "a\x00b", "description": "a"}, id="new scope"),
        pytest.param("POST", "/scopes", {"name": "a", "description": "a\x00b"}, id="its sentence"),
    ],
)
async def test_a_nul_character_is_no_fault_of_the_server(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    response = await http.request(method, path, json=body, headers=as_admin)
    assert response.status_code in (200, 403, 404, 422), response.text
    if response.status_code != 200:
        assert_problem(response, response.status_code)


async def test_names_in_any_script_are_listed_once_and_in_one_order(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    names = {"Zoë", "zoe", "Ж", "ж\u0301", "a b", "a-b", "a_b", "ab", "A B C", "🔑", "日本", "ﬁ"}
    for name in names:
        await add_user(server, name, password_hash=None, scopes=())
    whole = await walk(http, as_admin, "/users", "users", "username", limit=200)
    single = await walk(http, as_admin, "/users", "users", "username", limit=1)
    (in_order,) = whole
    assert single == [[name] for name in in_order]
    assert names <= set(in_order)


@pytest.mark.parametrize("name", ["Ünïcode", "🔑 ring", "a-b", "a b", "日本語"])
async def test_a_name_is_found_by_each_of_its_beginnings(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], name: str
) -> None:
    full = f"{uuid.uuid4()} {name}"
    await add_user(server, full, password_hash=None, scopes=())
    for length in range(36, len(full) + 1):
        pages = await walk(http, as_admin, "/users", "users", "username", name=full[:length])
        assert pages == [[full]]


# Requests at one time


async def at_once(
    http: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str], *bodies: Any
) -> list[httpx2.Response]:
    return await asyncio.gather(
        *(http.request(method, path, json=body, headers=headers) for body in bodies)
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/users", {"username": "{new}"}, id="user"),
        pytest.param("/clients", CLIENT | {"client_id": "{new}"}, id="client"),
        pytest.param("/scopes", {"name": "{new}", "description": "x"}, id="scope"),
    ],
)
async def test_of_several_that_are_created_at_once_under_one_name_one_is_made(
    http: httpx2.AsyncClient, as_admin: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    new = f"new-{uuid.uuid4()}"
    body = {key: new if value == "{new}" else value for key, value in body.items()}
    responses = await at_once(http, "POST", path, as_admin, *[body] * AT_ONCE)
    assert sorted(response.status_code for response in responses) == [201] + [409] * (AT_ONCE - 1)
    for response in responses:
        if response.status_code != 201:
            assert_problem(response, 409)


@pytest.mark.parametrize("kind", ["users", "clients"])
async def test_of_several_edits_of_one_version_at_once_one_succeeds(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    clock: TestClock,
    kind: str,
) -> None:
    if kind == "users":
        path = f"/users/{(await add_somebody(server)).id}"
        bodies = [{"email": f"{number}@example.com"} for number in range(AT_ONCE)]
    else:
        path = f"/clients/{(await add_service(server, f'service-{uuid.uuid4()}')).client_id}"
        bodies = [{"name": f"Number {number}"} for number in range(AT_ONCE)]
    etag = (await http.get(path, headers=as_admin)).headers["etag"]
    clock.advance(1)
    responses = await at_once(http, "PATCH", path, as_admin | {"If-Match": etag}, *bodies)
    assert sorted(response.status_code for response in responses) == [200] + [412] * (AT_ONCE - 1)
    (winner,) = [response for response in responses if response.status_code == 200]
    assert (await http.get(path, headers=as_admin)).json() == winner.json()


@pytest.mark.parametrize("how", ["disable", "delete", "scopes"])
async def test_of_the_last_administrators_that_go_at_once_one_stays(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], admin: TestUser, how: str
) -> None:
    others = [await add_somebody(server, "users:write") for _ in range(3)]
    assert admin
    # The first administrator is among them, and is put back afterwards.
    targets = [*others, admin]
    bodies = {"disable": {"disabled": True}, "scopes": {"scopes": []}, "delete": None}
    method = "DELETE" if how == "delete" else "PATCH"
    if how == "delete":
        targets = others
        await http.patch(
            f"/users/{admin.id}",
            json={"scopes": [scope for scope in EVERY_SCOPE if scope != "users:write"]},
            headers=as_admin,
        )
    async with server.database.read() as connection:
        every_scope = list(await list_scopes(connection))
    service = await add_service(
        server, f"robot-{uuid.uuid4()}", scopes=every_scope, default_scopes=["users:write"]
    )
    token = (await act_for_itself(http, service)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    responses = await asyncio.gather(
        *(
            http.request(method, f"/users/{user.id}", json=bodies[how], headers=headers)
            for user in targets
        )
    )
    restored = await http.patch(
        f"/users/{admin.id}",
        json={"disabled": False, "scopes": list(EVERY_SCOPE)},
        headers=headers,
    )
    assert restored.status_code == 200, restored.text
    for user in others:
        await http.delete(f"/users/{user.id}", headers=headers)
    refused = [response for response in responses if response.status_code == 409]
    assert len(refused) == 1
    assert_refused(refused[0], 409, THE_LAST)
    assert {r.status_code for r in responses} - {409} <= {200, 204}


async def test_of_several_rotations_at_once_at_most_two_secrets_stay_good(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock
) -> None:
    service = await add_service(server, f"service-{uuid.uuid4()}")
    clock.advance(1)
    path = f"/clients/{service.client_id}/secret"
    responses = await at_once(http, "POST", path, as_admin, *[{}] * AT_ONCE)
    secrets = [r.json()["client_secret"] for r in responses if r.status_code == 200]
    clock.advance(KNOWN_EVERYWHERE)
    good = [
        secret
        for secret in (service.secret, *secrets)
        if (await act_for_itself(http, TestClient(service.client_id, secret))).status_code == 200
    ]
    assert 1 <= len(good) <= 2
    assert all(response.status_code in (200, 409, 412) for response in responses)


async def until_somebody_waits(server: Server) -> None:
    """On PostgreSQL, for a lock on a row; on SQLite writers stand in line in any case."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with server.database.read() as connection:
        while not server.database.is_sqlite and not await connection.scalar(waiting):
            pass


async def test_a_scope_that_is_given_while_it_is_deleted_is_a_conflict(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    name = f"reports-{uuid.uuid4()}"
    body = {"name": name, "description": "Reports"}
    assert (await http.post("/scopes", json=body, headers=as_admin)).status_code == 201
    somebody = await add_somebody(server)
    async with server.database.transaction() as connection:
        await connection.execute(insert(UserScope).values(user_id=somebody.id, scope=name))
        deletion = asyncio.create_task(http.delete(f"/scopes/{name}", headers=as_admin))
        await until_somebody_waits(server)
    assert_problem(await deletion, 409)
    assert (await http.get(f"/scopes/{name}", headers=as_admin)).status_code == 200


async def test_a_scope_that_is_deleted_while_it_is_given_is_refused(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    name = f"reports-{uuid.uuid4()}"
    body = {"name": name, "description": "Reports"}
    assert (await http.post("/scopes", json=body, headers=as_admin)).status_code == 201
    user = {"username": f"user {uuid.uuid4()}", "scopes": [name]}
    async with server.database.transaction() as connection:
        for table in (UserScope, ClientScope):
            await connection.execute(delete(table).where(table.scope == name))
        await connection.execute(delete(Scope).where(Scope.name == name))
        creation = asyncio.create_task(http.post("/users", json=user, headers=as_admin))
        await until_somebody_waits(server)
    assert_problem(await creation, 422 if server.database.is_sqlite else 409)


async def test_a_user_is_disabled_when_nothing_is_issued_to_them_any_more(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock
) -> None:
    somebody = await add_somebody(server)
    async with server.database.transaction() as connection:
        await hold_user(connection, somebody.id)
        disabling = asyncio.create_task(
            http.patch(f"/users/{somebody.id}", json={"disabled": True}, headers=as_admin)
        )
        await until_somebody_waits(server)
        clock.advance(1)
    disabled_at = (await disabling).json()["disabled_at"]
    assert datetime.fromisoformat(disabled_at) == clock.now()


async def test_the_logins_of_a_user_end_when_nothing_is_issued_to_them_any_more(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock
) -> None:
    somebody = await add_somebody(server, "profile")
    tokens = await log_in(http, somebody, await add_refreshing(server, f"shop-{uuid.uuid4()}"))
    async with server.database.transaction() as connection:
        await hold_user(connection, somebody.id)
        path, new = f"/users/{somebody.id}/password", {"password": "another horse battery staple"}
        resetting = asyncio.create_task(http.post(path, json=new, headers=as_admin))
        await until_somebody_waits(server)
        clock.advance(1)
    assert (await resetting).status_code == 204
    async with server.database.read() as connection:
        ended_at = select(Login.ended_at).where(Login.id == login_of(tokens))
        assert await connection.scalar(ended_at) == clock.now()


async def test_a_client_is_disabled_when_nothing_is_issued_through_it_any_more(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock
) -> None:
    somebody = await add_somebody(server, "profile")
    shop = await add_refreshing(server, f"shop-{uuid.uuid4()}")
    tokens = await log_in(http, somebody, shop)
    async with server.database.transaction() as connection:
        await hold_client(connection, shop.client_id)
        disabling = asyncio.create_task(
            http.patch(f"/clients/{shop.client_id}", json={"disabled": True}, headers=as_admin)
        )
        await until_somebody_waits(server)
        clock.advance(1)
    disabled_at = (await disabling).json()["disabled_at"]
    assert datetime.fromisoformat(disabled_at) == clock.now()
    async with server.database.read() as connection:
        ended_at = select(Login.ended_at).where(Login.id == login_of(tokens))
        assert await connection.scalar(ended_at) == clock.now()


# Events that are written by one statement on PostgreSQL, and by several on SQLite


async def test_a_refresh_is_written_down_whole(
    http: httpx2.AsyncClient, server: Server, console: TestClient
) -> None:
    alice = await add_somebody(server, "profile")
    shop = await add_refreshing(server, f"shop-{uuid.uuid4()}")
    tokens = await log_in(http, alice, shop)
    http.headers["User-Agent"] = "agent/1.0"
    await refreshed(http, shop, tokens["refresh_token"])
    (event,) = await events(server, user_id=str(alice.id), event_type="token.refreshed")
    assert (event.actor, event.client_id) == (str(alice.id), shop.client_id)
    assert (event.address, event.user_agent) == ("127.0.0.1", "agent/1.0")
    assert event.at == server.clock.now()
    assert event.details.get("session", str(login_of(tokens))) == str(login_of(tokens))


async def test_a_change_and_its_event_are_found_again(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], admin: TestUser
) -> None:
    somebody = await add_somebody(server, "profile")
    await http.patch(f"/users/{somebody.id}", json={"scopes": ["email"]}, headers=as_admin)
    query = {"user": str(somebody.id), "since": server.clock.now().isoformat()}
    answer = await http.get("/audit", params=query, headers=as_admin)
    (event,) = answer.json()["events"]
    assert (event["type"], event["actor"]) == ("user.changed", str(admin.id))
    assert event["details"] == {"scopes_added": ["email"], "scopes_removed": ["profile"]}
