"""Serialization failures of PostgreSQL, made by a trigger: the request is done again.

That other errors are not done again, and that there is an end to it, is in test_database.py.
"""

import asyncio
from collections import Counter

import httpx2
import pytest
from sqlalchemy import func, select, text

from app.database.engines import ATTEMPTS
from app.models import Login, RefreshToken
from app.server import Server
from tests.support.assertions import assert_oauth2_error
from tests.support.factories import TestClient, TestUser, add_client, bearer, log_in

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")

REFRESHES = 30
SIMULTANEOUS = 24

CONFLICTS = """
CREATE SEQUENCE conflicts;
CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('conflicts') % {every} = 0 THEN
        RAISE EXCEPTION 'an injected conflict' USING ERRCODE = '{sqlstate}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER conflict BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION conflict();
"""


@pytest.fixture
async def mobile(server: Server) -> TestClient:
    """A public client that may refresh."""
    return await add_client(
        server, "mobile", is_public=True, grant_types=("password", "refresh_token")
    )


async def inject(
    server: Server,
    *,
    every: int = 3,
    event: str = "INSERT OR UPDATE",
    table: str = "refresh_tokens",
    sqlstate: str = "40001",
) -> None:
    """Let every so-manieth write to ``table`` fail. A sequence counts on when one is undone."""
    script = CONFLICTS.format(every=every, event=event, table=table, sqlstate=sqlstate)
    head, body, tail = script.partition("$$;")
    create_sequence, function = head.split(";", 1)
    async with server.database.transaction() as connection:
        for statement in (create_sequence, function + body, tail):
            await connection.execute(text(statement))


async def writes(server: Server) -> int:
    """How many times the trigger was reached."""
    async with server.database.read() as connection:
        counted = await connection.scalar(text("SELECT last_value FROM conflicts"))
    return int(counted or 0)


async def refresh(http: httpx2.AsyncClient, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "mobile"}
    return await http.post("/token", data=form)


async def assert_one_chain(server: Server, length: int) -> None:
    """Of so many tokens all but the last are used, and each of those has one successor."""
    async with server.database.read() as connection:
        tokens = (await connection.execute(select(RefreshToken.__table__))).all()
    assert len(tokens) == length
    assert sum(token.used_at is None for token in tokens) == 1
    successors = Counter(token.parent_hash for token in tokens if token.parent_hash is not None)
    used = [token for token in tokens if token.used_at is not None]
    assert successors == {token.token_hash: 1 for token in used}
    assert {token.successors for token in used} == {1}


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"], ids=["conflict", "deadlock"])
async def test_every_refresh_succeeds_and_issues_once_when_every_third_write_is_undone(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mobile: TestClient, sqlstate: str
) -> None:
    token = (await log_in(http, alice, mobile))["refresh_token"]
    await inject(server, sqlstate=sqlstate)
    for _ in range(REFRESHES):
        answer = await refresh(http, token)
        assert answer.status_code == 200, answer.text
        token = answer.json()["refresh_token"]
    # Each refresh writes two rows. After the first one every refresh meets one conflict.
    assert await writes(server) == REFRESHES * 2 + (REFRESHES - 1)
    await assert_one_chain(server, REFRESHES + 1)


async def test_one_of_24_simultaneous_uses_succeeds_when_every_third_write_is_undone(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mobile: TestClient
) -> None:
    token = (await log_in(http, alice, mobile))["refresh_token"]
    await inject(server)
    answers = await asyncio.gather(*(refresh(http, token) for _ in range(SIMULTANEOUS)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 400: SIMULTANEOUS - 1}
    for answer in answers:
        if answer.status_code == 400:
            assert_oauth2_error(answer, "invalid_grant")
    await assert_one_chain(server, 2)


async def test_every_login_succeeds_and_is_recorded_once_when_every_second_one_is_undone(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mobile: TestClient
) -> None:
    await inject(server, every=2)
    for _ in range(REFRESHES):
        await log_in(http, alice, mobile)
    async with server.database.read() as connection:
        logins = await connection.scalar(select(func.count()).select_from(Login))
        tokens = await connection.scalar(select(func.count()).select_from(RefreshToken))
    assert (logins, tokens) == (REFRESHES, REFRESHES)


async def test_every_revocation_holds_when_every_second_one_is_undone(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mobile: TestClient
) -> None:
    families = [await log_in(http, alice, mobile) for _ in range(6)]
    await inject(server, every=2, event="UPDATE", table="logins")
    for family in families:
        form = {"token": family["refresh_token"], "client_id": "mobile"}
        assert (await http.post("/revoke", data=form)).status_code == 200
        me = await http.get("/users/me", headers=bearer(family["access_token"]))
        assert me.status_code == 401
    assert await writes(server) == 11


async def test_a_reused_token_ends_its_login_when_the_first_attempt_is_undone(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mobile: TestClient
) -> None:
    used = (await log_in(http, alice, mobile))["refresh_token"]
    successor = (await refresh(http, used)).json()
    await inject(server, every=2, event="UPDATE", table="logins")
    async with server.database.read() as connection:
        await connection.execute(text("SELECT nextval('conflicts')"))  # the next write is undone
    assert_oauth2_error(await refresh(http, used), "invalid_grant")
    assert await writes(server) == 3
    me = await http.get("/users/me", headers=bearer(successor["access_token"]))
    assert me.status_code == 401


async def test_a_refresh_that_is_undone_each_time_leaves_its_token_unused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mobile: TestClient
) -> None:
    token = (await log_in(http, alice, mobile))["refresh_token"]
    await inject(server, every=1, event="UPDATE")
    assert (await refresh(http, token)).status_code >= 500
    assert await writes(server) == ATTEMPTS
    async with server.database.transaction() as connection:
        await connection.execute(text("DROP TRIGGER conflict ON refresh_tokens"))
    assert (await refresh(http, token)).status_code == 200
