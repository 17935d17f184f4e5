"""Every list and look-up of management is served by an index, on both databases."""

import re
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, record
from app.database.engines import Database
from app.identity.profile import NewUser
from app.identity.registration import Registration, create_client
from app.identity.users import create_user
from app.login.password_kinds import find_kinds
from app.models import User
from tests.support.databases import Backend
from tests.support.lists import QUERIES, Known, plans_of, without_index

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def url(backend: Backend) -> Generator[str]:
    made = backend.migrated()
    yield made
    backend.drop(made)


@pytest.fixture(scope="module")
async def listed(url: str) -> AsyncGenerator[tuple[AsyncConnection, Known]]:
    """A user, a client and an event, with PostgreSQL told not to read so little whole."""
    database = Database(url)
    async with database.transaction() as connection:
        user_id = await create_user(
            connection,
            NewUser(username="ada", scopes=["profile"]),
            password_hash=None,
            now=NOW,
        )
        registration = Registration(client_id="app", name="App", grant_types=["password"])
        await create_client(connection, registration, NOW)
        await record(connection, NOW, Event(type="login.succeeded", user_id=user_id))
    async with database.transaction() as connection:
        if not database.is_sqlite:
            for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
                await connection.execute(text(f"SET LOCAL {setting} = off"))
        known = Known(
            user_id=user_id,
            username="ada",
            names_begin="a",
            user_cursor="ada",
            client_id="app",
            client_cursor="app",
            event_cursor=(NOW, 1),
            since=NOW - timedelta(hours=1),
            until=NOW,
        )
        yield connection, known
    await database.close()


@pytest.mark.parametrize("name", QUERIES)
async def test_a_list_is_walked_along_an_index(
    listed: tuple[AsyncConnection, Known], name: str
) -> None:
    connection, known = listed
    plan = await plans_of(connection, QUERIES[name], known)
    assert any("ndex" in line or "INDEX" in line for line in plan)
    assert without_index(plan) == []


async def kinds_in_use(connection: AsyncConnection, _known: Known) -> object:
    return await find_kinds(connection)


async def test_the_kinds_of_password_hashes_are_looked_up_in_an_index(
    listed: tuple[AsyncConnection, Known],
) -> None:
    connection, known = listed
    plan = await plans_of(connection, kinds_in_use, known)
    of_users = [line for line in plan if re.search(r"\busers\b", line)]
    assert of_users
    assert [line for line in of_users if "ix_users_password_kind" not in line] == []


async def by_address(connection: AsyncConnection, _known: Known) -> object:
    return await connection.execute(select(User.id).where(User.email == "ada@example.com"))


async def test_a_list_without_an_index_would_be_noticed(
    listed: tuple[AsyncConnection, Known],
) -> None:
    connection, known = listed
    assert without_index(await plans_of(connection, by_address, known)) != []
