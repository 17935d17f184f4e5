"""A refresh costs the same however many tokens there are, and whatever is known of them."""

import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import event

from app.audit.trail import NOWHERE
from app.server import Server
from app.tokens import refresh_postgresql, refresh_tokens
from tests.support.factories import TestClient, TestUser, add_client, log_in

IN_STEPS = refresh_tokens.rotate
ROTATIONS = {"in one statement": refresh_postgresql.rotate, "in steps": IN_STEPS}

MANY_MORE_TOKENS = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT 5000)
INSERT INTO refresh_tokens (token_hash, login_id, issued_at, successors)
SELECT number, id, created_at, 0 FROM numbers, (SELECT * FROM logins LIMIT 1)
"""
"""None of them has come of another one."""


@contextmanager
def noting(server: Server) -> Generator[list[tuple[str, Any]]]:
    """What is asked of the database, with the parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cu: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    engines = (server.database._reader.sync_engine, server.database._writer.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


async def rotate(
    rotation: Callable[..., Awaitable[object]],
    server: Server,
    token: str,
    web: TestClient,
    grace: int,
) -> list[tuple[str, Any]]:
    """Use ``token``; return what that asked of the database."""
    now, shielded = server.clock.now(), timedelta(seconds=grace)
    with noting(server) as asked:
        await rotation(server.database, token, web.client_id, [], now, shielded, NOWHERE)
    return asked


async def log_in_often(
    server: Server, http: httpx2.AsyncClient, user: TestUser
) -> tuple[TestClient, str]:
    """A client at which ``user`` has logged in several times, and the last refresh token."""
    web = await add_client(server, grant_types=("password", "refresh_token"))
    for _ in range(8):
        tokens = await log_in(http, user, web)
    return web, str(tokens["refresh_token"])


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("grace", [0, 60])
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")
async def test_every_row_is_looked_up_by_a_key(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, rotation: str, grace: int
) -> None:
    web, token = await log_in_often(server, http, alice)
    asked = await rotate(ROTATIONS[rotation], server, token, web, grace)
    plans = []
    async with server.database.read() as connection:
        for statement, parameters in asked:
            rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plans += [str(row[0]) for row in rows]
    assert [line for line in plans if "Update on refresh_tokens" in line]
    assert [line for line in plans if "Seq Scan on refresh_tokens" in line or "Hash" in line] == []


@pytest.mark.parametrize("grace", [0, 60])
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")
async def test_on_sqlite_every_row_is_still_looked_up_by_a_key_after_an_analyze(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, grace: int
) -> None:
    web, token = await log_in_often(server, http, alice)
    file = server.database.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(MANY_MORE_TOKENS)
        database.execute("ANALYZE")
    asked = await rotate(IN_STEPS, server, token, web, grace)
    with closing(sqlite3.connect(file)) as database:
        plans = [
            str(row[-1])
            for statement, parameters in asked
            for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters or ()))
        ]
    assert [line for line in plans if line.startswith("SEARCH refresh_tokens USING")]
    assert [line for line in plans if line.startswith("SCAN refresh_tokens")] == []
