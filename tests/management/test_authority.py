"""Who may change what: nobody rises above themselves, and nobody locks everybody out."""

import asyncio
import uuid
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete
from typer.testing import Result

from app.identity.scopes import list_scopes
from app.models import AuditEvent, User
from app.server import Server
from tests.features import brought
from tests.support.assertions import assert_bearer_error, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user, log_in
from tests.support.lifecycle import KNOWN_EVERYWHERE, add_service, own_token, take_from_client
from tests.support.operators import (
    EVERY_SCOPE,
    NOT_YOURS,
    SENTINEL,
    THE_LAST,
    TOO_GREAT,
    add_somebody,
    assert_invalid,
    assert_refused,
    events,
    token_of,
    token_of_client,
)
from tests.support.shell import Shell, assert_line

pytestmark = pytest.mark.usefixtures("no_dotenv_file")

HELPDESK = ("profile", "users:read", "users:write", "clients:read", "clients:write")
"""What somebody has who manages, and who has not everything."""

NEW_PASSWORD = "another horse battery staple"


@pytest.fixture
async def helpdesk(server: Server, console: TestClient) -> dict[str, str]:
    """The header of a user who manages users and clients and has no scope beside."""
    assert console
    user = await add_somebody(server, *HELPDESK, name="helpdesk")
    return await token_of(server, user, *HELPDESK)


@pytest.fixture
async def robot(server: Server) -> dict[str, str]:
    """The header of a client that manages users and clients for itself."""
    client = await add_service(server, f"robot-{uuid.uuid4()}", scopes=HELPDESK, default_scopes=())
    return await token_of_client(server, client, *HELPDESK[1:])


@pytest.fixture(params=["helpdesk", "robot"], ids=["user", "client"])
def headers(
    request: pytest.FixtureRequest, helpdesk: dict[str, str], robot: dict[str, str]
) -> dict[str, str]:
    """Both kinds of those who manage, one after the other."""
    return helpdesk if request.param == "helpdesk" else robot


# Granting


async def test_a_user_is_created_with_scopes_that_one_has(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    body = {"username": f"user-{uuid.uuid4()}", "scopes": list(HELPDESK)}
    response = await http.post("/users", json=body, headers=headers)
    assert (response.status_code, response.json()["scopes"]) == (201, sorted(HELPDESK))


async def test_nobody_creates_a_user_with_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    username = f"user-{uuid.uuid4()}"
    body = {"username": username, "scopes": ["profile", "audit:read"]}
    assert_refused(await http.post("/users", json=body, headers=headers), 403, NOT_YOURS)
    listed = await http.get("/users", params={"name": username}, headers=headers)
    assert listed.json()["users"] == []


async def test_nobody_gives_a_user_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, server: Server, headers: dict[str, str]
) -> None:
    user = await add_somebody(server, "profile")
    changes = {"scopes": ["profile", "audit:read"]}
    response = await http.patch(f"/users/{user.id}", json=changes, headers=headers)
    assert_refused(response, 403, NOT_YOURS)
    shown = await http.get(f"/users/{user.id}", headers=headers)
    assert shown.json()["scopes"] == ["profile"]


@pytest.mark.parametrize("field", ["scopes", "default_scopes"])
async def test_nobody_creates_a_client_with_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, headers: dict[str, str], field: str
) -> None:
    client_id = f"client-{uuid.uuid4()}"
    body = {
        "name": "App",
        "client_id": client_id,
        "grant_types": ["client_credentials"],
        field: ["users:read", "audit:read"],
    }
    assert_refused(await http.post("/clients", json=body, headers=headers), 403, NOT_YOURS)
    assert_problem(await http.get(f"/clients/{client_id}", headers=headers), 404)


@pytest.mark.parametrize("field", ["scopes", "default_scopes"])
async def test_nobody_gives_a_client_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, server: Server, headers: dict[str, str], field: str
) -> None:
    client = await add_service(
        server, f"client-{uuid.uuid4()}", scopes=["profile"], default_scopes=()
    )
    before = await http.get(f"/clients/{client.client_id}", headers=headers)
    changes = {field: ["profile", "audit:read"]}
    response = await http.patch(f"/clients/{client.client_id}", json=changes, headers=headers)
    assert_refused(response, 403, NOT_YOURS)
    after = await http.get(f"/clients/{client.client_id}", headers=headers)
    assert after.json() == before.json()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("kind", "field"), [("users", "scopes"), ("clients", "scopes"), ("clients", "default_scopes")]
)
async def test_an_unknown_scope_is_no_question_of_authority(
    http: httpx2.AsyncClient, server: Server, headers: dict[str, str], method: str, kind: str,
    field: str,
) -> None:  # fmt: skip
    """It is the field that is wrong, for a new record as for one that is there."""
    path = f"/{kind}"
    body: dict[str, Any] = {}
    if method == "PATCH" and kind == "users":
        path += f"/{(await add_somebody(server)).id}"
    elif method == "PATCH":
        client_id = f"client-{uuid.uuid4()}"
        await add_client(server, client_id, scopes=(), default_scopes=())
        path += f"/{client_id}"
    elif kind == "users":
        body = {"username": f"user-{uuid.uuid4()}"}
    else:
        body = {"name": "App", "grant_types": ["client_credentials"]}
    body |= {field: ["profile", SENTINEL]}
    response = await http.request(method, path, json=body, headers=headers)
    problem = assert_problem(response, 422)
    reason = "there is no scope with that name"
    assert problem["detail"] == reason
    assert problem["errors"] == [{"field": f"body.{field}", "reason": reason}]
    assert SENTINEL not in response.text


async def test_no_client_takes_the_name_of_the_command_line(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    """What it did would look like the operator's work in the audit trail."""
    body = {"client_id": "operator", "name": "App", "grant_types": ["client_credentials"]}
    response = await http.post("/clients", json=body, headers=headers)
    reason = "this client id is reserved: the audit trail uses it for the command line"
    assert_invalid(response, ("body.client_id", reason))


async def test_nobody_gives_themselves_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_somebody(server, *HELPDESK)
    headers = await token_of(server, user, *HELPDESK)
    changes = {"scopes": [*HELPDESK, "audit:read"]}
    response = await http.patch(f"/users/{user.id}", json=changes, headers=headers)
    assert_refused(response, 403, NOT_YOURS)


async def test_no_client_gives_itself_a_scope_that_it_does_not_have(
    http: httpx2.AsyncClient, server: Server
) -> None:
    client = await add_service(server, f"client-{uuid.uuid4()}", scopes=HELPDESK, default_scopes=())
    headers = await token_of_client(server, client, "clients:write")
    changes = {"scopes": [*HELPDESK, "audit:read"]}
    response = await http.patch(f"/clients/{client.client_id}", json=changes, headers=headers)
    assert_refused(response, 403, NOT_YOURS)


async def test_a_scope_is_granted_by_whoever_has_it_although_their_token_has_it_not(
    http: httpx2.AsyncClient, server: Server, admin: TestUser, console: TestClient
) -> None:
    headers = await token_of(server, admin, "users:write", client_id=console.client_id)
    body = {"username": f"user-{uuid.uuid4()}", "scopes": ["audit:read"]}
    response = await http.post("/users", json=body, headers=headers)
    assert (response.status_code, response.json()["scopes"]) == (201, ["audit:read"])


async def test_a_new_scope_can_be_given_by_whoever_added_it(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    """Else no scope that is added through the API could ever be used through it."""
    name = f"reports-{uuid.uuid4()}"
    body = {"name": name, "description": "Read reports"}
    assert (await http.post("/scopes", json=body, headers=as_admin)).status_code == 201
    user = {"username": f"user-{uuid.uuid4()}", "scopes": [name]}
    response = await http.post("/users", json=user, headers=as_admin)
    assert (response.status_code, response.json().get("scopes")) == (201, [name])


# Users and clients above oneself

ON_USERS = [
    pytest.param("PATCH", "", {"email": "new@example.com"}, id="e-mail"),
    pytest.param("PATCH", "", {"email_verified": True}, id="verified"),
    pytest.param("PATCH", "", {"scopes": ["profile"]}, id="scopes"),
    pytest.param("PATCH", "", {"disabled": True}, id="state"),
    pytest.param("PATCH", "", {}, id="nothing"),
    pytest.param("POST", "/password", {"password": NEW_PASSWORD}, id="password"),
    pytest.param("DELETE", "", None, id="deletion"),
]

ON_CLIENTS = [
    pytest.param("PATCH", "", {"name": "Other"}, id="name"),
    pytest.param("PATCH", "", {"grant_types": ["password"]}, id="grants"),
    pytest.param("PATCH", "", {"auth_methods": ["client_secret_post"]}, id="methods"),
    pytest.param("PATCH", "", {"redirect_uris": ["https://evil.example/"]}, id="redirect URIs"),
    pytest.param(
        "PATCH", "", {"post_logout_redirect_uris": ["https://evil.example/"]}, id="logout URIs"
    ),
    pytest.param("PATCH", "", {"scopes": ["profile"], "default_scopes": []}, id="scopes"),
    pytest.param("PATCH", "", {"default_scopes": []}, id="default scopes"),
    pytest.param("PATCH", "", {"id_token_alg": "ES256"}, id="algorithm"),
    pytest.param("PATCH", "", {"require_pkce": False}, id="PKCE"),
    pytest.param("PATCH", "", {"introspect": "any"}, id="introspection"),
    pytest.param("PATCH", "", {"disabled": True}, id="state"),
    pytest.param("POST", "/secret", {}, id="secret"),
    pytest.param("POST", "/secret", {"overlap": 0}, id="secret that leaked"),
    pytest.param("DELETE", "", None, id="deletion"),
]


async def stored_user(server: Server, user: TestUser) -> Any:
    async with server.database.read() as connection:
        return (
            await connection.execute(User.__table__.select().where(User.id == user.id))
        ).one_or_none()


@pytest.mark.parametrize(("method", "path", "body"), ON_USERS)
async def test_nobody_touches_a_user_whose_scopes_exceed_their_own(
    http: httpx2.AsyncClient,
    server: Server,
    headers: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    auditor = await add_somebody(server, "profile", "audit:read")
    before = await stored_user(server, auditor)
    response = await http.request(method, f"/users/{auditor.id}{path}", json=body, headers=headers)
    assert_refused(response, 403, TOO_GREAT)
    assert before is not None
    assert await stored_user(server, auditor) == before
    assert await events(server, user_id=str(auditor.id)) == []


@pytest.mark.parametrize(("method", "path", "body"), ON_USERS)
async def test_a_user_whose_scopes_one_has_is_changed(
    http: httpx2.AsyncClient,
    server: Server,
    headers: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    peer = await add_somebody(server, *HELPDESK)
    response = await http.request(method, f"/users/{peer.id}{path}", json=body, headers=headers)
    assert response.status_code in (200, 204), response.text


@pytest.mark.parametrize(("method", "path", "body"), ON_CLIENTS)
async def test_nobody_touches_a_client_whose_scopes_exceed_their_own(
    http: httpx2.AsyncClient,
    server: Server,
    headers: dict[str, str],
    clock: TestClock,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    auditor = await add_service(
        server,
        f"auditor-{uuid.uuid4()}",
        scopes=["profile", "audit:read"],
        default_scopes=["audit:read"],
    )
    address = f"/clients/{auditor.client_id}"
    before = await http.get(address, headers=headers)
    response = await http.request(method, address + path, json=body, headers=headers)
    assert_refused(response, 403, TOO_GREAT)
    assert (await http.get(address, headers=headers)).json() == before.json()
    assert await events(server, client_id=auditor.client_id) == []
    clock.advance(KNOWN_EVERYWHERE)
    assert await own_token(http, auditor)


@pytest.mark.parametrize(("method", "path", "body"), ON_CLIENTS)
async def test_a_client_whose_scopes_one_has_is_changed(
    http: httpx2.AsyncClient,
    server: Server,
    headers: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    peer = await add_service(
        server, f"peer-{uuid.uuid4()}", scopes=["profile"], default_scopes=["users:read"]
    )
    response = await http.request(
        method, f"/clients/{peer.client_id}{path}", json=body, headers=headers
    )
    assert response.status_code in (200, 204), response.text


async def test_a_user_who_is_disabled_still_counts_with_their_scopes(
    http: httpx2.AsyncClient, server: Server, helpdesk: dict[str, str]
) -> None:
    auditor = await add_user(
        server, f"auditor {uuid.uuid4()}", scopes=["audit:read"], disabled=True
    )
    response = await http.patch(f"/users/{auditor.id}", json={"disabled": False}, headers=helpdesk)
    assert_refused(response, 403, TOO_GREAT)


async def test_whoever_loses_a_scope_loses_the_power_over_those_who_have_it_at_once(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    manager = await add_somebody(server, *HELPDESK, "audit:read")
    auditor = await add_somebody(server, "audit:read")
    headers = await token_of(server, manager, *HELPDESK)
    response = await http.patch(
        f"/users/{auditor.id}", json={"email": "a@example.com"}, headers=headers
    )
    assert response.status_code == 200
    await http.patch(f"/users/{manager.id}", json={"scopes": list(HELPDESK)}, headers=as_admin)
    response = await http.patch(f"/users/{auditor.id}", json={"email": None}, headers=headers)
    assert_refused(response, 403, TOO_GREAT)


# A client that manages


async def test_a_clients_token_manages_with_the_scopes_of_the_client(
    http: httpx2.AsyncClient, server: Server
) -> None:
    robot = await add_service(
        server,
        f"robot-{uuid.uuid4()}",
        scopes=["users:write", "items:read"],
        default_scopes=["users:write"],
    )
    headers = {"Authorization": f"Bearer {await own_token(http, robot)}"}
    body = {"username": f"user-{uuid.uuid4()}", "scopes": ["items:read"]}
    response = await http.post("/users", json=body, headers=headers)
    assert (response.status_code, response.json()["scopes"]) == (201, ["items:read"])
    (event,) = await events(server, user_id=response.json()["id"])
    assert (event.type, event.actor) == ("user.created", robot.client_id)


async def test_a_client_that_has_lost_a_scope_manages_no_longer_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    robot = await add_service(
        server, f"robot-{uuid.uuid4()}", scopes=["users:read"], default_scopes=[]
    )
    headers = await token_of_client(server, robot, "users:read")
    assert (await http.get("/users", headers=headers)).status_code == 200
    await take_from_client(server, robot, "users:read")
    clock.advance(KNOWN_EVERYWHERE)
    response = await http.get("/users", headers=headers)
    assert_bearer_error(response, "insufficient_scope", 403, scope="users:read")


async def test_a_user_manages_with_no_scope_that_only_the_client_has(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_somebody(server, "profile")
    headers = await token_of(server, user, *EVERY_SCOPE)
    response = await http.get("/users", headers=headers)
    assert_bearer_error(response, "insufficient_scope", 403, scope="users:read")


# Reading alone


async def test_a_user_with_users_read_alone_can_change_nothing(
    http: httpx2.AsyncClient, server: Server, console: TestClient
) -> None:
    """With a token that claims every scope, at every address that changes something."""
    assert console
    reader = await add_somebody(server, "users:read", name="reader")
    victim = await add_somebody(server)
    client = await add_client(server, f"client-{uuid.uuid4()}", scopes=(), default_scopes=())
    headers = await token_of(server, reader, *EVERY_SCOPE)
    before = await stored_user(server, victim), await stored_user(server, reader)
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "/users", {"username": "new"}),
        ("PATCH", f"/users/{victim.id}", {"disabled": True}),
        ("PATCH", f"/users/{reader.id}", {"email": "new@example.com"}),
        ("POST", f"/users/{victim.id}/password", {"password": NEW_PASSWORD}),
        ("POST", f"/users/{reader.id}/password", {"password": NEW_PASSWORD}),
        ("DELETE", f"/users/{victim.id}", None),
        ("PATCH", "/users/me", {"email": None, "current_password": reader.password}),
        (
            "POST",
            "/users/me/password",
            {"current_password": reader.password, "new_password": NEW_PASSWORD},
        ),
        ("DELETE", f"/users/me/sessions/{uuid.uuid4()}", None),
        ("POST", "/clients", {"name": "App", "grant_types": ["password"]}),
        ("PATCH", f"/clients/{client.client_id}", {"name": "Other"}),
        ("POST", f"/clients/{client.client_id}/secret", {}),
        ("DELETE", f"/clients/{client.client_id}", None),
        ("POST", "/scopes", {"name": "reports", "description": "Reports"}),
        ("DELETE", "/scopes/account", None),
        *brought("WRITING_REQUESTS").values(),
    ]
    answers = [
        (await http.request(method, path, json=body, headers=headers)).status_code
        for method, path, body in requests
    ]
    assert answers == [403] * len(requests)
    assert (await stored_user(server, victim), await stored_user(server, reader)) == before
    assert (await http.get(f"/users/{victim.id}", headers=headers)).status_code == 200


# The last administrator


@pytest.fixture
async def last(server: Server) -> TestUser:
    """The only user who can manage anything; the others of this module are gone."""
    async with server.database.transaction() as connection:
        await connection.execute(delete(User).where(User.username != "admin"))
        admin_id = await connection.scalar(User.__table__.select().with_only_columns(User.id))
        assert admin_id is not None
        await connection.execute(delete(AuditEvent))
    return TestUser(admin_id, "admin", "")


LOCKING_OUT = [
    pytest.param("PATCH", {"disabled": True}, id="disabled"),
    pytest.param("PATCH", {"scopes": ["users:read"]}, id="scopes taken away"),
    pytest.param("PATCH", {"scopes": []}, id="all scopes taken away"),
    pytest.param("DELETE", None, id="deleted"),
]


@pytest.mark.parametrize(("method", "body"), LOCKING_OUT)
async def test_the_last_administrator_is_not_locked_out(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    last: TestUser,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    before = await http.get(f"/users/{last.id}", headers=as_admin)
    response = await http.request(method, f"/users/{last.id}", json=body, headers=as_admin)
    assert_refused(response, 409, THE_LAST)
    after = await http.get(f"/users/{last.id}", headers=as_admin)
    assert (after.status_code, after.json()) == (200, before.json())
    assert await events(server) == []


@pytest.mark.parametrize(
    "unable",
    [
        pytest.param({"disabled": True}, id="disabled"),
        pytest.param({"password_hash": None}, id="without a password"),
    ],
)
@pytest.mark.parametrize(("method", "body"), LOCKING_OUT)
async def test_an_administrator_beside_whom_another_cannot_log_in_is_the_last(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    last: TestUser,
    method: str,
    body: dict[str, Any] | None,
    unable: dict[str, Any],
) -> None:
    await add_user(server, "sleeper", scopes=EVERY_SCOPE, **unable)
    response = await http.request(method, f"/users/{last.id}", json=body, headers=as_admin)
    assert_refused(response, 409, THE_LAST)


@pytest.mark.parametrize(("method", "body"), LOCKING_OUT)
async def test_a_client_that_manages_is_no_other_administrator(
    http: httpx2.AsyncClient,
    server: Server,
    last: TestUser,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    async with server.database.read() as connection:
        every_scope = list(await list_scopes(connection))
    robot = await add_service(
        server, f"robot-{uuid.uuid4()}", scopes=every_scope, default_scopes=()
    )
    headers = await token_of_client(server, robot, "users:write")
    response = await http.request(method, f"/users/{last.id}", json=body, headers=headers)
    assert_refused(response, 409, THE_LAST)


@pytest.mark.parametrize("scope", ["users:write", "clients:write", "scopes:write"])
async def test_the_last_who_manages_one_kind_keeps_the_scope_for_it(
    http: httpx2.AsyncClient, as_admin: dict[str, str], last: TestUser, scope: str
) -> None:
    """Else nobody could ever be given it again over the API."""
    changes = {"scopes": [each for each in EVERY_SCOPE if each != scope]}
    response = await http.patch(f"/users/{last.id}", json=changes, headers=as_admin)
    assert_refused(response, 409, THE_LAST)


async def test_the_last_administrator_may_lose_any_other_scope(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], last: TestUser
) -> None:
    assert last
    second = await add_user(server, "second", scopes=["users:write", "email", "profile"])
    changes = {"scopes": ["users:write", "email"], "email": "new@example.com"}
    response = await http.patch(f"/users/{second.id}", json=changes, headers=as_admin)
    assert (response.status_code, response.json()["scopes"]) == (200, ["email", "users:write"])


@pytest.mark.parametrize(("method", "body"), LOCKING_OUT)
async def test_an_administrator_beside_whom_there_is_another_can_go(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    last: TestUser,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    assert last
    second = await add_user(server, "second", scopes=EVERY_SCOPE)
    response = await http.request(method, f"/users/{second.id}", json=body, headers=as_admin)
    assert response.status_code in (200, 204), response.text


async def in_a_thread(server: Server, *arguments: str) -> Result:
    """A command, in a thread, which has no event loop."""
    return await asyncio.to_thread(Shell(server.settings.database_url), *arguments)


COMMANDS = [
    pytest.param(("users", "disable", "admin"), id="disable"),
    pytest.param(("users", "delete", "admin"), id="delete"),
    pytest.param(("users", "set-scopes", "admin"), id="set-scopes, none"),
    pytest.param(("users", "set-scopes", "admin", "--scope", "users:read"), id="set-scopes"),
]


@pytest.mark.parametrize("arguments", COMMANDS)
async def test_the_last_administrator_is_not_locked_out_at_the_command_line(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    last: TestUser,
    arguments: tuple[str, ...],
) -> None:
    before = await http.get(f"/users/{last.id}", headers=as_admin)
    assert_line(await in_a_thread(server, *arguments), THE_LAST)
    after = await http.get(f"/users/{last.id}", headers=as_admin)
    assert (after.status_code, after.json()) == (200, before.json())


# What is authority without being a scope


@pytest.fixture
async def registrar(server: Server, console: TestClient) -> dict[str, str]:
    """The header of a user who manages clients and may not look at users."""
    assert console
    user = await add_somebody(server, "clients:read", "clients:write", name="registrar")
    return await token_of(server, user, "clients:read", "clients:write")


async def test_who_may_not_look_at_users_registers_no_client_that_introspects_any(
    http: httpx2.AsyncClient, registrar: dict[str, str]
) -> None:
    body = {"name": "API", "grant_types": [], "introspect": "any"}
    response = await http.post("/clients", json=body, headers=registrar)
    assert_refused(response, 403, NOT_YOURS)


async def test_who_may_not_look_at_users_lets_no_client_introspect_any(
    http: httpx2.AsyncClient, server: Server, registrar: dict[str, str]
) -> None:
    client = await add_client(server, f"own-{uuid.uuid4()}", scopes=(), default_scopes=())
    path = f"/clients/{client.client_id}"
    response = await http.patch(path, json={"introspect": "any"}, headers=registrar)
    assert_refused(response, 403, NOT_YOURS)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("PATCH", "", {"name": "mine"}, id="change"),
        pytest.param("POST", "/secret", {}, id="secret"),
        pytest.param("DELETE", "", None, id="delete"),
    ],
)
async def test_who_may_not_look_at_users_touches_no_client_that_introspects_any(
    http: httpx2.AsyncClient,
    server: Server,
    registrar: dict[str, str],
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    client = await add_service(
        server, f"api-{uuid.uuid4()}", scopes=(), default_scopes=(), introspect="any"
    )
    address = f"/clients/{client.client_id}{path}"
    response = await http.request(method, address, json=body, headers=registrar)
    assert_refused(response, 403, TOO_GREAT)


async def test_who_may_look_at_users_registers_a_client_that_introspects_any(
    http: httpx2.AsyncClient, helpdesk: dict[str, str]
) -> None:
    body = {"name": "API", "grant_types": [], "introspect": "any"}
    assert (await http.post("/clients", json=body, headers=helpdesk)).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"email": "boss@example.com", "email_verified": True}, id="both"),
        pytest.param({"email": "boss@example.com"}, id="address"),
        pytest.param({"email": None}, id="no address"),
        pytest.param({"email_verified": True}, id="verified"),
    ],
)
async def test_nobody_takes_an_address_for_themselves_without_their_password(
    http: httpx2.AsyncClient, server: Server, console: TestClient, changes: dict[str, Any]
) -> None:
    assert console
    user = await add_somebody(server, *HELPDESK, name="climber")
    headers = await token_of(server, user, *HELPDESK)
    response = await http.patch(f"/users/{user.id}", json=changes, headers=headers)
    told = "Change your own e-mail address at /users/me, which asks for your password."
    assert_refused(response, 403, told)


async def test_nobody_sets_their_own_password_without_the_one_that_they_have(
    http: httpx2.AsyncClient, server: Server, console: TestClient
) -> None:
    """Else a token for managing users would log in as its user, with all that they have."""
    assert console
    user = await add_somebody(server, *HELPDESK, name="climber")
    headers = await token_of(server, user, *HELPDESK)
    body = {"password": NEW_PASSWORD}
    response = await http.post(f"/users/{user.id}/password", json=body, headers=headers)
    told = "Change your own password at /users/me/password, which asks for the current one."
    assert_refused(response, 403, told)
    await log_in(http, user, console)
