"""Every list and look-up of management, and how the database finds what it answers.

For the test that each has an index, and for the benchmark that none depends on the size of a table.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import list_events
from app.management.clients import get_client, list_clients
from app.management.users import get_user, get_user_by_name, list_users

LIMIT = 10


@dataclass(frozen=True)
class Known:
    """What the queries look for."""

    user_id: uuid.UUID
    username: str
    names_begin: str
    user_cursor: str
    client_id: str
    client_cursor: str
    event_cursor: tuple[datetime, int]
    since: datetime
    until: datetime


Query = Callable[[AsyncConnection, Known], Awaitable[Any]]


def _users(**filters: Any) -> Query:
    return lambda connection, _: list_users(connection, limit=LIMIT, **filters)


def _users_behind(**filters: Any) -> Query:
    return lambda connection, known: list_users(
        connection, limit=LIMIT, after=known.user_cursor, **filters
    )


def _clients(**filters: Any) -> Query:
    return lambda connection, _: list_clients(connection, limit=LIMIT, **filters)


def _clients_behind(**filters: Any) -> Query:
    return lambda connection, known: list_clients(
        connection, limit=LIMIT, after=known.client_cursor, **filters
    )


def _events(*names: str, **filters: Any) -> Query:
    """Events by those of the filters that are named, and by ``filters``."""

    def query(connection: AsyncConnection, known: Known) -> Awaitable[Any]:
        values: dict[str, Any] = {
            "user_id": str(known.user_id),
            "actor": str(known.user_id),
            "client_id": known.client_id,
            "before": known.event_cursor,
            "since": known.since,
            "until": known.until,
        }
        named = {name: values[name] for name in names}
        return list_events(connection, limit=LIMIT, **named, **filters)

    return query


_login = partial(_events, event_type="login.succeeded")

QUERIES: dict[str, Query] = {
    "user by id": lambda connection, known: get_user(connection, known.user_id),
    "user by name": lambda connection, known: get_user_by_name(connection, known.username),
    "users": _users(),
    "users, deep": _users_behind(),
    "users by beginning": lambda connection, known: list_users(
        connection, limit=LIMIT, name_starts_with=known.names_begin
    ),
    "users, disabled": _users(disabled=True),
    "users, disabled, deep": _users_behind(disabled=True),
    "users, enabled": _users(disabled=False),
    "users, enabled, deep": _users_behind(disabled=False),
    "users by beginning, disabled": lambda connection, known: list_users(
        connection, limit=LIMIT, name_starts_with=known.names_begin, disabled=True
    ),
    "client by id": lambda connection, known: get_client(connection, known.client_id),
    "clients": _clients(),
    "clients, deep": _clients_behind(),
    "clients, disabled": _clients(disabled=True),
    "clients, disabled, deep": _clients_behind(disabled=True),
    "clients, enabled": _clients(disabled=False),
    "events": _events(),
    "events, deep": _events("before"),
    "events since": _events("since"),
    "events until": _events("until"),
    "events since, until": _events("since", "until"),
    "events of a user": _events("user_id"),
    "events of a user, deep": _events("user_id", "before"),
    "events of a user since": _events("user_id", "since"),
    "events of a client": _events("client_id"),
    "events of a client, deep": _events("client_id", "before"),
    "events of a client until": _events("client_id", "until"),
    "events by an actor": _events("actor"),
    "events by an actor, deep": _events("actor", "before"),
    "events by an actor since": _events("actor", "since"),
    "events by an actor, type": _login("actor"),
    "events by an actor, client": _events("actor", "client_id"),
    "events of a type": _login(),
    "events of a type, deep": _login("before"),
    "events of a type since": _login("since"),
    "events of a rare type": _events(event_type="token.reused"),
    "events of a user, type": _login("user_id"),
    "events of a user, type since": _login("user_id", "since"),
    "events of a client, type": _login("client_id"),
    "events of a client, type, deep": _login("client_id", "before"),
    "events of a client, rare type": _events("client_id", event_type="token.reused"),
    "events of a client, type that it has not": _events("client_id", event_type="key.rotated"),
    "events of a user, client": _events("user_id", "client_id"),
    "events of a user, client, type": _login("user_id", "client_id"),
    "events of a user, client not theirs": lambda connection, known: list_events(
        connection, limit=LIMIT, user_id=str(known.user_id), client_id="nobody"
    ),
}


async def plans_of(connection: AsyncConnection, query: Query, known: Known) -> list[str]:
    """How the database would find what ``query`` asks for: the lines of its plans."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cu: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection.sync_connection, "before_cursor_execute", note)
    try:
        await query(connection, known)
    finally:
        event.remove(connection.sync_connection, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    lines: list[str] = []
    for statement, parameters in asked:
        rows = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
        lines += [str(row[-1]) for row in rows]
    return lines


_SLOW = re.compile(r"SCAN \w+$|TEMP B-TREE|Seq Scan|(?<!Incremental )Sort  \(")


def without_index(plan: Sequence[str]) -> list[str]:
    """The steps that read a whole table, or sort all that was found to show a few."""
    return [line.strip() for line in plan if _SLOW.search(line)]
