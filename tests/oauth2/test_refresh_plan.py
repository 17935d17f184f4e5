"""A refresh costs the same however many tokens there are, and whatever is known of them."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from app.audit.trail import NOWHERE
from app.server import Server
from app.tokens import refreshes
from app.tokens.refreshes import Refreshes
from app.tokens.rotation import Rotation
from tests.support.factories import TestClient, TestUser, add_client, log_in
from tests.support.statements import noting

MANY_MORE_TOKENS = """
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT 5000)
INSERT INTO refresh_tokens (token_hash, login_id, issued_at, successors)
SELECT number, id, created_at, 0 FROM numbers, (SELECT * FROM logins LIMIT 1)
"""
"""None of them has come of another one."""

READ = re.compile(r"(?:Seq Scan|Scan using (\w+)) on (refresh_tokens|logins|users)\b")
"""A line of a plan that reads of a table that grows with the users, and by which index."""

KEYS = {"pk_refresh_tokens", "ix_refresh_tokens_parent_hash_present", "pk_logins", "pk_users"}


async def refresh(server: Server, token: str, web: TestClient, grace: int) -> list[tuple[str, Any]]:
    """Use ``token``; return what that asked of the database."""
    rotation = Rotation(token, web.client_id, [], server.clock.now(), NOWHERE)
    with noting(server) as asked:
        family = await Refreshes(server.database, timedelta(seconds=grace)).rotate(rotation)
    assert family is not None
    return asked


async def log_in_often(
    server: Server, http: httpx2.AsyncClient, user: TestUser
) -> tuple[TestClient, str]:
    """A client at which ``user`` has logged in several times, and the last refresh token."""
    web = await add_client(server, grant_types=("password", "refresh_token"))
    for _ in range(8):
        tokens = await log_in(http, user, web)
    return web, str(tokens["refresh_token"])


async def explain_for_good(url: str, statement: str, parameters: Any) -> list[str]:
    """The plan that PostgreSQL keeps, whatever the parameters; it knows of no row yet."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE kept AS {statement}")
    nulls = ", ".join("NULL" for _ in parameters)
    rows = await connection.fetch(f"EXPLAIN EXECUTE kept ({nulls})" if nulls else "EXPLAIN kept")
    await connection.close()
    return [str(row[0]) for row in rows]


@pytest.mark.parametrize("together", [True, False], ids=["in one statement", "in steps"])
@pytest.mark.parametrize("grace", [0, 60])
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")
async def test_every_row_is_looked_up_by_a_key(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
    together: bool,
    grace: int,
) -> None:
    monkeypatch.setattr(refreshes, "TOGETHER", together)
    web, token = await log_in_often(server, http, alice)
    asked = await refresh(server, token, web, grace)
    assert (len(asked) == 1) is together
    plans = [
        line
        for statement, parameters in asked
        if not statement.startswith("INSERT")
        for line in await explain_for_good(server.database.url, statement, parameters)
    ]
    assert [line for line in plans if "Update on refresh_tokens" in line]
    read = [found[1] for line in plans if (found := READ.search(line))]
    assert set(read) <= KEYS
    assert [line for line in plans if "Hash" in line] == []


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")
async def test_one_that_comes_by_itself_is_not_planned_anew_each_time(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    web, token = await log_in_often(server, http, alice)
    [(statement, parameters)] = await refresh(server, token, web, 0)
    connection = await asyncpg.connect(server.database.url)
    prepared = await connection.prepare(statement)
    for _ in range(6):  # of which the first five are planned for what they are asked
        await prepared.fetch(*parameters)
    counted = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement = $1"
    plans = tuple(await connection.fetchrow(counted, statement))
    await connection.close()
    assert plans == (5, 1)


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
    asked = await refresh(server, token, web, grace)
    with closing(sqlite3.connect(file)) as database:
        plans = [
            str(row[-1])
            for statement, parameters in asked
            if not statement.startswith(("BEGIN", "INSERT"))
            for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters or ()))
        ]
    assert [line for line in plans if line.startswith("SEARCH refresh_tokens USING")]
    assert [line for line in plans if line.startswith(("SCAN refresh_tokens", "SCAN logins"))] == []
