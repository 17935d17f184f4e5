"""What was true when a request arrived does not count; what is true when it writes does.

Each route that writes is asked by somebody who may, and who loses what it takes right before the
transaction of the request begins. Then nothing is written. The table has every route of the
application: one that is added and not listed fails the first test.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.identity.clients import hold_client
from app.identity.users import hold_user
from app.management.authority import operating
from app.management.clients import change_client, delete_client
from app.management.users import change_user, delete_user, set_password
from app.models import AuditEvent, Base, Login, User
from app.server import Server
from app.tokens.revoked_tokens import revoke_token
from tests.features import brought
from tests.support.between import Between
from tests.support.factories import PASSWORD, add_client, add_scope, add_user
from tests.support.forger import read_claims
from tests.support.operators import EVERY_SCOPE, token_of, token_of_client
from tests.support.routes import shipped_routes
from tests.support.writes import NEW_PASSWORD, Scene, Write, write


@pytest.fixture
async def scene(http: httpx2.AsyncClient, server: Server) -> Scene:
    await add_user(server, "root", scopes=EVERY_SCOPE)
    console = await add_client(
        server,
        "console",
        is_public=True,
        grant_types=("password", "refresh_token"),
        scopes=EVERY_SCOPE,
        default_scopes=("profile",),
    )
    service = await add_client(
        server,
        "service",
        grant_types=("client_credentials",),
        scopes=[scope for scope in EVERY_SCOPE if scope != "account"],
        default_scopes=("items:read",),
    )
    return Scene(
        http,
        server,
        actor=await add_user(server, "actor", scopes=EVERY_SCOPE),
        victim=await add_user(server, "victim", scopes=("profile",)),
        console=console,
        service=service,
        other_client=await add_client(server, "other"),
    )


# What is asked


async def have_another_login(scene: Scene) -> None:
    await scene.ask_for_tokens("/token")
    listed = await scene.ask("GET", "/users/me/sessions")
    (scene.known["session"],) = [each["id"] for each in listed.json() if not each["current"]]


async def have_a_scope(scene: Scene) -> None:
    await add_scope(scene.server, "reports", "Read reports")


WRITES: Mapping[str, Write] = {
    "POST /users": write(
        "users:write", "POST", "/users", {"username": "accomplice", "scopes": ["users:write"]}
    ),
    "POST /users with a password": write(
        "users:write", "POST", "/users", {"username": "accomplice", "password": NEW_PASSWORD}
    ),
    "PATCH /users/{user_id}": write(
        "users:write", "PATCH", "/users/{victim}", {"scopes": ["users:write"]}
    ),
    "POST /users/{user_id}/password": write(
        "users:write", "POST", "/users/{victim}/password", {"password": NEW_PASSWORD}
    ),
    "DELETE /users/{user_id}": write("users:write", "DELETE", "/users/{victim}"),
    "POST /clients": write(
        "clients:write", "POST", "/clients", {"name": "accomplice", "grant_types": ["password"]}
    ),
    "PATCH /clients/{client_id}": write(
        "clients:write", "PATCH", "/clients/{client}", {"name": "another"}
    ),
    "POST /clients/{client_id}/secret": write(
        "clients:write", "POST", "/clients/{client}/secret", {"overlap": 0}
    ),
    "DELETE /clients/{client_id}": write("clients:write", "DELETE", "/clients/{client}"),
    "POST /scopes": write(
        "scopes:write", "POST", "/scopes", {"name": "reports", "description": "Read reports"}
    ),
    "PATCH /scopes/{name}": write(
        "scopes:write", "PATCH", "/scopes/items:read", {"description": "Nothing much"}
    ),
    "DELETE /scopes/{name}": write(
        "scopes:write", "DELETE", "/scopes/reports", prepare=have_a_scope
    ),
    "PATCH /users/me": write(
        "account",
        "PATCH",
        "/users/me",
        {"email": "other@example.com", "current_password": PASSWORD},
    ),
    "POST /users/me/password": write(
        "account",
        "POST",
        "/users/me/password",
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
    ),
    "DELETE /users/me/sessions/{session_id}": write(
        "account", "DELETE", "/users/me/sessions/{session}", prepare=have_another_login
    ),
    **brought("WRITES"),
}
"""What users and clients do with an access token, and the scope that it takes."""

LOGINS = ("/token", *brought("LOGINS"))

OTHERWISE: Mapping[str, str] = {
    "POST /introspect": "writes nothing but that it was asked",
    "POST /revoke": "only ends what the client itself was issued",
    **brought("WRITES_OTHERWISE"),
}
"""Routes that change something without an access token, and where they are tested."""


def test_every_route_that_can_write_is_listed(app: FastAPI) -> None:
    reading = ("GET", "HEAD", "OPTIONS")
    routes = {f"{method} {path}" for method, path in shipped_routes(app) if method not in reading}
    listed = {name.partition(" with ")[0] for name in WRITES}
    logins = {f"POST {path}" for path in LOGINS}
    assert routes == listed | logins | set(OTHERWISE)


# What is taken away

Loss = Callable[[Scene], Awaitable[None]]


async def disable_the_user(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        await change_user(operator, scene.actor.id, {"disabled": True})


async def disable_and_enable_the_user(scene: Scene) -> None:
    await disable_the_user(scene)
    async with operating(scene.server.database, scene.server.clock) as operator:
        await change_user(operator, scene.actor.id, {"disabled": False})


async def delete_the_user(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        await delete_user(operator, scene.actor.id)


async def reset_the_password(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        password_hash = scene.server.passwords.hash_now("what nobody has typed")
        await set_password(
            operator, scene.actor.id, password_hash, revoke=scene.server.at_password_reset
        )


async def end_the_login(scene: Scene) -> None:
    login_id = uuid.UUID(read_claims(scene.headers["Authorization"].split()[1])["sid"])
    async with scene.server.database.transaction() as connection:
        await hold_user(connection, scene.actor.id)
        await connection.execute(
            update(Login).where(Login.id == login_id).values(ended_at=scene.server.clock.now())
        )


async def demote_the_user(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        await change_user(operator, scene.actor.id, {"scopes": ["profile"]})


async def disable_the_client(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        changes = {"disabled": True}
        await change_client(operator, scene.console.client_id, changes)


async def disable_and_enable_the_client(scene: Scene) -> None:
    for disabled in (True, False):
        async with operating(scene.server.database, scene.server.clock) as operator:
            changes = {"disabled": disabled}
            await change_client(operator, scene.console.client_id, changes)


async def delete_the_client(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        await delete_client(operator, scene.console.client_id)


async def disable_the_service(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        changes = {"disabled": True}
        await change_client(operator, scene.service.client_id, changes)


async def disable_and_enable_the_service(scene: Scene) -> None:
    await disable_the_service(scene)
    async with operating(scene.server.database, scene.server.clock) as operator:
        changes = {"disabled": False}
        await change_client(operator, scene.service.client_id, changes)


async def demote_the_service(scene: Scene) -> None:
    async with operating(scene.server.database, scene.server.clock) as operator:
        changes = {"scopes": ["items:read"]}
        await change_client(operator, scene.service.client_id, changes)


async def revoke_the_token(scene: Scene) -> None:
    claims = read_claims(scene.headers["Authorization"].split()[1])
    async with scene.server.database.transaction() as connection:
        await hold_client(connection, scene.service.client_id)
        await revoke_token(connection, claims["jti"], scene.server.clock.now())


OF_USERS: Mapping[str, tuple[Loss, int]] = {
    "disable the user": (disable_the_user, 401),
    "delete the user": (delete_the_user, 401),
    "reset the password": (reset_the_password, 401),
    "end the login": (end_the_login, 401),
    "demote the user": (demote_the_user, 403),
    "disable the client": (disable_the_client, 401),
    "delete the client": (delete_the_client, 401),
    **brought("LOSSES"),
}
"""What takes away what a user with an access token may, and the answer then."""

OF_CLIENTS: Mapping[str, tuple[Loss, int]] = {
    "disable the service": (disable_the_service, 401),
    "disable and enable the service": (disable_and_enable_the_service, 401),
    "demote the service": (demote_the_service, 403),
    "revoke the token": (revoke_the_token, 401),
}

OF_LOGINS: Mapping[str, tuple[Loss, str]] = {
    "disable the user": (disable_the_user, "invalid_grant"),
    "disable and enable the user": (disable_and_enable_the_user, "invalid_grant"),
    "delete the user": (delete_the_user, "invalid_grant"),
    "reset the password": (reset_the_password, "invalid_grant"),
    "demote the user": (demote_the_user, "invalid_grant"),
    "disable the client": (disable_the_client, "invalid_client"),
    "disable and enable the client": (disable_and_enable_the_client, "invalid_client"),
    "delete the client": (delete_the_client, "invalid_client"),
}
"""What makes a name and a password, or the client that has them, no longer good."""


def meetings(writes: Sequence[str], losses: Sequence[str]) -> list[tuple[str, str, str]]:
    """Every write with every loss on SQLite; on PostgreSQL every write with one, in turn."""
    return [
        *(("sqlite", name, loss) for name in writes for loss in losses),
        *(("postgresql", name, losses[turn % len(losses)]) for turn, name in enumerate(writes)),
    ]


# Nothing is written

ATTEMPTED = ("login.failed", "login.locked")
"""What the trail says of mere attempts to log in."""


async def everything(server: Server) -> dict[str, list[str]]:
    """Every row, but what is said of mere attempts."""
    rows: dict[str, list[str]] = {}
    async with server.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            query = select(table)
            if table is AuditEvent.__table__:
                query = query.where(AuditEvent.type.not_in(ATTEMPTED))
            found = await connection.execute(query)
            rows[table.name] = sorted(repr(tuple(row)) for row in found)
    return rows


async def assert_writes_once(
    scene: Scene, send: Callable[[Scene], Awaitable[httpx2.Response]]
) -> None:
    """The request succeeds, in one transaction."""
    undisturbed = Between()
    with undisturbed.applied():
        response = await send(scene)
    assert response.is_success, response.text
    assert undisturbed.begun == 1


async def send_and_lose(
    scene: Scene,
    send: Callable[[Scene], Awaitable[httpx2.Response]],
    lose: Loss,
) -> httpx2.Response:
    """The answer to a request during which something is lost; it wrote nothing afterwards."""
    after_the_loss: dict[str, list[str]] = {}

    async def happen() -> None:
        await lose(scene)
        after_the_loss.update(await everything(scene.server))

    with Between(1, happen).applied():
        response = await send(scene)
    assert after_the_loss, "the request began no transaction"
    assert await everything(scene.server) == after_the_loss
    return response


async def log_in(scene: Scene, case: Write, by_client: bool) -> None:
    scopes = [scope for scope in EVERY_SCOPE if not (by_client and scope == "account")]
    if by_client:
        scene.headers = await token_of_client(scene.server, scene.service, *scopes)
    else:
        scene.headers = await token_of(scene.server, scene.actor, *scopes)
    if case.prepare is not None:
        await case.prepare(scene)


@pytest.mark.parametrize("name", WRITES)
async def test_a_user_who_has_the_authority_writes_in_one_transaction(
    scene: Scene, name: str
) -> None:
    case = WRITES[name]
    await log_in(scene, case, by_client=False)
    await assert_writes_once(scene, case.send)


@pytest.mark.parametrize("name", WRITES)
async def test_a_token_without_the_scope_begins_no_transaction_and_waits_for_nobody(
    scene: Scene, name: str
) -> None:
    """A flood of such requests keeps no administrator waiting."""
    case = WRITES[name]
    await log_in(scene, case, by_client=False)
    others = [scope for scope in EVERY_SCOPE if scope != case.scope]
    scene.headers = await token_of(scene.server, scene.actor, *others)
    refused = Between()
    with refused.applied():
        response = await case.send(scene)
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert refused.begun == 0


@pytest.mark.parametrize(
    ("backend", "name", "loss"), meetings([*WRITES], [*OF_USERS]), indirect=["backend"]
)
async def test_a_user_who_loses_the_authority_meanwhile_writes_nothing(
    scene: Scene, name: str, loss: str
) -> None:
    case = WRITES[name]
    await log_in(scene, case, by_client=False)
    lose, status = OF_USERS[loss]
    response = await send_and_lose(scene, case.send, lose)
    assert response.status_code == status, response.text


@pytest.mark.parametrize(
    ("backend", "name", "loss"),
    meetings([name for name, case in WRITES.items() if case.by_client], [*OF_CLIENTS]),
    indirect=["backend"],
)
async def test_a_client_that_loses_the_authority_meanwhile_writes_nothing(
    scene: Scene, name: str, loss: str
) -> None:
    case = WRITES[name]
    await log_in(scene, case, by_client=True)
    lose, status = OF_CLIENTS[loss]
    response = await send_and_lose(scene, case.send, lose)
    assert response.status_code == status, response.text


@pytest.mark.parametrize("loss", OF_LOGINS)
@pytest.mark.parametrize("path", LOGINS)
async def test_a_login_whose_password_or_client_is_no_longer_good_begins_nothing(
    scene: Scene, path: str, loss: str
) -> None:
    async def send(scene: Scene) -> httpx2.Response:
        return await scene.ask_for_tokens(path)

    lose, error = OF_LOGINS[loss]
    response = await send_and_lose(scene, send, lose)
    assert response.json()["error"] == error
    assert response.status_code == (401 if error == "invalid_client" else 400)


# One's own account


async def test_a_password_that_an_administrator_set_meanwhile_is_not_undone_by_its_owner(
    scene: Scene,
) -> None:
    case = WRITES["POST /users/me/password"]
    await log_in(scene, case, by_client=False)
    await send_and_lose(scene, case.send, reset_the_password)
    async with scene.server.database.read() as connection:
        query = select(User.password_hash).where(User.id == scene.actor.id)
        stored = await connection.scalar(query)
    assert (await scene.server.passwords.verify("what nobody has typed", stored))[0]


async def test_of_two_changes_of_a_password_at_once_one_wins(scene: Scene) -> None:
    case = WRITES["POST /users/me/password"]
    await log_in(scene, case, by_client=False)

    async def change_it_first() -> None:
        body = {"current_password": PASSWORD, "new_password": "the first of the two to come"}
        response = await scene.ask("POST", "/users/me/password", body)
        assert response.status_code == 204

    with Between(1, change_it_first).applied():
        response = await case.send(scene)
    assert (response.status_code, response.json()["detail"]) == (
        403,
        "The current password is wrong.",
    )
