"""``/resources``, as an administrator uses it."""

import uuid
from typing import Any

import httpx2
import pytest

from app.server import Server
from tests.conftest import ISSUER
from tests.support.factories import add_client
from tests.support.operators import (
    EVERY_SCOPE,
    NOT_YOURS,
    TOO_GREAT,
    add_somebody,
    assert_invalid,
    assert_refused,
    events,
    token_of,
    walk,
)
from tests.support.started import app, clock, http, server, settings

__all__ = ["app", "clock", "http", "server", "settings"]


PUBLISHED = ("identifier", "name", "scopes", "clients", "server", "self_registered")


def new_uri() -> str:
    return f"https://api.example.com/{uuid.uuid4()}"


async def add(http: httpx2.AsyncClient, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    response = await http.post("/resources", json={"identifier": new_uri()} | body, headers=headers)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_this_server_itself_is_not_opened_to_clients_of_anybody(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    told = "this server itself cannot be open to clients that registered themselves"
    opened = {"identifier": ISSUER, "self_registered": True}
    response = await http.post("/resources", json=opened, headers=as_admin)
    assert (response.status_code, response.json()["detail"]) == (422, told)
    made = await add(http, as_admin, identifier=ISSUER)
    address = f"/resources/{made['id']}"
    response = await http.patch(address, json={"self_registered": True}, headers=as_admin)
    assert (response.status_code, response.json()["detail"]) == (422, told)
    assert (await http.get(address, headers=as_admin)).json() == made
    assert (await http.delete(address, headers=as_admin)).status_code == 204


async def test_a_resource_is_registered_read_changed_and_deleted(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    shop = await add_client(server, f"shop-{uuid.uuid4()}")
    uri = new_uri()
    body = {"identifier": uri, "scopes": ["items:read"], "clients": [shop.client_id]}
    response = await http.post("/resources", json=body, headers=as_admin)
    made = response.json()
    address = f"/resources/{made['id']}"
    assert (response.status_code, response.headers["location"]) == (201, ISSUER + address)
    assert made == {
        **body,
        "name": uri,
        "server": None,
        "self_registered": False,
        "id": made["id"],
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    assert (await http.get(address, headers=as_admin)).json() == made
    condition = {"If-Match": response.headers["etag"]}
    changes = {"name": "Orders", "server": shop.client_id, "clients": []}
    changed = await http.patch(address, json=changes, headers=as_admin | condition)
    assert changed.json() == {**made, **changes, "updated_at": changed.json()["updated_at"]}
    assert (await http.delete(address, headers=as_admin)).status_code == 204
    assert_refused(await http.get(address, headers=as_admin), 404, "There is no such resource.")
    trail = [(each.type, each.details) for each in await events(server)][-3:]
    created = {name: made[name] for name in PUBLISHED}
    assert trail == [
        ("resource.created", created),
        ("resource.changed", {"identifier": uri, **changes}),
        ("resource.deleted", {"identifier": uri}),
    ]


async def test_lists_have_pages(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> None:
    made = [(await add(http, as_admin))["identifier"] for _ in range(3)]
    pages = await walk(http, as_admin, "/resources", "resources", "identifier", limit=1)
    assert [uri for (uri,) in pages if uri in made] == sorted(made)


@pytest.mark.rfc("8707", "2", 1)
@pytest.mark.parametrize(
    "identifier",
    [
        "orders",
        "https://",
        "https://a.example/#part",
        "https://u@a.example",
        "https://a b",
        "/a",
        "",
    ],
)
async def test_an_identifier_is_an_absolute_uri_without_fragment(
    http: httpx2.AsyncClient, as_admin: dict[str, str], identifier: str
) -> None:
    response = await http.post("/resources", json={"identifier": identifier}, headers=as_admin)
    reason = "a resource must be an absolute URI without fragment"
    assert_invalid(response, ("body.identifier", reason))


@pytest.mark.rfc("9068", "5", 3)
async def test_two_spellings_are_one_resource(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    made = await add(http, as_admin, identifier=f"https://{uuid.uuid4()}.example")
    body = {"identifier": made["identifier"] + "/"}
    response = await http.post("/resources", json=body, headers=as_admin)
    assert_refused(response, 409, "a resource with this identifier already exists")


@pytest.mark.parametrize("field", ["clients", "server"])
async def test_an_unknown_client_is_told_by_its_field(
    http: httpx2.AsyncClient, as_admin: dict[str, str], field: str
) -> None:
    value = "nobody" if field == "server" else ["nobody"]
    body = {"identifier": new_uri(), field: value}
    response = await http.post("/resources", json=body, headers=as_admin)
    told = {"field": f"body.{field}", "reason": "there is no client with that id"}
    assert (response.status_code, response.json()["errors"]) == (422, [told])


async def test_a_scope_that_a_resource_understands_is_not_deleted(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    name = f"orders-{uuid.uuid4()}"
    scope = {"name": name, "description": "Order"}
    assert (await http.post("/scopes", json=scope, headers=as_admin)).status_code == 201
    await add(http, as_admin, scopes=[name])
    response = await http.delete(f"/scopes/{name}", headers=as_admin)
    assert_refused(response, 409, f"resources have the scope {name}: remove it from them first")


async def test_nobody_gives_a_resource_to_a_client_that_exceeds_them(
    http: httpx2.AsyncClient, server: Server
) -> None:
    great = await add_client(server, f"great-{uuid.uuid4()}", scopes=EVERY_SCOPE)
    console = await add_client(server, f"console-{uuid.uuid4()}", scopes=EVERY_SCOPE)
    somebody = await add_somebody(server, "resources:write", "items:read")
    headers = await token_of(server, somebody, "resources:write", client_id=console.client_id)
    body = {"identifier": new_uri(), "clients": [great.client_id]}
    assert_refused(await http.post("/resources", json=body, headers=headers), 403, TOO_GREAT)
    body = {"identifier": new_uri(), "scopes": ["items:write"]}
    assert_refused(await http.post("/resources", json=body, headers=headers), 403, NOT_YOURS)


async def test_to_name_a_server_is_worth_seeing_users(
    http: httpx2.AsyncClient, server: Server
) -> None:
    console = await add_client(server, f"console-{uuid.uuid4()}", scopes=EVERY_SCOPE)
    serving = await add_client(server, f"api-{uuid.uuid4()}", scopes=(), introspect="own")
    scopes = ("resources:write", "profile", "items:read")
    headers = await token_of(
        server, await add_somebody(server, *scopes), *scopes, client_id=console.client_id
    )
    body = {"identifier": new_uri(), "server": serving.client_id}
    assert_refused(await http.post("/resources", json=body, headers=headers), 403, NOT_YOURS)
