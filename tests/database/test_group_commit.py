"""Work that is committed together on SQLite: app/database/group_commit.py."""

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database
from app.models import Scope
from tests.support.databases import Backend

ASKED_FOR: ContextVar[str] = ContextVar("asked_for")


@pytest.fixture
async def database(sqlite: Backend) -> AsyncGenerator[Database]:
    made = Database(sqlite.migrated())
    yield made
    await made.close()


@pytest.fixture
def commits(database: Database) -> list[None]:
    """One element for each commit."""
    seen: list[None] = []
    event.listen(database._writer.sync_engine, "commit", lambda _connection: seen.append(None))
    return seen


async def add(connection: AsyncConnection, name: str) -> str:
    await connection.execute(
        insert(Scope).values(name=name, description="A scope", created_at=datetime.now(UTC))
    )
    return name


async def added(database: Database) -> list[str]:
    async with database.read() as connection:
        names = select(Scope.name).where(Scope.description == "A scope").order_by(Scope.name)
        return list(await connection.scalars(names))


async def add_many(database: Database, *names: str) -> list[str | BaseException]:
    work = (database.transact(lambda connection, n=name: add(connection, n)) for name in names)  # type: ignore[misc]
    return await asyncio.gather(*work, return_exceptions=True)


async def test_what_comes_at_the_same_time_is_committed_together(
    database: Database, commits: list[None]
) -> None:
    assert await add_many(database, "a", "b", "c") == ["a", "b", "c"]
    assert (await added(database), len(commits)) == (["a", "b", "c"], 1)


async def test_what_fails_takes_nothing_of_the_others_with_it(
    database: Database, commits: list[None]
) -> None:
    first, repeated, last = await add_many(database, "a", "a", "c")
    assert (first, type(repeated), last) == ("a", IntegrityError, "c")
    assert (await added(database), len(commits)) == (["a", "c"], 1)


async def test_nothing_is_left_of_work_that_failed_halfway(database: Database) -> None:
    async def fail(connection: AsyncConnection) -> None:
        await add(connection, "a")
        raise LookupError

    with pytest.raises(LookupError):
        await database.transact(fail)
    assert await added(database) == []


@pytest.mark.parametrize("ended_by", ["INSERT OR ROLLBACK", "rollback"])
async def test_all_are_told_if_the_transaction_is_ended_in_the_middle(
    database: Database, ended_by: str
) -> None:
    """As SQLite does by itself where a statement finds the disk full."""

    async def end(connection: AsyncConnection) -> None:
        if ended_by == "rollback":
            await connection.execute(text("ROLLBACK"))
            return
        statement = "INSERT OR ROLLBACK INTO scopes SELECT * FROM scopes LIMIT 1"
        await connection.execute(text(statement))

    before, ends, after = await asyncio.gather(
        database.transact(lambda connection: add(connection, "a")),
        database.transact(end),
        database.transact(lambda connection: add(connection, "c")),
        return_exceptions=True,
    )
    assert [type(each) for each in (before, ends, after)] == [ConnectionError] * 3
    assert await added(database) == []
    assert await add_many(database, "d") == ["d"]
    assert await added(database) == ["d"]


async def test_nothing_that_is_told_to_be_committed_is_lost_when_the_disk_is_full(
    database: Database,
) -> None:
    """A cache of few pages is written before the commit, and then the error comes early."""
    async with database.transaction() as connection:
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text("PRAGMA cache_size = 5"))
        await connection.execute(text(f"PRAGMA max_page_count = {pages + 20}"))

    async def fill(connection: AsyncConnection, name: str) -> str:
        await connection.execute(
            insert(Scope).values(name=name, description="A scope", created_at=datetime.now(UTC))
        )
        await connection.execute(
            text("UPDATE scopes SET description = 'A scope' WHERE name = :name"), {"name": name}
        )
        return name

    names = [f"{number:03}" + "x" * 3000 for number in range(60)]
    work = (database.transact(lambda connection, n=name: fill(connection, n)) for name in names)  # type: ignore[misc]
    told = await asyncio.gather(*work, return_exceptions=True)
    assert [type(each) for each in told if not isinstance(each, str)]
    assert await added(database) == [each for each in told if isinstance(each, str)]


async def test_whoever_asked_is_told_what_no_work_should_raise(database: Database) -> None:
    async def give_up(_connection: AsyncConnection) -> None:
        raise asyncio.CancelledError

    other, cancelled = await asyncio.gather(
        database.transact(lambda connection: add(connection, "a")),
        database.transact(give_up),
        return_exceptions=True,
    )
    assert (other, type(cancelled)) == ("a", asyncio.CancelledError)
    assert await added(database) == ["a"]


async def test_all_are_told_that_the_commit_failed(database: Database) -> None:
    def refuse(_connection: object) -> None:
        raise OSError("the disk is full")

    event.listen(database._writer.sync_engine, "commit", refuse)
    assert [type(each) for each in await add_many(database, "a", "b")] == [OSError, OSError]
    event.remove(database._writer.sync_engine, "commit", refuse)
    assert await add_many(database, "c") == ["c"]
    assert await added(database) == ["c"]


async def test_a_transaction_that_waits_for_something_else_is_refused_and_undone(
    database: Database,
) -> None:
    async def wait(connection: AsyncConnection) -> None:
        await add(connection, "a")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="nothing but its connection"):
        await database.transact(wait)
    assert await added(database) == []


async def test_it_stands_in_line_with_other_transactions(database: Database) -> None:
    async with database.transaction() as connection:
        waiting = asyncio.create_task(database.transact(lambda own: add(own, "later")))
        await asyncio.sleep(0)
        await add(connection, "first")
        assert not waiting.done()
    assert await waiting == "later"
    assert await added(database) == ["first", "later"]


async def test_work_that_is_no_longer_waited_for_is_committed_whole(database: Database) -> None:
    going = asyncio.create_task(database.transact(lambda connection: add(connection, "a")))
    await asyncio.sleep(0)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    await database.transact(lambda connection: add(connection, "b"))
    assert await added(database) == ["a", "b"]


async def test_work_sees_the_context_of_whoever_asked_for_it(database: Database) -> None:
    async def ask(who: str) -> str:
        ASKED_FOR.set(who)

        async def tell(_connection: AsyncConnection) -> str:
            return ASKED_FOR.get()

        return await database.transact(tell)

    alice, bob = await asyncio.gather(ask("alice"), ask("bob"))
    assert (alice, bob) == ("alice", "bob")


async def test_a_database_that_is_closed_has_written_what_was_asked_of_it(
    sqlite: Backend,
) -> None:
    url = sqlite.migrated()
    database = Database(url)
    going = asyncio.create_task(database.transact(lambda connection: add(connection, "a")))
    await asyncio.sleep(0)
    await database.close()
    assert await going == "a"
    sqlite.drop(url)
