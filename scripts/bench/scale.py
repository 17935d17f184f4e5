"""Management at scale: every list and look-up in large tables, against the same in small ones.

The services are asked directly, so that neither HTTP nor JSON hides what the database does. Each
query finds as many rows in the small tables as in the large ones.
"""

import asyncio
import math
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database
from app.models import AuditEvent, Client, ClientScope, User, UserScope
from tests.support.databases import Backend
from tests.support.lists import QUERIES, Known, plans_of, without_index

GOAL = 2.0
"""Times that a query may take in the large tables, to the small ones."""

ROUNDS = 200

HEADINGS = ("list or look-up", "database", "large ms", "small ms", "ratio", "goal", "", "plan")

BATCH = 20_000

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SPAN = timedelta(days=365)

TYPES = {
    "token.refreshed": 50,
    "token.issued": 22,
    "login.succeeded": 15,
    "session.ended": 6,
    "login.failed": 5,
    "consent.granted": 2,
}
"""Of a hundred events."""

RARE = 12
"""Events of a type that hardly happens, however many others there are."""


@dataclass(frozen=True)
class Size:
    """Rows of the tables."""

    users: int
    clients: int
    events: int


SMALL = Size(100, 100, 100)
LARGE = Size(10_000, 1_000, 1_000_000)


def _users(size: Size) -> list[dict[str, Any]]:
    """One of five is disabled; their ids are in no order."""
    names = [f"{'bcdfg'[number % 5]}{number:06}" for number in range(size.users)]
    return [
        {
            "id": uuid.UUID(int=random.getrandbits(128), version=4),
            "username": name,
            "username_key": name,
            "email": f"{name}@example.com",
            "email_verified": True,
            "password_hash": None,
            "created_at": NOW - SPAN,
            "updated_at": NOW - SPAN,
            "disabled_at": NOW if number % 25 < 5 else None,
        }
        for number, name in enumerate(names)
    ]


def _clients(size: Size) -> list[dict[str, Any]]:
    return [
        {
            "client_id": f"client-{number:06}",
            "name": f"Client {number}",
            "is_public": False,
            "grant_types": ["authorization_code", "refresh_token"],
            "auth_methods": ["client_secret_basic"],
            "redirect_uris": [f"https://{number}.example.com/callback"],
            "post_logout_redirect_uris": [],
            "created_at": NOW - SPAN,
            "updated_at": NOW - SPAN,
            "disabled_at": NOW if number % 5 == 0 else None,
        }
        for number in range(size.clients)
    ]


def _events(
    size: Size, users: Sequence[dict[str, Any]], clients: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A year of them. A few users and clients have most: the first user one of twenty."""
    types = random.choices(list(TYPES), weights=list(TYPES.values()), k=size.events)
    rare_every = size.events // RARE
    own_every = max(2, size.events // 2_000)
    rows = []
    for number, event_type in enumerate(types):
        user = users[int(len(users) * random.random() ** 3)]
        client = clients[int(len(clients) * random.random() ** 3)]
        if number % own_every == 0:
            # What is looked for together is found together, also among a hundred events.
            user, client = users[0], clients[0]
            event_type = "login.succeeded" if number % (2 * own_every) == 0 else event_type
        elif number % rare_every == 1:
            event_type, client = "token.reused", clients[0]
        rows.append(
            {
                "at": NOW - SPAN + number * (SPAN / size.events),
                "type": event_type,
                "actor": str(user["id"]),
                "user_id": str(user["id"]),
                "client_id": client["client_id"],
                "address": "192.0.2.1",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
                "details": {"scope": "openid profile", "session": str(user["id"])},
            }
        )
    return rows


async def _fill(database: Database, size: Size) -> Known:
    """Fill the tables; return what to look for, the cursors in their middle."""
    users, clients = _users(size), _clients(size)
    events = _events(size, users, clients)
    scopes = ["profile", "email", "items:read"]
    of_users = [{"user_id": user["id"], "scope": scope} for user in users for scope in scopes]
    of_clients = [
        {"client_id": client["client_id"], "scope": scope, "is_default": False}
        for client in clients
        for scope in scopes
    ]
    parts: list[tuple[type[Any], list[dict[str, Any]]]] = [
        (User, users),
        (UserScope, of_users),
        (Client, clients),
        (ClientScope, of_clients),
        (AuditEvent, events),
    ]
    for table, rows in parts:
        for start in range(0, len(rows), BATCH):
            async with database.transaction() as connection:
                await connection.execute(insert(table), rows[start : start + BATCH])
    async with database.read() as connection:
        if not database.is_sqlite:  # which does this by itself; SQLite has no such thing
            await connection.execute(text("VACUUM ANALYZE"))
        middle = NOW - SPAN / 2
        places = select(AuditEvent.at, AuditEvent.id).where(AuditEvent.at >= middle)
        at, event_id = (await connection.execute(places.order_by(AuditEvent.at).limit(1))).one()
    in_order = sorted(users, key=lambda user: str(user["username_key"]))
    return Known(
        user_id=users[0]["id"],
        username=users[0]["username"],
        names_begin="d",
        user_cursor=in_order[len(in_order) // 2]["username"],
        client_id=clients[0]["client_id"],
        client_cursor=clients[len(clients) // 2]["client_id"],
        event_cursor=(at, event_id),
        since=middle,
        until=middle + SPAN / 4,
    )


async def _time(connection: AsyncConnection, known: Known, name: str) -> float:
    started = time.perf_counter()
    await QUERIES[name](connection, known)
    return (time.perf_counter() - started) * 1000


async def _measure(large_url: str, small_url: str, kind: str) -> list[tuple[str, ...]]:
    random.seed(kind)  # the same tables each time
    large, small = Database(large_url), Database(small_url)
    try:
        known_large, known_small = await _fill(large, LARGE), await _fill(small, SMALL)
        rows: list[tuple[str, ...]] = []
        async with large.read() as in_large, small.read() as in_small:
            for name in QUERIES:
                pairs = [
                    (
                        await _time(in_large, known_large, name),
                        await _time(in_small, known_small, name),
                    )
                    for _ in range(ROUNDS)
                ]
                ours, base = (median(column) for column in zip(*pairs, strict=True))
                slow = without_index(await plans_of(in_large, QUERIES[name], known_large))
                ratio = ours / base if base else math.inf
                rows.append(
                    (
                        name,
                        kind,
                        f"{ours:.2f}",
                        f"{base:.2f}",
                        f"{ratio:.2f}",
                        f"<= {GOAL}",
                        "MISSED" if ratio > GOAL or slow else "",
                        "; ".join(slow) or "index",
                    )
                )
        return rows
    finally:
        await large.close()
        await small.close()


def measure(backend: Backend, kind: str) -> list[tuple[str, ...]]:
    """The lines of the table for a kind of database."""
    urls = backend.migrated(), backend.migrated()
    try:
        return asyncio.run(_measure(*urls, kind))
    finally:
        for url in urls:
            backend.drop(url)
