"""Managing scopes over HTTP."""

import asyncio
import uuid
from typing import Any

import httpx2
import pytest

from app.features import load_features
from app.identity.scopes import BUILT_IN
from app.server import Server
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.factories import add_client, add_scope
from tests.support.lifecycle import add_service
from tests.support.operators import (
    EVERY_SCOPE,
    SENTINEL,
    TOO_GREAT,
    add_somebody,
    assert_invalid,
    assert_refused,
    events,
    token_of,
    token_of_client,
    walk,
)
from tests.support.shell import Shell

pytestmark = pytest.mark.usefixtures("no_dotenv_file")


def name_of_its_own() -> str:
    return f"reports-{uuid.uuid4()}:read"


async def create(
    http: httpx2.AsyncClient, headers: dict[str, str], name: str, description: str = "Read reports"
) -> httpx2.Response:
    body = {"name": name, "description": description}
    return await http.post("/scopes", json=body, headers=headers)


async def known(http: httpx2.AsyncClient, headers: dict[str, str]) -> dict[str, str]:
    response = await http.get("/scopes", params={"limit": 200}, headers=headers)
    assert response.status_code == 200, response.text
    assert response.json()["next_cursor"] is None
    listed: list[dict[str, str]] = response.json()["scopes"]
    assert [scope["name"] for scope in listed] == sorted(scope["name"] for scope in listed)
    return {scope["name"]: scope["description"] for scope in listed}


@pytest.fixture
async def scope(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> str:
    """A scope that nobody has but the administrator."""
    name = name_of_its_own()
    assert (await create(http, as_admin, name)).status_code == 201
    return name


async def test_the_built_in_scopes_are_listed_with_their_sentences(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    listed = await known(http, as_admin)
    assert set(EVERY_SCOPE) <= set(listed)
    assert all(listed.values())


async def test_a_scope_is_added_and_its_address_is_told(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    name = name_of_its_own()
    response = await create(http, as_admin, name)
    assert (response.status_code, response.json()) == (
        201,
        {"name": name, "description": "Read reports"},
    )
    assert response.headers["location"] == f"{ISSUER}/scopes/{name}"
    assert (await known(http, as_admin))[name] == "Read reports"


@pytest.mark.parametrize(
    ("name", "description"),
    [
        pytest.param("x" * 100, "y", id="long name"),
        pytest.param("https://api.example.com/reports.read?a=b#c", "Reports", id="URI"),
        pytest.param("!#[]~", "All that RFC 6749 allows", id="punctuation"),
        pytest.param("reports", "Отчёты 📊" * 20, id="description in any script"),
        pytest.param("reports", "z" * 255, id="the longest description"),
    ],
)
async def test_a_scope_comes_back_as_it_was_sent(
    http: httpx2.AsyncClient, as_admin: dict[str, str], name: str, description: str
) -> None:
    name = f"{name}{uuid.uuid4().hex[:28]}"
    assert (await create(http, as_admin, name, description)).status_code == 201
    assert (await known(http, as_admin))[name] == description


async def test_a_second_scope_of_the_same_name_is_a_conflict(
    http: httpx2.AsyncClient, as_admin: dict[str, str], scope: str
) -> None:
    response = await create(http, as_admin, scope, "Another sentence")
    assert_refused(response, 409, f"the scope {scope} already exists")
    assert (await known(http, as_admin))[scope] == "Read reports"


async def test_names_of_scopes_differ_by_case(
    http: httpx2.AsyncClient, as_admin: dict[str, str], scope: str
) -> None:
    """RFC 6749, section 3.3."""
    assert (await create(http, as_admin, scope.upper())).status_code == 201


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        pytest.param({"name": None}, "body.name", "Input should be a valid string", id="name null"),
        pytest.param(
            {"name": ""}, "body.name", "String should have at least 1 character", id="empty name"
        ),
        pytest.param(
            {"name": SENTINEL * 10},
            "body.name",
            "String should have at most 128 characters",
            id="long name",
        ),
        pytest.param(
            {"description": ""},
            "body.description",
            "String should have at least 1 character",
            id="empty description",
        ),
        pytest.param(
            {"description": SENTINEL * 20},
            "body.description",
            "String should have at most 255 characters",
            id="long description",
        ),
        pytest.param(
            {"is_default": SENTINEL},
            "body.is_default",
            "Extra inputs are not permitted",
            id="unknown field",
        ),
    ],
)
async def test_a_scope_that_breaks_a_rule_is_refused_by_field_and_reason_alone(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    body: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    before = await known(http, as_admin)
    body = {"name": "reports", "description": "Reports"} | body
    response = await http.post("/scopes", json=body, headers=as_admin)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    assert await known(http, as_admin) == before


NO_SCOPE = "There is no such scope."
RULE = 'a scope must have 1 to 128 printable ASCII characters, with no space, " or \\'


@pytest.mark.parametrize(
    ("name", "description", "detail"),
    [
        pytest.param(f"{SENTINEL} {SENTINEL}", "Reports", RULE, id="space"),
        pytest.param(f'{SENTINEL}"', "Reports", RULE, id="quote"),
        pytest.param(f"{SENTINEL}\\", "Reports", RULE, id="backslash"),
        pytest.param(f"{SENTINEL}é", "Reports", RULE, id="not ASCII"),
        pytest.param(f"{SENTINEL}\n", "Reports", RULE, id="newline"),
        pytest.param(f"{SENTINEL}\x00", "Reports", RULE, id="NUL"),
        pytest.param(
            SENTINEL,
            " \t",
            "a scope description must have 1 to 255 characters",
            id="blank sentence",
        ),
        pytest.param(
            SENTINEL,
            "Reports\x00",
            "a scope description cannot contain control characters",
            id="NUL in the sentence",
        ),
        pytest.param(
            SENTINEL,
            "Reports\u202e",
            "a scope description cannot contain control characters",
            id="sentence turned around",
        ),
    ],
)
async def test_a_scope_that_the_service_refuses_is_not_repeated(
    http: httpx2.AsyncClient, as_admin: dict[str, str], name: str, description: str, detail: str
) -> None:
    before = await known(http, as_admin)
    assert_refused(await create(http, as_admin, name, description), 422, detail)
    assert await known(http, as_admin) == before


# Listing, looking and describing


@pytest.mark.parametrize("limit", [1, 7, 200])
async def test_scopes_come_in_pages(
    http: httpx2.AsyncClient, as_admin: dict[str, str], limit: int
) -> None:
    pages = await walk(http, as_admin, "/scopes", "scopes", "name", limit=limit)
    assert [name for names in pages for name in names] == list(await known(http, as_admin))
    assert {len(names) for names in pages[:-1]} <= {limit}


async def test_a_scope_is_looked_at_where_it_was_added(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    name = f"https://api.example.com/{uuid.uuid4()}"
    created = await create(http, as_admin, name)
    shown = await http.get(created.headers["location"], headers=as_admin)
    assert (shown.status_code, shown.json()) == (200, created.json())
    response = await http.get(f"/scopes/{name}/more", headers=as_admin)
    assert_refused(response, 404, NO_SCOPE)


async def test_a_scope_is_described_anew_and_its_name_stays(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], scope: str
) -> None:
    body = {"description": "Read all reports"}
    response = await http.patch(f"/scopes/{scope}", json=body, headers=as_admin)
    assert (response.status_code, response.json()) == (200, {"name": scope, **body})
    assert (await known(http, as_admin))[scope] == "Read all reports"
    again = await http.patch(f"/scopes/{scope}", json={}, headers=as_admin)
    assert again.json() == response.json()
    changes = [e.details for e in await events(server, event_type="scope.changed")]
    assert changes == [{"scope": scope, **body}]
    renamed = await http.patch(f"/scopes/{scope}", json={"name": "other"}, headers=as_admin)
    assert_invalid(renamed, ("body.name", "Extra inputs are not permitted"))


async def test_nobody_describes_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    """Else they could make a great permission sound small to those who are asked to allow it."""
    clerk = await add_somebody(server, "scopes:write")
    headers = await token_of(server, clerk, "scopes:write")
    body = {"description": "See your name"}
    response = await http.patch("/scopes/users:write", json=body, headers=headers)
    assert_refused(response, 403, TOO_GREAT)
    assert (await known(http, as_admin))["users:write"] != "See your name"


# Deleting


async def test_a_scope_that_nobody_else_has_is_deleted(
    http: httpx2.AsyncClient, as_admin: dict[str, str], scope: str
) -> None:
    response = await http.delete(f"/scopes/{scope}", headers=as_admin)
    assert (response.status_code, response.content) == (204, b"")
    assert scope not in await known(http, as_admin)


async def test_nobody_deletes_a_scope_that_they_do_not_have(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    """Else they could make it anew, and would have it then."""
    name = name_of_its_own()
    await add_scope(server, name, "Pay")
    clerk = await add_somebody(server, "scopes:write")
    headers = await token_of(server, clerk, "scopes:write")
    response = await http.delete(f"/scopes/{name}", headers=headers)
    assert_refused(response, 403, "You can only delete a scope that you have yourself.")
    assert name in await known(http, as_admin)


async def test_an_unknown_scope_is_not_found(
    http: httpx2.AsyncClient, as_admin: dict[str, str], scope: str
) -> None:
    await http.delete(f"/scopes/{scope}", headers=as_admin)
    response = await http.delete(f"/scopes/{scope}", headers=as_admin)
    assert_refused(response, 404, NO_SCOPE)


async def test_a_scope_with_a_slash_in_its_name_is_deleted(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    """A URI is a usual name for a scope (RFC 6749, section 3.3, allows it)."""
    name = f"https://api.example.com/{uuid.uuid4()}"
    response = await create(http, as_admin, name)
    assert response.status_code == 201
    deleted = await http.delete(response.headers["location"], headers=as_admin)
    assert deleted.status_code == 204, deleted.text


@pytest.mark.parametrize(
    ("holder", "plural"),
    [
        pytest.param("user", "users", id="a user"),
        pytest.param("client", "clients", id="a client"),
        pytest.param("default", "clients", id="a client by default"),
    ],
)
async def test_a_scope_in_use_is_not_deleted(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    scope: str,
    holder: str,
    plural: str,
) -> None:
    if holder == "user":
        await add_somebody(server, scope)
    if holder in ("client", "default"):
        client_id = f"client-{uuid.uuid4()}"
        scopes = {"scopes": [scope], "default_scopes": [scope] if holder == "default" else []}
        await add_client(server, client_id, **scopes)  # type: ignore[arg-type]
    response = await http.delete(f"/scopes/{scope}", headers=as_admin)
    assert_refused(response, 409, f"{plural} have the scope {scope}: remove it from them first")
    assert scope in await known(http, as_admin)


@pytest.mark.parametrize(
    "scope",
    sorted(BUILT_IN.union(*({*each.scopes, *each.management_scopes} for each in load_features()))),
)
async def test_a_built_in_scope_is_not_deleted(
    http: httpx2.AsyncClient, as_admin: dict[str, str], scope: str
) -> None:
    """Nobody could be given again what the routes ask for."""
    response = await http.delete(f"/scopes/{scope}", headers=as_admin)
    assert_refused(
        response,
        409,
        "This scope is built in and cannot be deleted: the server itself requires it.",
    )
    assert scope in await known(http, as_admin)


# Who has a new scope


@pytest.mark.parametrize("by", ["API", "command line"])
async def test_a_new_scope_goes_to_every_user_who_manages_scopes(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock, by: str
) -> None:
    """Whoever adds it is as much in reach of the other administrators as before."""
    keeper = await add_somebody(server, "scopes:write")
    path = f"/users/{keeper.id}"
    before = await http.get(path, headers=as_admin)
    clock.advance(1)
    name = name_of_its_own()
    if by == "API":
        assert (await create(http, as_admin, name)).status_code == 201
    else:
        await create_at_the_shell(server, name)
    after = await http.get(path, headers=as_admin)
    assert after.json()["scopes"] == sorted([name, "scopes:write"])
    assert after.headers["etag"] != before.headers["etag"]
    (event,) = await events(server, user_id=str(keeper.id))
    assert (event.type, event.actor == "operator") == ("user.changed", by != "API")
    assert event.details == {"scopes_added": [name], "scopes_removed": []}


async def test_an_administrator_who_added_a_scope_is_disabled_by_another(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    departed = await add_somebody(server, *EVERY_SCOPE)
    headers = await token_of(server, departed, "scopes:write")
    assert (await create(http, headers, name_of_its_own())).status_code == 201
    response = await http.patch(f"/users/{departed.id}", json={"disabled": True}, headers=as_admin)
    assert response.status_code == 200, response.text


async def test_a_client_that_added_a_scope_is_given_another_secret_by_an_administrator(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock
) -> None:
    robot = await add_service(
        server, f"robot-{uuid.uuid4()}", scopes=["scopes:write"], default_scopes=["scopes:write"]
    )
    path = f"/clients/{robot.client_id}"
    before = await http.get(path, headers=as_admin)
    clock.advance(1)
    name = name_of_its_own()
    headers = await token_of_client(server, robot, "scopes:write")
    assert (await create(http, headers, name)).status_code == 201
    after = await http.get(path, headers=as_admin)
    assert after.json()["scopes"] == sorted([name, "scopes:write"])
    assert after.json()["default_scopes"] == ["scopes:write"]
    assert after.headers["etag"] != before.headers["etag"]
    (event,) = await events(server, client_id=robot.client_id, event_type="client.changed")
    assert (event.actor, event.details) == (robot.client_id, {"scopes": after.json()["scopes"]})
    response = await http.post(f"{path}/secret", json={"overlap": 0}, headers=as_admin)
    assert response.status_code == 200, response.text


async def test_whoever_got_a_scope_by_managing_scopes_loses_it_when_it_is_deleted(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    keeper = await add_somebody(server, "scopes:write")
    name = name_of_its_own()
    assert (await create(http, as_admin, name)).status_code == 201
    assert (await http.delete(f"/scopes/{name}", headers=as_admin)).status_code == 204
    shown = await http.get(f"/users/{keeper.id}", headers=as_admin)
    assert shown.json()["scopes"] == ["scopes:write"]
    *_, event = await events(server, user_id=str(keeper.id))
    assert event.details == {"scopes_added": [], "scopes_removed": [name]}


async def create_at_the_shell(server: Server, name: str) -> None:
    """In a thread, which has no event loop."""
    arguments = ("scopes", "create", name, "--description", "Read reports")
    await asyncio.to_thread(Shell(server.settings.database_url).json, *arguments)
