"""The sample resource: a user's own rows behind two scopes.

Each test has users of its own, so all share one application per database.
"""

import uuid
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

import httpx2
import pytest

from app.server import Server
from tests.conftest import ISSUER
from tests.support.assertions import assert_bearer_error, assert_no_token_sent, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer, log_in
from tests.support.started import app, clock, http, server, settings

__all__ = ["app", "clock", "http", "server", "settings"]

NOBODYS = "00000000-0000-4000-8000-000000000000"
BODY_LIMIT = 65536


@pytest.fixture(scope="module")
async def web(server: Server) -> TestClient:
    return await add_client(server)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, f"alice {uuid.uuid4()}")


@pytest.fixture
async def as_alice(http: httpx2.AsyncClient, alice: TestUser, web: TestClient) -> dict[str, str]:
    answer = await log_in(http, alice, web, "items:read items:write")
    return bearer(answer["access_token"])


@pytest.fixture
async def as_bob(http: httpx2.AsyncClient, server: Server, web: TestClient) -> dict[str, str]:
    bob = await add_user(server, f"bob {uuid.uuid4()}")
    answer = await log_in(http, bob, web, "items:read items:write")
    return bearer(answer["access_token"])


async def send(
    http: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """A request that is complete but for what the test is about."""
    json = {"title": "Tea"} if method in ("POST", "PATCH") else None
    return await http.request(method, path, headers=headers, json=json)


async def add(http: httpx2.AsyncClient, headers: dict[str, str], title: str = "Tea") -> str:
    """The id of a new item."""
    response = await http.post("/items", json={"title": title}, headers=headers)
    assert response.status_code == 201, response.text
    created: str = response.json()["id"]
    return created


async def titles(http: httpx2.AsyncClient, headers: dict[str, str]) -> list[str]:
    response = await http.get("/items", headers=headers)
    return [item["title"] for item in response.json()["items"]]


def assert_not_found(response: httpx2.Response) -> None:
    assert assert_problem(response, 404) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such item.",
    }


def assert_invalid(response: httpx2.Response, *errors: tuple[str, str]) -> None:
    """RFC 9457, with the fields at fault."""
    assert assert_problem(response, 422) == {
        "type": "about:blank",
        "title": HTTPStatus(422).phrase,
        "status": 422,
        "detail": "The request does not have the form that is described.",
        "errors": [{"field": field, "reason": reason} for field, reason in errors],
    }


# Creating


async def test_an_item_is_created_and_its_address_is_told(
    http: httpx2.AsyncClient, as_alice: dict[str, str], clock: TestClock
) -> None:
    response = await http.post(
        "/items", json={"title": "Tea", "description": "Green"}, headers=as_alice
    )
    assert response.status_code == 201
    body = response.json()
    created = str(uuid.UUID(body["id"]))
    assert body == {
        "id": created,
        "title": "Tea",
        "description": "Green",
        "created_at": clock.now().isoformat().replace("+00:00", "Z"),
    }
    assert response.headers["location"] == f"{ISSUER}/items/{created}"
    assert (await http.get(response.headers["location"], headers=as_alice)).json() == body


async def test_the_address_is_built_from_the_issuer_whatever_host_was_asked(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    headers = as_alice | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    response = await http.post("/items", json={"title": "Tea"}, headers=headers)
    assert response.headers["location"] == f"{ISSUER}/items/{response.json()['id']}"


async def test_an_item_needs_no_description(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    response = await http.post("/items", json={"title": "Tea"}, headers=as_alice)
    assert (response.status_code, response.json()["description"]) == (201, None)


async def test_space_around_a_title_is_dropped(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    response = await http.post("/items", json={"title": "  Tea \n"}, headers=as_alice)
    assert (response.status_code, response.json()["title"]) == (201, "Tea")


@pytest.mark.parametrize(
    "title",
    [
        pytest.param("x" * 200, id="the longest"),
        pytest.param("Чай 🍵 ﷽", id="any script"),
        pytest.param("'; DROP TABLE items; --", id="SQL"),
        pytest.param("a\tb\x7f", id="control characters"),
    ],
)
async def test_a_title_comes_back_as_it_was_sent(
    http: httpx2.AsyncClient, as_alice: dict[str, str], title: str
) -> None:
    created = await add(http, as_alice, title)
    response = await http.get(f"/items/{created}", headers=as_alice)
    assert (response.status_code, response.json()["title"]) == (200, title)


# Listing


async def test_a_user_without_items_gets_an_empty_page(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    response = await http.get("/items", headers=as_alice)
    assert (response.status_code, response.json()) == (200, {"items": [], "next_cursor": None})


async def test_items_are_listed_oldest_first(
    http: httpx2.AsyncClient, as_alice: dict[str, str], clock: TestClock
) -> None:
    for title in ("first", "second", "third"):
        await add(http, as_alice, title)
        clock.advance(0.001)
    assert await titles(http, as_alice) == ["first", "second", "third"]


async def test_the_items_of_others_are_not_listed(
    http: httpx2.AsyncClient, as_alice: dict[str, str], as_bob: dict[str, str]
) -> None:
    await add(http, as_alice, "Alice's")
    await add(http, as_bob, "Bob's")
    assert await titles(http, as_alice) == ["Alice's"]


async def pages(
    http: httpx2.AsyncClient, headers: dict[str, str], limit: int
) -> AsyncGenerator[list[str]]:
    parameters: dict[str, Any] = {"limit": limit}
    while True:
        response = await http.get("/items", params=parameters, headers=headers)
        assert response.status_code == 200, response.text
        page = response.json()
        yield [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


@pytest.mark.parametrize(
    ("limit", "sizes"),
    [
        pytest.param(2, [2, 2], id="the last page is full"),
        pytest.param(3, [3, 1], id="the last page is not full"),
        pytest.param(4, [4], id="one page"),
        pytest.param(100, [4], id="the largest page"),
    ],
)
async def test_pages_give_every_item_once_although_all_have_the_same_time(
    http: httpx2.AsyncClient, as_alice: dict[str, str], limit: int, sizes: list[int]
) -> None:
    created = {await add(http, as_alice) for _ in range(4)}
    found = [page async for page in pages(http, as_alice, limit)]
    assert [len(page) for page in found] == sizes
    assert {item for page in found for item in page} == created


async def test_an_item_that_is_added_meanwhile_is_on_a_later_page(
    http: httpx2.AsyncClient, as_alice: dict[str, str], clock: TestClock
) -> None:
    created = [await add(http, as_alice) for _ in range(2)]
    walk = pages(http, as_alice, 1)
    first = await anext(walk)
    clock.advance(1)
    created.append(await add(http, as_alice))
    rest = [item async for page in walk for item in page]
    assert sorted(first + rest[:1]) == sorted(created[:2])
    assert rest[1:] == created[2:]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        pytest.param("0", "Input should be greater than or equal to 1", id="too small"),
        pytest.param("101", "Input should be less than or equal to 100", id="too large"),
        pytest.param(
            "many",
            "Input should be a valid integer, unable to parse string as an integer",
            id="a word",
        ),
    ],
)
async def test_a_limit_out_of_range_is_refused(
    http: httpx2.AsyncClient,
    as_alice: dict[str, str],
    limit: str,
    reason: str,
) -> None:
    response = await http.get("/items", params={"limit": limit}, headers=as_alice)
    assert_invalid(response, ("query.limit", reason))


@pytest.mark.parametrize("cursor", ["no-uuid", "00000000", "a\x00b"])
async def test_a_cursor_that_is_no_id_is_refused(
    http: httpx2.AsyncClient, as_alice: dict[str, str], cursor: str
) -> None:
    response = await http.get("/items", params={"cursor": cursor}, headers=as_alice)
    assert_problem(response, 422)
    assert [error["field"] for error in response.json()["errors"]] == ["query.cursor"]
    assert cursor not in response.text


async def test_a_cursor_of_another_user_is_not_found(
    http: httpx2.AsyncClient, as_alice: dict[str, str], as_bob: dict[str, str]
) -> None:
    cursor = await add(http, as_bob)
    assert_not_found(await http.get("/items", params={"cursor": cursor}, headers=as_alice))


# Changing


async def test_an_item_is_changed_where_a_change_was_sent(
    http: httpx2.AsyncClient, as_alice: dict[str, str], clock: TestClock
) -> None:
    created_at = clock.now().isoformat().replace("+00:00", "Z")
    created = await add(http, as_alice)
    clock.advance(10)
    for changes, title, description in (
        ({"description": "Green"}, "Tea", "Green"),
        ({"title": "More tea"}, "More tea", "Green"),
        ({}, "More tea", "Green"),
        ({"description": None}, "More tea", None),
    ):
        response = await http.patch(f"/items/{created}", json=changes, headers=as_alice)
        assert (response.status_code, response.json()) == (
            200,
            {
                "id": created,
                "title": title,
                "description": description,
                "created_at": created_at,
            },
        )
        assert (await http.get(f"/items/{created}", headers=as_alice)).json() == response.json()


async def test_the_other_items_stay_when_one_is_changed(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    created = await add(http, as_alice, "first")
    await add(http, as_alice, "second")
    await http.patch(f"/items/{created}", json={"title": "changed"}, headers=as_alice)
    assert sorted(await titles(http, as_alice)) == ["changed", "second"]


async def test_a_deleted_item_is_gone_and_the_others_stay(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    created = await add(http, as_alice, "first")
    await add(http, as_alice, "second")
    response = await http.delete(f"/items/{created}", headers=as_alice)
    assert (response.status_code, response.content) == (204, b"")
    assert_not_found(await http.get(f"/items/{created}", headers=as_alice))
    assert_not_found(await http.delete(f"/items/{created}", headers=as_alice))
    assert await titles(http, as_alice) == ["second"]


# Whose they are


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_item_of_another_user_is_not_found_and_stays(
    http: httpx2.AsyncClient, as_alice: dict[str, str], as_bob: dict[str, str], method: str
) -> None:
    created = await add(http, as_bob, "Bob's")
    assert_not_found(await send(http, method, f"/items/{created}", as_alice))
    assert await titles(http, as_bob) == ["Bob's"]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_item_is_not_found(
    http: httpx2.AsyncClient, as_alice: dict[str, str], method: str
) -> None:
    assert_not_found(await send(http, method, f"/items/{NOBODYS}", as_alice))


ROUTES = [
    pytest.param("GET", "/items", "items:read", id="list"),
    pytest.param("POST", "/items", "items:write", id="create"),
    pytest.param("GET", f"/items/{NOBODYS}", "items:read", id="get"),
    pytest.param("PATCH", f"/items/{NOBODYS}", "items:write", id="update"),
    pytest.param("DELETE", f"/items/{NOBODYS}", "items:write", id="delete"),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_each_route_needs_its_scope(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, method: str, path: str, scope: str
) -> None:
    other = "items:write" if scope == "items:read" else "items:read"
    answer = await log_in(http, alice, web, f"profile {other}")
    response = await send(http, method, path, bearer(answer["access_token"]))
    assert_bearer_error(response, "insufficient_scope", 403, scope=scope)


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_no_route_answers_without_a_token(
    http: httpx2.AsyncClient, method: str, path: str, scope: str
) -> None:
    assert_no_token_sent(await send(http, method, path))


# Bodies that are refused

SENTINEL = "sentinel-of-the-input"

NUL = "String should match pattern '^[^\\x00]*$'"


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        pytest.param({}, "body.title", "Field required", id="no title"),
        pytest.param({"title": None}, "body.title", "Input should be a valid string", id="null"),
        pytest.param({"title": 7}, "body.title", "Input should be a valid string", id="number"),
        pytest.param(
            {"title": {"value": SENTINEL}},
            "body.title",
            "Input should be a valid string",
            id="object",
        ),
        pytest.param(
            {"title": " \n"},
            "body.title",
            "String should have at least 1 character",
            id="blank title",
        ),
        pytest.param(
            {"title": SENTINEL * 10},
            "body.title",
            "String should have at most 200 characters",
            id="long title",
        ),
        pytest.param(
            {"title": "Tea", "description": SENTINEL * 240},
            "body.description",
            "String should have at most 5000 characters",
            id="long description",
        ),
        pytest.param({"title": f"{SENTINEL}\x00"}, "body.title", NUL, id="NUL in the title"),
        pytest.param(
            {"title": "Tea", "description": f"\x00{SENTINEL}"},
            "body.description",
            NUL,
            id="NUL in the description",
        ),
        pytest.param(
            {"title": "Tea", "owner_id": SENTINEL},
            "body.owner_id",
            "Extra inputs are not permitted",
            id="unknown field",
        ),
    ],
)
async def test_an_item_that_breaks_a_rule_is_refused_by_field_and_reason_alone(
    http: httpx2.AsyncClient,
    as_alice: dict[str, str],
    body: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    response = await http.post("/items", json=body, headers=as_alice)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    assert await titles(http, as_alice) == []


async def test_every_field_at_fault_is_listed(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    response = await http.post(
        "/items", json={"title": "", "description": 7, "more": 1}, headers=as_alice
    )
    assert_invalid(
        response,
        ("body.title", "String should have at least 1 character"),
        ("body.description", "Input should be a valid string"),
        ("body.more", "Extra inputs are not permitted"),
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        pytest.param({"title": None}, "body.title", "Input should be a valid string", id="null"),
        pytest.param(
            {"title": ""}, "body.title", "String should have at least 1 character", id="empty"
        ),
        pytest.param({"title": "a\x00"}, "body.title", NUL, id="NUL in the title"),
        pytest.param({"description": "\x00"}, "body.description", NUL, id="NUL in the description"),
        pytest.param(
            {"id": NOBODYS}, "body.id", "Extra inputs are not permitted", id="unknown field"
        ),
    ],
)
async def test_a_change_that_breaks_a_rule_is_refused_and_changes_nothing(
    http: httpx2.AsyncClient,
    as_alice: dict[str, str],
    changes: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    created = await add(http, as_alice)
    response = await http.patch(f"/items/{created}", json=changes, headers=as_alice)
    assert_invalid(response, (field, reason))
    assert await titles(http, as_alice) == ["Tea"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"title": "' + SENTINEL.encode(), id="not closed"),
        pytest.param(SENTINEL.encode(), id="no JSON"),
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(f'["{SENTINEL}"]'.encode(), id="list"),
        pytest.param(f'"{SENTINEL}"'.encode(), id="string"),
        pytest.param(b'{"title": "\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"title": "Tea", "\\ud800": 1}', id="lone surrogate in a name"),
    ],
)
async def test_a_body_that_is_no_item_is_refused_without_being_repeated(
    http: httpx2.AsyncClient, as_alice: dict[str, str], body: bytes
) -> None:
    headers = as_alice | {"Content-Type": "application/json"}
    response = await http.post("/items", content=body, headers=headers)
    problem = assert_problem(response, 422)
    assert problem["errors"]
    assert SENTINEL not in response.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"title": "\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 20_000, id="deeply nested"),
        pytest.param(b'{"title": ' + b"9" * 20_000 + b"}", id="huge number"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_problem_of_the_client(
    http: httpx2.AsyncClient, as_alice: dict[str, str], body: bytes
) -> None:
    headers = as_alice | {"Content-Type": "application/json"}
    response = await http.post("/items", content=body, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert_problem(response, response.status_code)


async def test_a_form_is_no_item(http: httpx2.AsyncClient, as_alice: dict[str, str]) -> None:
    response = await http.post("/items", data={"title": SENTINEL}, headers=as_alice)
    assert_problem(response, 422)
    assert SENTINEL not in response.text


async def test_the_largest_body_is_read(http: httpx2.AsyncClient, as_alice: dict[str, str]) -> None:
    body = b'{"title": "Tea"}'.ljust(BODY_LIMIT)
    headers = as_alice | {"Content-Type": "application/json"}
    response = await http.post("/items", content=body, headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("declared", [True, False], ids=["length declared", "in chunks"])
async def test_a_larger_body_is_refused(
    http: httpx2.AsyncClient, as_alice: dict[str, str], declared: bool
) -> None:
    body = b'{"title": "Tea"}'.ljust(BODY_LIMIT + 1)

    async def chunks() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    headers = as_alice | {"Content-Type": "application/json"}
    content: Any = body if declared else chunks()
    response = await http.post("/items", content=content, headers=headers)
    assert assert_problem(response, 413) == {
        "type": "about:blank",
        "title": HTTPStatus(413).phrase,
        "status": 413,
        "detail": "The request body is too large.",
    }
    assert await titles(http, as_alice) == []


@pytest.mark.parametrize("item_id", ["no-uuid", "1", "%00", "a" * 300])
async def test_an_id_that_is_no_uuid_is_refused(
    http: httpx2.AsyncClient, as_alice: dict[str, str], item_id: str
) -> None:
    response = await http.get(f"/items/{item_id}", headers=as_alice)
    assert_problem(response, 422)
    assert [error["field"] for error in response.json()["errors"]] == ["path.item_id"]


# Addresses and methods that are not there


@pytest.mark.parametrize(
    "path", ["/nothing", "/items/", f"/items/{NOBODYS}/more", "//items", "/Items"]
)
async def test_an_unknown_address_is_a_problem(
    http: httpx2.AsyncClient, as_alice: dict[str, str], path: str
) -> None:
    response = await http.get(f"{ISSUER}{path}", headers=as_alice)
    assert assert_problem(response, 404) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no resource at this address.",
    }


@pytest.mark.rfc("9110", "15.5.6")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("PUT", "/items", {"GET", "POST"}, id="collection"),
        pytest.param("POST", f"/items/{NOBODYS}", {"GET", "PATCH", "DELETE"}, id="item"),
    ],
)
async def test_a_method_that_is_not_there_is_a_problem_that_names_the_others(
    http: httpx2.AsyncClient,
    as_alice: dict[str, str],
    method: str,
    path: str,
    allowed: set[str],
) -> None:
    response = await http.request(method, path, headers=as_alice)
    assert assert_problem(response, 405) == {
        "type": "about:blank",
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "This method is not allowed at this address.",
    }
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("name", ["a password as a name", "x" * 50_000], ids=["words", "long"])
async def test_the_name_of_a_field_that_should_not_be_there_is_not_repeated_if_it_is_none(
    http: httpx2.AsyncClient, as_alice: dict[str, str], name: str
) -> None:
    response = await http.post("/items", json={"title": "a", name: 1}, headers=as_alice)
    assert response.json()["errors"] == [
        {"field": "body", "reason": "Extra inputs are not permitted"}
    ]
