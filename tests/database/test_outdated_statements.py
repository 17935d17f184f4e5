"""A migration changes a column while workers have statements about it prepared.

PostgreSQL alone: SQLite prepares them anew by itself.
"""

from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database, is_outage
from tests.support.databases import Backend

QUERY = text("SELECT version_num FROM alembic_version")
OTHER_TYPE = "ALTER TABLE alembic_version ALTER version_num TYPE varchar({})"


@pytest.fixture
def url(postgresql: Backend) -> Generator[str]:
    made = postgresql.migrated()
    yield made
    postgresql.drop(made)


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    made = Database(url)
    yield made
    await made.close()


@pytest.fixture
async def migration(url: str) -> AsyncGenerator[Database]:
    """Another process, as far as the database can tell."""
    made = Database(url)
    yield made
    await made.close()


async def change_type(migration: Database, length: int) -> None:
    async with migration.transaction() as connection:
        await connection.execute(text(OTHER_TYPE.format(length)))


async def query(connection: AsyncConnection) -> object:
    return await connection.scalar(QUERY)


async def test_a_query_is_repeated(database: Database, migration: Database) -> None:
    async with database.read() as connection:
        before = await query(connection)
    await change_type(migration, 40)
    async with database.read() as connection:
        assert await query(connection) == before


async def test_a_transaction_is_repeated(database: Database, migration: Database) -> None:
    before = await database.transact(query)
    await change_type(migration, 41)
    assert await database.transact(query) == before


async def test_a_transaction_that_cannot_be_repeated_is_an_outage_for_once(
    database: Database, migration: Database
) -> None:
    async with database.transaction() as connection:
        before = await query(connection)
    await change_type(migration, 42)
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction() as connection:
            await query(connection)
    assert is_outage(refused.value)
    async with database.transaction() as connection:
        assert await query(connection) == before
