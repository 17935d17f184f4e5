"""``/api-keys``: one's own API keys.

Each test has users of its own, so all share one application per database.
"""

import re
import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from app.features.api_keys.service import use_api_key
from app.login.user_keys import UserKey
from app.server import Server
from tests.conftest import ISSUER
from tests.support.assertions import assert_bearer_error, assert_no_token_sent, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer, log_in
from tests.support.flow import dump
from tests.support.started import app, clock, http, server, settings

__all__ = ["app", "clock", "http", "server", "settings"]

SCOPES = ("items:read", "items:write", "api-keys:read", "api-keys:write")

NOBODYS = "00000000-0000-4000-8000-000000000000"

ONE_YEAR = 31_536_000
TEN_YEARS = 315_360_000

Headers = dict[str, str]


@pytest.fixture(scope="module")
async def web(server: Server) -> TestClient:
    return await add_client(server, scopes=SCOPES)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, f"alice {uuid.uuid4()}", scopes=SCOPES)


async def logged_in(http: httpx2.AsyncClient, user: TestUser, client: TestClient) -> Headers:
    answer = await log_in(http, user, client, " ".join(SCOPES))
    return bearer(answer["access_token"])


@pytest.fixture
async def as_alice(http: httpx2.AsyncClient, alice: TestUser, web: TestClient) -> Headers:
    return await logged_in(http, alice, web)


@pytest.fixture
async def as_bob(http: httpx2.AsyncClient, server: Server, web: TestClient) -> Headers:
    bob = await add_user(server, f"bob {uuid.uuid4()}", scopes=SCOPES)
    return await logged_in(http, bob, web)


async def make(http: httpx2.AsyncClient, headers: Headers, **changes: Any) -> dict[str, Any]:
    """A new key, as it is shown this once."""
    wanted = {"name": "backup", "scopes": ["items:read"]} | changes
    response = await http.post("/api-keys", json=wanted, headers=headers)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def use(server: Server, key: str) -> UserKey | None:
    """Who holds it, as a route that takes keys asks."""
    return await use_api_key(server.database, key, server.clock.now())


def written(moment: Any) -> str:
    """A time, as the API writes it."""
    text: str = moment.isoformat()
    return text.replace("+00:00", "Z")


def assert_not_found(response: httpx2.Response) -> None:
    assert assert_problem(response, 404) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such API key.",
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


# Making one


async def test_a_key_is_made_and_works_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, as_alice: Headers, clock: TestClock
) -> None:
    wanted = {"name": "backup", "scopes": ["items:write", "items:read"], "expires_in": 3600}
    response = await http.post("/api-keys", json=wanted, headers=as_alice)
    assert response.status_code == 201
    body = response.json()
    assert re.fullmatch(r"lk_[A-Za-z0-9]{49}", body["key"])
    assert body == {
        "id": str(uuid.UUID(body["id"])),
        "name": "backup",
        "prefix": body["key"][:11],
        "scopes": ["items:read", "items:write"],
        "created_at": written(clock.now()),
        "expires_at": written(clock.now() + timedelta(hours=1)),
        "last_used_at": None,
        "revoked_at": None,
        "key": body["key"],
    }
    assert response.headers["location"] == f"{ISSUER}/api-keys/{body['id']}"
    assert response.headers["cache-control"] == "no-store"
    holder = await use(server, body["key"])
    assert holder is not None
    assert (holder.user.id, holder.permitted) == (
        alice.id,
        frozenset({"items:read", "items:write"}),
    )


async def test_a_key_is_shown_once(http: httpx2.AsyncClient, as_alice: Headers) -> None:
    made = await make(http, as_alice)
    key = made.pop("key")
    one = await http.get(f"/api-keys/{made['id']}", headers=as_alice)
    every = await http.get("/api-keys", headers=as_alice)
    assert (one.status_code, one.json()) == (200, made)
    assert (every.status_code, every.json()["api_keys"]) == (200, [made])
    assert key not in one.text + every.text


async def test_a_key_is_neither_in_the_database_nor_in_the_log(
    http: httpx2.AsyncClient, server: Server, as_alice: Headers
) -> None:
    with capture_logs() as logs:
        key = (await make(http, as_alice))["key"]
        await use(server, key)
    assert key not in repr(logs) + await dump(server)


async def test_a_key_may_have_no_scope(http: httpx2.AsyncClient, as_alice: Headers) -> None:
    assert (await make(http, as_alice, scopes=[]))["scopes"] == []


async def test_a_key_lasts_as_long_as_any_may_unless_somebody_says_how_long(
    http: httpx2.AsyncClient, as_alice: Headers, clock: TestClock
) -> None:
    made = await make(http, as_alice)
    assert made["expires_at"] == written(clock.now() + timedelta(days=365))


async def test_a_key_that_is_to_last_longer_than_any_may_is_refused(
    http: httpx2.AsyncClient, as_alice: Headers
) -> None:
    wanted = {"name": "backup", "scopes": [], "expires_in": ONE_YEAR + 1}
    response = await http.post("/api-keys", json=wanted, headers=as_alice)
    reason = "it can last for at most 31536000 seconds"
    assert assert_problem(response, 422)["errors"] == [
        {"field": "body.expires_in", "reason": reason}
    ]


async def test_a_token_makes_no_key_that_opens_more_than_itself(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    narrow_client = await add_client(
        server, f"narrow-{uuid.uuid4()}", scopes=["api-keys:write"], default_scopes=()
    )
    narrow = bearer((await log_in(http, alice, narrow_client, "api-keys:write"))["access_token"])
    wanted = {"name": "backup", "scopes": ["items:read"]}
    response = await http.post("/api-keys", json=wanted, headers=narrow)
    reason = "the access token does not have the scope"
    assert assert_problem(response, 422)["errors"] == [{"field": "body.scopes", "reason": reason}]


@pytest.mark.parametrize("expires_in", [1, ONE_YEAR])
async def test_a_key_may_expire_in_a_second_or_in_a_year(
    http: httpx2.AsyncClient, as_alice: Headers, clock: TestClock, expires_in: int
) -> None:
    made = await make(http, as_alice, expires_in=expires_in)
    assert made["expires_at"] == written(clock.now() + timedelta(seconds=expires_in))


async def test_a_key_ends_when_it_was_asked_to(
    http: httpx2.AsyncClient, server: Server, as_alice: Headers, clock: TestClock
) -> None:
    key = (await make(http, as_alice, expires_in=60))["key"]
    clock.advance(59)
    assert await use(server, key) is not None
    clock.advance(1)
    assert await use(server, key) is None


@pytest.mark.parametrize("scope", ["users:read", "profile", "clients:write"])
async def test_a_scope_that_one_does_not_have_is_refused(
    http: httpx2.AsyncClient, as_alice: Headers, scope: str
) -> None:
    wanted = {"name": "backup", "scopes": ["items:read", scope]}
    response = await http.post("/api-keys", json=wanted, headers=as_alice)
    assert "does not have the scope" in str(assert_problem(response, 422)["detail"])
    assert (await http.get("/api-keys", headers=as_alice)).json()["api_keys"] == []


@pytest.mark.parametrize("scope", ["no-such-scope", "", "items:read items:write", "a\x00b"])
async def test_an_unknown_scope_is_refused(
    http: httpx2.AsyncClient, as_alice: Headers, scope: str
) -> None:
    wanted = {"name": "backup", "scopes": [scope]}
    response = await http.post("/api-keys", json=wanted, headers=as_alice)
    assert "there is no scope" in str(assert_problem(response, 422)["detail"])
    assert (await http.get("/api-keys", headers=as_alice)).json()["api_keys"] == []


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        pytest.param({"name": None}, "name", "Input should be a valid string", id="name_null"),
        pytest.param(
            {"name": ""}, "name", "String should have at least 1 character", id="name_empty"
        ),
        pytest.param(
            {"name": "x" * 101},
            "name",
            "String should have at most 100 characters",
            id="name_long",
        ),
        pytest.param({"scopes": None}, "scopes", "Input should be a valid list", id="scopes_null"),
        pytest.param(
            {"scopes": "items:read"}, "scopes", "Input should be a valid list", id="scopes_text"
        ),
        pytest.param(
            {"scopes": [1]}, "scopes.0", "Input should be a valid string", id="scope_number"
        ),
        pytest.param(
            {"scopes": ["x"] * 101},
            "scopes",
            "List should have at most 100 items after validation, not 101",
            id="scopes_many",
        ),
        pytest.param(
            {"expires_in": 0},
            "expires_in",
            "Input should be greater than or equal to 1",
            id="expires_at_once",
        ),
        pytest.param(
            {"expires_in": TEN_YEARS + 1},
            "expires_in",
            f"Input should be less than or equal to {TEN_YEARS}",
            id="expires_too_late",
        ),
        pytest.param(
            {"expires_in": 1.5},
            "expires_in",
            "Input should be a valid integer, got a number with a fractional part",
            id="expires_in_a_fraction",
        ),
        pytest.param(
            {"key": "chosen"}, "key", "Extra inputs are not permitted", id="a_key_of_ones_own"
        ),
        pytest.param(
            {"owner": "bob"}, "owner", "Extra inputs are not permitted", id="another_owner"
        ),
    ],
)
async def test_a_field_of_another_form_is_named_with_the_reason(
    http: httpx2.AsyncClient, as_alice: Headers, changes: dict[str, Any], field: str, reason: str
) -> None:
    wanted = {"name": "backup", "scopes": ["items:read"]} | changes
    response = await http.post("/api-keys", json=wanted, headers=as_alice)
    assert_invalid(response, (f"body.{field}", reason))


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        pytest.param(" ", "an API key has a name of 1 to 100 characters", id="blank"),
        pytest.param("a\x00b", "an API key has no control characters in its name", id="nul"),
        pytest.param("a\u202eb", "an API key has no control characters in its name", id="turned"),
    ],
)
async def test_a_name_that_says_nothing_or_deceives_is_refused(
    http: httpx2.AsyncClient, as_alice: Headers, name: str, detail: str
) -> None:
    wanted = {"name": name, "scopes": []}
    response = await http.post("/api-keys", json=wanted, headers=as_alice)
    assert assert_problem(response, 422)["detail"] == detail


async def test_missing_fields_are_named(http: httpx2.AsyncClient, as_alice: Headers) -> None:
    response = await http.post("/api-keys", json={}, headers=as_alice)
    assert_invalid(response, ("body.name", "Field required"), ("body.scopes", "Field required"))


@pytest.mark.parametrize("field", ["name", "scopes"])
async def test_a_lone_surrogate_is_a_problem(
    http: httpx2.AsyncClient, as_alice: Headers, field: str
) -> None:
    value = '"\\ud800"' if field == "name" else '["\\ud800"]'
    other = '"scopes": []' if field == "name" else '"name": "x"'
    body = f'{{"{field}": {value}, {other}}}'
    headers = as_alice | {"Content-Type": "application/json"}
    response = await http.post("/api-keys", content=body.encode(), headers=headers)
    assert_problem(response, 422)


# Listing and looking


async def test_keys_are_listed_newest_first_revoked_ones_among_them(
    http: httpx2.AsyncClient, as_alice: Headers, clock: TestClock
) -> None:
    made = []
    for name in ("first", "second", "third"):
        made.append(await make(http, as_alice, name=name))
        clock.advance(1)
    await http.delete(f"/api-keys/{made[1]['id']}", headers=as_alice)
    answer = (await http.get("/api-keys", headers=as_alice)).json()
    listed = answer["api_keys"]
    assert answer["next_cursor"] is None
    assert [key["name"] for key in listed] == ["third", "second", "first"]
    assert [key["revoked_at"] for key in listed] == [None, written(clock.now()), None]


async def test_keys_come_in_pages(http: httpx2.AsyncClient, as_alice: Headers) -> None:
    """Also those that were made in the same moment."""
    made = {(await make(http, as_alice, name=name))["id"] for name in "abc"}
    seen: list[str] = []
    query = {"limit": "2"}
    while query.get("cursor") != "":
        answer = (await http.get("/api-keys", params=query, headers=as_alice)).json()
        assert len(answer["api_keys"]) <= 2
        seen += [key["id"] for key in answer["api_keys"]]
        query["cursor"] = answer["next_cursor"] or ""
    assert sorted(seen) == sorted(made)
    for cursor in (seen[0], "0.0"):
        refused = await http.get("/api-keys", params={"cursor": cursor}, headers=as_alice)
        assert_problem(refused, 422)


async def test_the_list_has_ones_own_keys_alone(
    http: httpx2.AsyncClient, as_alice: Headers, as_bob: Headers
) -> None:
    await make(http, as_alice, name="of alice")
    assert (await http.get("/api-keys", headers=as_bob)).json()["api_keys"] == []


async def test_the_last_use_is_told_to_the_hour(
    http: httpx2.AsyncClient,
    server: Server,
    as_alice: Headers,
    alice: TestUser,
    web: TestClient,
    clock: TestClock,
) -> None:
    made = await make(http, as_alice)
    first = written(clock.now())
    seen = []
    for _ in range(3):
        await use(server, made["key"])
        headers = await logged_in(http, alice, web)
        response = await http.get(f"/api-keys/{made['id']}", headers=headers)
        seen.append(response.json()["last_used_at"])
        clock.advance(1800)
    clock.advance(-1800)
    assert seen == [first, first, written(clock.now())]


# Revoking


async def test_a_revoked_key_stops_at_once(
    http: httpx2.AsyncClient, server: Server, as_alice: Headers, clock: TestClock
) -> None:
    made = await make(http, as_alice)
    assert await use(server, made["key"]) is not None
    response = await http.delete(f"/api-keys/{made['id']}", headers=as_alice)
    assert (response.status_code, response.content) == (204, b"")
    assert await use(server, made["key"]) is None
    shown = (await http.get(f"/api-keys/{made['id']}", headers=as_alice)).json()
    assert shown["revoked_at"] == written(clock.now())


async def test_a_key_is_revoked_once(http: httpx2.AsyncClient, as_alice: Headers) -> None:
    made = await make(http, as_alice)
    assert (await http.delete(f"/api-keys/{made['id']}", headers=as_alice)).status_code == 204
    assert_not_found(await http.delete(f"/api-keys/{made['id']}", headers=as_alice))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_the_key_of_another_user_is_not_there(
    http: httpx2.AsyncClient, server: Server, as_alice: Headers, as_bob: Headers, method: str
) -> None:
    made = await make(http, as_alice)
    assert_not_found(await http.request(method, f"/api-keys/{made['id']}", headers=as_bob))
    assert await use(server, made["key"]) is not None


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_key_is_not_there(
    http: httpx2.AsyncClient, as_alice: Headers, method: str
) -> None:
    assert_not_found(await http.request(method, f"/api-keys/{NOBODYS}", headers=as_alice))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_id_that_is_none_is_a_validation_problem(
    http: httpx2.AsyncClient, as_alice: Headers, method: str
) -> None:
    response = await http.request(method, "/api-keys/none", headers=as_alice)
    problem = assert_problem(response, 422)
    assert [error["field"] for error in response.json()["errors"]] == ["path.key_id"]
    assert problem["detail"] == "The request does not have the form that is described."


# Who may


OPERATIONS = [
    pytest.param("GET", "/api-keys", "api-keys:read", id="list"),
    pytest.param("POST", "/api-keys", "api-keys:write", id="make"),
    pytest.param("GET", f"/api-keys/{NOBODYS}", "api-keys:read", id="look"),
    pytest.param("DELETE", f"/api-keys/{NOBODYS}", "api-keys:write", id="revoke"),
]


async def send(
    http: httpx2.AsyncClient, method: str, path: str, headers: Headers | None = None
) -> httpx2.Response:
    """A request that is complete but for what the test is about."""
    json = {"name": "backup", "scopes": []} if method == "POST" else None
    return await http.request(method, path, headers=headers, json=json)


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
async def test_a_token_is_needed(
    http: httpx2.AsyncClient, method: str, path: str, scope: str
) -> None:
    assert_no_token_sent(await send(http, method, path))


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
async def test_a_token_without_the_scope_is_told_which_one_is_missing(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, method: str, path: str, scope: str
) -> None:
    others = " ".join(set(SCOPES) - {scope})
    headers = bearer((await log_in(http, alice, web, others))["access_token"])
    response = await send(http, method, path, headers)
    assert_bearer_error(response, "insufficient_scope", 403, scope=scope)


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
async def test_an_api_key_does_not_manage_api_keys(
    http: httpx2.AsyncClient, as_alice: Headers, method: str, path: str, scope: str
) -> None:
    key = (await make(http, as_alice, scopes=["api-keys:read", "api-keys:write"]))["key"]
    assert_no_token_sent(await send(http, method, path, {"X-API-Key": key}))
