"""Reading the audit trail over HTTP."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete

from app.audit.trail import Event, EventType, Origin, record
from app.models import AuditEvent
from app.server import Server
from app.web.cursors import EVENT_CURSOR
from tests.support.assertions import assert_problem
from tests.support.factories import add_user
from tests.support.operators import (
    SENTINEL,
    add_somebody,
    assert_invalid,
    assert_refused,
    walk,
    written,
)

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALICE = str(uuid.uuid4())
BOB = str(uuid.uuid4())

EVENTS: list[tuple[EventType, str | None, str | None]] = [
    ("login.succeeded", ALICE, "shop"),
    ("login.failed", ALICE, "shop"),
    ("login.succeeded", BOB, "shop"),
    ("login.failed", None, "other"),
    ("login.succeeded", ALICE, "other"),
    ("key.rotated", None, None),
]


@pytest.fixture(autouse=True)
async def _trail(server: Server) -> None:
    """Six events, a minute apart, and no others."""
    async with server.database.transaction() as connection:
        await connection.execute(delete(AuditEvent))
        for minutes, (event_type, user_id, client_id) in enumerate(EVENTS):
            event = Event(
                type=event_type,
                actor=user_id,
                user_id=user_id,
                client_id=client_id,
                origin=Origin("192.0.2.1", "agent/1.0"),
                details={"number": minutes},
            )
            await record(connection, START + timedelta(minutes=minutes), event)


async def numbers(
    http: httpx2.AsyncClient, headers: dict[str, str], **parameters: Any
) -> list[list[int]]:
    """The numbers of the events, page by page."""
    pages = await walk(http, headers, "/audit", "events", "details", **parameters)
    return [[details["number"] for details in page] for page in pages]


async def test_events_are_listed_newest_first(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    assert await numbers(http, as_admin) == [[5, 4, 3, 2, 1, 0]]


async def test_an_event_is_shown_whole(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> None:
    response = await http.get("/audit", params={"user": BOB}, headers=as_admin)
    (event,) = response.json()["events"]
    assert isinstance(event.pop("id"), int)
    assert event == {
        "at": written(START + timedelta(minutes=2)),
        "type": "login.succeeded",
        "actor": BOB,
        "user_id": BOB,
        "client_id": "shop",
        "address": "192.0.2.1",
        "user_agent": "agent/1.0",
        "request_id": None,
        "details": {"number": 2},
    }
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({"user": ALICE}, [4, 1, 0], id="user"),
        pytest.param({"client": "shop"}, [2, 1, 0], id="client"),
        pytest.param({"type": "login.failed"}, [3, 1], id="type"),
        pytest.param({"since": "2026-01-01T12:04:00Z"}, [5, 4], id="since, with its moment"),
        pytest.param({"since": "2026-01-01T12:04:00.000001Z"}, [5], id="since, a moment later"),
        pytest.param({"since": "2026-01-01T13:04:00+01:00"}, [5, 4], id="since, in another zone"),
        pytest.param({"until": "2026-01-01T12:04:00Z"}, [3, 2, 1, 0], id="until, without it"),
        pytest.param(
            {"since": "2026-01-01T12:01:00Z", "until": "2026-01-01T12:03:00Z"},
            [2, 1],
            id="between two times",
        ),
        pytest.param(
            {"user": ALICE, "client": "shop", "type": "login.succeeded"}, [0], id="several at once"
        ),
        pytest.param({"user": ALICE, "client": "other"}, [4], id="user and client"),
        pytest.param({"client": "shop", "type": "login.succeeded"}, [2, 0], id="client and type"),
        pytest.param({"user": ALICE, "type": "key.rotated"}, [], id="none of that kind"),
        pytest.param({"user": str(uuid.uuid4())}, [], id="unknown user"),
        pytest.param({"client": "nobody"}, [], id="unknown client"),
        pytest.param({"since": "2999-01-01T00:00:00Z"}, [], id="the future"),
    ],
)
async def test_events_are_filtered(
    http: httpx2.AsyncClient, as_admin: dict[str, str], filters: dict[str, str], expected: list[int]
) -> None:
    assert await numbers(http, as_admin, **filters) == [expected]


@pytest.mark.parametrize(
    ("limit", "pages"),
    [
        pytest.param(1, [[5], [4], [3], [2], [1], [0]], id="one by one"),
        pytest.param(3, [[5, 4, 3], [2, 1, 0]], id="the last page is full"),
        pytest.param(4, [[5, 4, 3, 2], [1, 0]], id="the last page is not full"),
        pytest.param(200, [[5, 4, 3, 2, 1, 0]], id="the largest page"),
    ],
)
async def test_events_come_in_pages(
    http: httpx2.AsyncClient, as_admin: dict[str, str], limit: int, pages: list[list[int]]
) -> None:
    assert await numbers(http, as_admin, limit=limit) == pages


async def test_a_filter_holds_on_every_page(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    assert await numbers(http, as_admin, user=ALICE, limit=2) == [[4, 1], [0]]


async def test_pages_stay_stable_while_events_are_added(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    first = await http.get("/audit", params={"limit": 4}, headers=as_admin)
    async with server.database.transaction() as connection:
        newest = START + timedelta(minutes=6)
        await record(connection, newest, Event(type="key.rotated", details={"number": 6}))
    cursor = first.json()["next_cursor"]
    assert await numbers(http, as_admin, limit=4, cursor=cursor) == [[1, 0]]
    assert await numbers(http, as_admin, limit=4) == [[6, 5, 4, 3], [2, 1, 0]]


async def test_events_are_listed_by_time_and_not_by_when_they_were_written(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    """Gathered ones are written a moment later, and much later after an outage."""
    async with server.database.transaction() as connection:
        late = START + timedelta(minutes=1, seconds=30)
        await record(connection, late, Event(type="key.rotated", details={"number": 6}))
        await record(connection, late, Event(type="key.rotated", details={"number": 7}))
    expected = [5, 4, 3, 2, 7, 6, 1, 0]
    assert await numbers(http, as_admin) == [expected]
    assert await numbers(http, as_admin, limit=1) == [[number] for number in expected]


async def test_a_user_is_named_as_people_know_them(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    alice = await add_somebody(server)
    async with server.database.transaction() as connection:
        event = Event(type="login.failed", user_id=alice.id, details={"number": 6})
        await record(connection, START, event)
    assert await numbers(http, as_admin, user=alice.username.upper()) == [[6]]
    assert await numbers(http, as_admin, user=str(alice.id).upper()) == [[6]]


async def test_an_id_is_never_taken_for_a_name(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    """Else somebody who calls themselves by another's id would hide what that user did."""
    await add_user(server, ALICE, password_hash=None, scopes=())
    assert await numbers(http, as_admin, user=ALICE) == [[4, 1, 0]]


async def test_a_user_who_is_not_there_is_no_empty_list(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    response = await http.get("/audit", params={"user": "nobody"}, headers=as_admin)
    detail = "There is no user with that name. Look up deleted users by id."
    assert_refused(response, 404, detail)


async def test_pages_go_on_behind_an_event_that_was_purged_meanwhile(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    first = await http.get("/audit", params={"limit": 4}, headers=as_admin)
    async with server.database.transaction() as connection:
        last = first.json()["events"][-1]["id"]
        await connection.execute(delete(AuditEvent).where(AuditEvent.id == last))
    cursor = first.json()["next_cursor"]
    assert await numbers(http, as_admin, limit=4, cursor=cursor) == [[1, 0]]


async def test_the_trail_is_read_by_who_did_it(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    """What a user did to others, beside what they did themselves."""
    async with server.database.transaction() as connection:
        event = Event(type="user.changed", actor=ALICE, user_id=BOB, details={"number": 6})
        await record(connection, START, event)
    assert await numbers(http, as_admin, actor=ALICE, limit=3) == [[4, 1, 6], [0]]
    assert await numbers(http, as_admin, actor=ALICE, user=BOB) == [[6]]
    assert await numbers(http, as_admin, actor="operator") == [[]]


async def test_looking_at_the_trail_leaves_no_event(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    await numbers(http, as_admin)
    assert await numbers(http, as_admin) == [[5, 4, 3, 2, 1, 0]]


NO_ZONE = "Input should have timezone info"


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        pytest.param("limit", "0", "Input should be greater than or equal to 1", id="no limit"),
        pytest.param(
            "limit", "201", "Input should be less than or equal to 200", id="limit too large"
        ),
        *(
            pytest.param("cursor", cursor, f"String should match pattern '{EVENT_CURSOR}'", id=name)
            for name, cursor in {
                "cursor is an id": "1",
                "cursor below zero": "-1.1",
                "cursor out of range": f"{10**17}.1",
                "cursor is a word": SENTINEL,
            }.items()
        ),
        pytest.param(
            "actor", SENTINEL * 20, "String should have at most 255 characters", id="long actor"
        ),
        pytest.param(
            "user", SENTINEL * 7, "String should have at most 128 characters", id="long user"
        ),
        pytest.param(
            "client", SENTINEL * 20, "String should have at most 255 characters", id="long client"
        ),
        pytest.param("since", "2026-01-01T12:00:00", NO_ZONE, id="time without a zone"),
        pytest.param("until", "2026-01-01T12:00:00", NO_ZONE, id="end without a zone"),
    ],
)
async def test_a_query_out_of_range_is_refused_by_field_and_reason_alone(
    http: httpx2.AsyncClient, as_admin: dict[str, str], parameter: str, value: str, reason: str
) -> None:
    response = await http.get("/audit", params={parameter: value}, headers=as_admin)
    assert_invalid(response, (f"query.{parameter}", reason))
    assert SENTINEL not in response.text


async def test_a_type_that_there_is_not_is_refused(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    """An empty list would say that it never happened."""
    response = await http.get("/audit", params={"type": "login.suceeded"}, headers=as_admin)
    assert_problem(response, 422)
    (error,) = response.json()["errors"]
    assert error["field"] == "query.type"
    assert "'login.succeeded'" in error["reason"]
    assert "suceeded'" not in error["reason"].replace("'login.succeeded'", "")


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01T00:00:00Z", ""])
async def test_a_time_that_is_none_is_refused(
    http: httpx2.AsyncClient, as_admin: dict[str, str], since: str
) -> None:
    response = await http.get("/audit", params={"since": since}, headers=as_admin)
    assert_problem(response, 422)
    assert [error["field"] for error in response.json()["errors"]] == ["query.since"]


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_at_the_end_of_the_calendar_is_no_fault_of_the_server(
    http: httpx2.AsyncClient, as_admin: dict[str, str], since: str
) -> None:
    response = await http.get("/audit", params={"since": since}, headers=as_admin)
    assert response.status_code in (200, 422), response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_the_trail_is_read_and_never_written(
    http: httpx2.AsyncClient, as_admin: dict[str, str], method: str
) -> None:
    response = await http.request(method, "/audit", headers=as_admin)
    assert_problem(response, 405)
    assert response.headers["allow"] == "GET"
    assert await numbers(http, as_admin) == [[5, 4, 3, 2, 1, 0]]
