"""A scope that is added reaches every running worker within two seconds."""

import asyncio
import uuid
from collections.abc import AsyncGenerator

import httpx2
import pytest

from app.errors import InvalidError
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.features import brought
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user
from tests.support.lifecycle import KNOWN_EVERYWHERE, give_to_user
from tests.support.operators import EVERY_SCOPE, token_of
from tests.support.shell import Shell
from tests.support.started import started

pytestmark = pytest.mark.usefixtures("no_dotenv_file")

DESCRIPTION = "Read your reports"
DOCUMENTS = ("/.well-known/oauth-authorization-server", *brought("PUBLISHED"))


@pytest.fixture(scope="module")
async def other(settings: Settings, clock: TestClock) -> AsyncGenerator[httpx2.AsyncClient]:
    """Another worker, on the same database."""
    async with started(create_app(settings, clock)) as client:
        yield client


def new_name() -> str:
    return f"reports-{uuid.uuid4()}"


async def add_by_api(http: httpx2.AsyncClient, headers: dict[str, str], name: str) -> None:
    body = {"name": name, "description": DESCRIPTION}
    response = await http.post("/scopes", json=body, headers=headers)
    assert response.status_code == 201, response.text


async def command(server: Server, *arguments: str) -> None:
    """In a thread, which has no event loop, as no command is started in one."""
    await asyncio.to_thread(Shell(server.settings.database_url).json, *arguments)


@pytest.fixture(params=["API", "command line"])
async def scope(
    request: pytest.FixtureRequest,
    http: httpx2.AsyncClient,
    other: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    clock: TestClock,
) -> str:
    """A scope that was added two seconds ago; the other worker had read the scopes before."""
    name = new_name()
    for path in ("/openapi.json", *DOCUMENTS):
        assert name not in (await other.get(path)).text
    if request.param == "API":
        await add_by_api(http, as_admin, name)
    else:
        await command(server, "scopes", "create", name, "--description", DESCRIPTION)
    clock.advance(KNOWN_EVERYWHERE)
    return name


async def test_a_new_scope_is_in_the_openapi_document(
    other: httpx2.AsyncClient, scope: str
) -> None:
    schemes = (await other.get("/openapi.json")).json()["components"]["securitySchemes"]
    assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["scopes"][scope] == DESCRIPTION


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_a_new_scope_is_in_the_metadata(
    other: httpx2.AsyncClient, scope: str, path: str
) -> None:
    assert scope in (await other.get(path)).json()["scopes_supported"]


async def ask(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, scope: str
) -> httpx2.Response:
    form = {
        "grant_type": "password",
        "username": user.username,
        "password": user.password,
        "scope": scope,
    }
    return await http.post("/token", data=form, auth=client.basic)


async def test_a_new_scope_that_was_given_to_client_and_user_is_granted(
    other: httpx2.AsyncClient,
    server: Server,
    scope: str,
    clock: TestClock,
) -> None:
    """The operator gives it, who has every scope."""
    user = await add_user(server, f"user {uuid.uuid4()}", scopes=["profile"])
    client = await add_client(server, f"client-{uuid.uuid4()}", scopes=["profile"])
    assert_oauth2_error(await ask(other, user, client, scope), "invalid_scope")
    await command(
        server,
        "clients",
        "update",
        client.client_id,
        "--scope",
        "profile",
        "--scope",
        scope,
    )
    await give_to_user(server, user, scope)
    clock.advance(KNOWN_EVERYWHERE)
    response = await ask(other, user, client, f"profile {scope}")
    assert (response.status_code, response.json()["scope"]) == (200, f"profile {scope}")


async def test_a_new_scope_is_left_out_for_a_user_who_has_it_not(
    other: httpx2.AsyncClient, server: Server, scope: str
) -> None:
    user = await add_user(server, f"user {uuid.uuid4()}", scopes=["profile"])
    client = await add_client(server, f"client-{uuid.uuid4()}", scopes=["profile", scope])
    response = await ask(other, user, client, f"profile {scope}")
    assert (response.status_code, response.json()["scope"]) == (200, "profile")


async def ask_as_public(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, scope: str
) -> httpx2.Response:
    form = {
        "grant_type": "password",
        "username": user.username,
        "password": user.password,
        "scope": scope,
        "client_id": client.client_id,
    }
    return await http.post("/token", data=form)


@pytest.fixture
async def follower(server: Server) -> TestClient:
    """A client that has every scope, also those that are still to come."""
    return await add_client(server, f"docs-{uuid.uuid4()}", is_public=True, every_scope=True)


async def test_a_client_with_every_scope_may_ask_for_a_new_one_as_well(
    other: httpx2.AsyncClient, server: Server, follower: TestClient, scope: str
) -> None:
    user = await add_user(server, f"user {uuid.uuid4()}", scopes=["profile", scope])
    response = await ask_as_public(other, user, follower, f"profile {scope}")
    assert (response.status_code, response.json()["scope"]) == (200, f"profile {scope}")


async def test_what_its_users_lack_is_not_granted_to_a_client_with_every_scope(
    other: httpx2.AsyncClient, server: Server, follower: TestClient, scope: str
) -> None:
    user = await add_user(server, f"user {uuid.uuid4()}", scopes=["profile"])
    response = await ask_as_public(other, user, follower, f"profile {scope}")
    assert (response.status_code, response.json()["scope"]) == (200, "profile")


async def test_a_client_with_every_scope_does_not_keep_one_from_being_deleted(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    follower: TestClient,
) -> None:
    scope = new_name()
    await add_by_api(http, as_admin, scope)
    assert (await http.delete(f"/scopes/{scope}", headers=as_admin)).status_code == 204
    user = await add_user(server, f"user {uuid.uuid4()}", scopes=["profile"])
    refused = await ask_as_public(http, user, follower, f"profile {scope}")
    assert_oauth2_error(refused, "invalid_scope")


async def test_a_client_whose_scopes_are_set_has_those_alone_from_then_on(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], follower: TestClient
) -> None:
    await command(server, "clients", "update", follower.client_id, "--scope", "profile")
    await add_by_api(http, as_admin, new_name())
    found = await http.get(f"/clients/{follower.client_id}", headers=as_admin)
    assert found.json()["scopes"] == ["profile"]


async def test_whoever_changes_a_client_with_every_scope_needs_the_new_ones_too(
    http: httpx2.AsyncClient, server: Server, scope: str, follower: TestClient
) -> None:
    former = await add_user(server, f"former {uuid.uuid4()}", scopes=EVERY_SCOPE)
    headers = await token_of(server, former, *EVERY_SCOPE)
    changed = await http.patch(
        f"/clients/{follower.client_id}", json={"name": "Mine"}, headers=headers
    )
    assert_problem(changed, 403)


async def test_a_client_that_acts_for_itself_cannot_have_every_scope(server: Server) -> None:
    with pytest.raises(InvalidError):
        await add_client(server, f"service-{uuid.uuid4()}", every_scope=True)


@pytest.mark.parametrize("way", ["API", "command line"])
async def test_a_deleted_scope_is_gone_everywhere_within_two_seconds(
    http: httpx2.AsyncClient,
    other: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    clock: TestClock,
    way: str,
) -> None:
    scope = new_name()
    if way == "API":
        await add_by_api(http, as_admin, scope)
    else:
        await command(server, "scopes", "create", scope, "--description", DESCRIPTION)
    clock.advance(KNOWN_EVERYWHERE)
    assert scope in (await other.get(DOCUMENTS[0])).text
    if way == "API":
        assert (await http.delete(f"/scopes/{scope}", headers=as_admin)).status_code == 204
    else:
        await command(server, "scopes", "delete", scope)
    clock.advance(KNOWN_EVERYWHERE)
    for path in ("/openapi.json", *DOCUMENTS):
        assert scope not in (await other.get(path)).text


async def test_a_new_scope_is_known_at_once_where_scopes_are_managed(
    other: httpx2.AsyncClient, http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    name = new_name()
    await add_by_api(http, as_admin, name)
    listed = (await other.get("/scopes?limit=200", headers=as_admin)).json()["scopes"]
    assert {"name": name, "description": DESCRIPTION} in listed
