"""The two engines of a process: app/database/engines.py."""

import asyncio
import os
import stat
import traceback
import uuid
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import ATTEMPTS, Database, lock, retry_conflicts
from app.database.migrations import upgrade
from app.models import Scope, User, UserScope
from app.settings import Settings
from app.settings.database_url import connect_timeout, driver_url, unknown_parameters

SECRET = "sentinel-of-a-credential"
NOW = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    made = Database(database_url)
    yield made
    await made.close()


@pytest.fixture
async def other_worker(database_url: str) -> AsyncGenerator[Database]:
    """A second process, as far as the database can tell."""
    made = Database(database_url)
    yield made
    await made.close()


@pytest.fixture
async def file(tmp_path: Path) -> AsyncGenerator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'latchkey.db'}")
    yield made
    await made.close()


async def add_scope(connection: AsyncConnection, name: str, created_at: datetime = NOW) -> None:
    await connection.execute(
        insert(Scope).values(name=name, description="A scope", created_at=created_at)
    )


async def read_created_at(database: Database, name: str) -> datetime | None:
    async with database.read() as connection:
        return await connection.scalar(select(Scope.created_at).where(Scope.name == name))


# URLs


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///./latchkey.db", "sqlite+aiosqlite:///./latchkey.db"),
        ("sqlite:////var/lib/latchkey.db", "sqlite+aiosqlite:////var/lib/latchkey.db"),
        ("postgresql://user:p%40ss@host/db", "postgresql+asyncpg://user:p%40ss@host/db"),
        (
            "postgresql://user:://@host:5433/db?ssl=require",
            "postgresql+asyncpg://user:://@host:5433/db?ssl=require",
        ),
        (
            "postgresql://user@host/db?sslmode=verify-full&sslrootcert=/ca.pem&host=h:1",
            "postgresql+asyncpg://user@host/db?host=h%3A1&"
            "dsn=postgresql%3A%2F%2F%3Fsslmode%3Dverify-full%26sslrootcert%3D%252Fca.pem",
        ),
    ],
    ids=["relative file", "absolute file", "PostgreSQL", "separator in the password", "TLS"],
)
def test_the_driver_is_added_to_the_url_and_told_what_libpq_says_of_tls(
    url: str, expected: str
) -> None:
    assert driver_url(url) == expected


def test_a_url_may_say_what_programs_of_postgresql_understand() -> None:
    url = "postgresql://u@host/db?application_name=login&options=-c%20work_mem%3D8MB"
    url += "&target_session_attrs=read-write&connect_timeout=3"
    assert driver_url(url) == (
        "postgresql+asyncpg://u@host/db?dsn=postgresql%3A%2F%2F%3Fapplication_name%3Dlogin"
        "%26options%3D-c%2Bwork_mem%253D8MB%26target_session_attrs%3Dread-write"
    )
    assert connect_timeout(url) == 3
    assert connect_timeout("postgresql://u@host/db?connect_timeout=0") is None


def test_a_parameter_that_nobody_would_heed_stops_the_start() -> None:
    url = "postgresql://u:secret@h/d?gssencmode=require"
    assert unknown_parameters(url) == ["gssencmode"]
    with pytest.raises(ValueError, match="has a parameter without effect: gssencmode"):
        Settings(_env_file=None, environment="development", database_url=url)


async def test_postgresql_is_told_them(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        return
    more = "&application_name=login&options=-c%20work_mem%3D8MB&target_session_attrs=read-write"
    told = Database(database_url + more)
    async with told.read() as connection:
        shown = [
            await connection.scalar(text(f"SELECT current_setting('{name}')"))
            for name in ("application_name", "work_mem", "lock_timeout")
        ]
    assert shown == ["login", "8MB", "5s"]
    await told.close()


# Times


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(NOW, id="UTC"),
        pytest.param(NOW.astimezone(timezone(timedelta(hours=5, minutes=30))), id="India"),
        pytest.param(NOW.astimezone(timezone(-timedelta(hours=11))), id="Samoa"),
        pytest.param(NOW.replace(microsecond=0), id="whole second"),
        pytest.param(datetime(1970, 1, 1, tzinfo=UTC), id="epoch"),
    ],
)
async def test_a_time_comes_back_as_the_same_moment_in_utc(
    database: Database, stored: datetime
) -> None:
    async with database.transaction() as connection:
        await add_scope(connection, "new", stored)
    read = await read_created_at(database, "new")
    assert read == stored
    assert read is not None
    assert read.tzinfo is UTC


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="a time without a zone cannot be stored"):
        async with database.transaction() as connection:
            await add_scope(connection, "new", datetime(2026, 1, 1))  # noqa: DTZ001
    assert await read_created_at(database, "new") is None


async def test_a_time_without_a_zone_is_refused_in_a_comparison(database: Database) -> None:
    query = select(Scope.name).where(Scope.created_at < datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(StatementError, match="a time without a zone cannot be stored"):
        async with database.read() as connection:
            await connection.execute(query)


async def test_times_are_compared_as_moments(database: Database) -> None:
    async with database.transaction() as connection:
        await add_scope(connection, "new", NOW)
    later_elsewhere = (NOW + timedelta(seconds=1)).astimezone(timezone(-timedelta(hours=11)))
    for moment, found in ((later_elsewhere, ["new"]), (NOW, [])):
        query = select(Scope.name).where(Scope.name == "new", Scope.created_at < moment)
        async with database.read() as connection:
            assert list(await connection.scalars(query)) == found


async def test_no_time_is_stored_as_null(database: Database) -> None:
    user_id = uuid.uuid4()
    async with database.transaction() as connection:
        await connection.execute(
            insert(User).values(
                id=user_id, username="a", username_key="a", created_at=NOW, updated_at=NOW
            )
        )
        query = select(User.disabled_at).where(User.id == user_id)
        assert (await connection.execute(query)).one() == (None,)


# Transactions


async def test_a_transaction_is_committed_at_the_end_of_its_block(database: Database) -> None:
    async with database.transaction() as connection:
        await add_scope(connection, "new")
        assert await read_created_at(database, "new") is None
    assert await read_created_at(database, "new") == NOW


async def test_a_transaction_is_rolled_back_when_its_block_raises(database: Database) -> None:
    async def work() -> None:
        async with database.transaction() as connection:
            await add_scope(connection, "new")
            raise LookupError

    with pytest.raises(LookupError):
        await work()
    assert await read_created_at(database, "new") is None


async def test_a_transaction_is_rolled_back_when_its_task_is_cancelled(
    database: Database,
) -> None:
    written = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as connection:
            await add_scope(connection, "new")
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await read_created_at(database, "new") is None
    async with database.transaction() as connection:
        await add_scope(connection, "new")
    assert await read_created_at(database, "new") == NOW


async def test_nothing_of_a_transaction_stays_when_its_last_statement_fails(
    database: Database,
) -> None:
    async def work() -> None:
        async with database.transaction() as connection:
            await add_scope(connection, "new")
            await add_scope(connection, "profile")

    with pytest.raises(IntegrityError):
        await work()
    assert await read_created_at(database, "new") is None


@pytest.mark.parametrize("how", ["read", "statement"])
async def test_a_statement_outside_a_transaction_is_committed_at_once(
    database: Database, how: str
) -> None:
    async with getattr(database, how)() as connection:
        await add_scope(connection, "new")
    assert await read_created_at(database, "new") == NOW


async def test_a_row_that_refers_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(
                insert(UserScope).values(user_id=uuid.uuid4(), scope="profile")
            )


# SQLite


@pytest.mark.parametrize("engine", ["read", "statement", "transaction"])
@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 5000), ("synchronous", 2)],
)
async def test_each_connection_to_sqlite_has_its_pragmas(
    file: Database, engine: str, pragma: str, value: object
) -> None:
    async with getattr(file, engine)() as connection:
        assert await connection.scalar(text(f"PRAGMA {pragma}")) == value


@pytest.fixture(params=[0o000, 0o022, 0o277], ids="umask_{:03o}".format)
def umask(request: pytest.FixtureRequest) -> Generator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(file: Path) -> dict[str, int]:
    """The permissions of a database on SQLite and of what lies beside it."""
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in file.parent.glob("*.db*")}


PRIVATE = {"latchkey.db": 0o600, "latchkey.db-wal": 0o600, "latchkey.db-shm": 0o600}


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("engine", ["read", "statement", "transaction"])
async def test_a_new_database_on_sqlite_is_for_its_owner_alone(
    file: Database, tmp_path: Path, engine: str
) -> None:
    async with getattr(file, engine)() as connection:
        await connection.execute(text("CREATE TABLE some (id INTEGER)"))
        assert modes(tmp_path / "latchkey.db") == PRIVATE


@pytest.mark.usefixtures("umask")
def test_a_new_database_that_is_migrated_is_for_its_owner_alone(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'latchkey.db'}")
    found = modes(tmp_path / "latchkey.db")
    assert found["latchkey.db"] == 0o600
    assert found.items() <= PRIVATE.items()


async def test_a_database_on_sqlite_that_is_there_keeps_its_mode(
    file: Database, tmp_path: Path
) -> None:
    (tmp_path / "latchkey.db").touch()
    (tmp_path / "latchkey.db").chmod(0o640)
    async with file.transaction() as connection:
        await connection.execute(text("CREATE TABLE some (id INTEGER)"))
        assert modes(tmp_path / "latchkey.db") == dict.fromkeys(PRIVATE, 0o640)


async def test_a_transaction_on_sqlite_takes_the_write_lock_at_its_beginning(
    file: Database, tmp_path: Path
) -> None:
    other = Database(file.url)
    async with other.read() as waiting, file.transaction():
        await waiting.execute(text("PRAGMA busy_timeout = 0"))
        with pytest.raises(DBAPIError, match="database is locked"):
            await waiting.execute(text("BEGIN IMMEDIATE"))
    await other.close()


async def test_readers_do_not_wait_for_a_writer(database: Database, other_worker: Database) -> None:
    async with database.transaction() as connection:
        await add_scope(connection, "new")
        assert await read_created_at(other_worker, "new") is None
        assert await read_created_at(other_worker, "profile") is not None


# Races


async def create_counter(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE counter (value INTEGER, used INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0, 0)"))


async def read_counter(database: Database) -> int | None:
    async with database.read() as connection:
        value: int | None = await connection.scalar(text("SELECT value FROM counter"))
        return value


async def increment(database: Database, locked: bool) -> None:
    """Read, then write: what is lost if two do it at once."""
    async with database.transaction() as connection:
        if locked:
            await lock(connection, "counter")
        value = await connection.scalar(text("SELECT value FROM counter"))
        await connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})


async def test_forty_transactions_on_sqlite_that_read_then_write_lose_nothing(
    file: Database,
) -> None:
    other = Database(file.url)
    await create_counter(file)
    workers = [file, other] * 20
    await asyncio.gather(*(increment(worker, locked=False) for worker in workers))
    assert await read_counter(file) == 40
    await other.close()


async def test_forty_transactions_that_read_then_write_under_a_lock_lose_nothing(
    database: Database, other_worker: Database
) -> None:
    await create_counter(database)
    workers = [database, other_worker] * 20
    await asyncio.gather(*(increment(worker, locked=True) for worker in workers))
    assert await read_counter(database) == 40


async def test_of_forty_conditional_updates_one_succeeds(
    database: Database, other_worker: Database
) -> None:
    await create_counter(database)

    async def use(worker: Database) -> bool:
        async with worker.transaction() as connection:
            used = await connection.execute(
                text("UPDATE counter SET used = 1 WHERE used = 0 RETURNING value")
            )
            return used.one_or_none() is not None

    results = await asyncio.gather(*(use(worker) for worker in [database, other_worker] * 20))
    assert results.count(True) == 1


async def test_a_lock_is_held_until_the_transaction_ends(
    database: Database, other_worker: Database
) -> None:
    order = []
    held = asyncio.Event()

    async def first() -> None:
        async with database.transaction() as connection:
            await lock(connection, "name")
            held.set()
            for _ in range(50):
                await connection.execute(text("SELECT 1"))
            order.append("first")

    async def second() -> None:
        await held.wait()
        async with other_worker.transaction() as connection:
            await lock(connection, "name")
            order.append("second")

    await asyncio.gather(second(), first())
    assert order == ["first", "second"]


# Doing it again


class Conflict(Exception):
    """What a driver raises."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class Work:
    """Fails some times, then succeeds."""

    def __init__(self, failures: int, sqlstate: str = "40001") -> None:
        self.attempts = 0
        self._failures = failures
        self._sqlstate = sqlstate

    async def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self._failures:
            raise DBAPIError("UPDATE", {}, Conflict(self._sqlstate))
        return "done"


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"], ids=["serialization", "deadlock"])
async def test_work_that_the_database_undid_is_done_again(sqlstate: str) -> None:
    work = Work(ATTEMPTS - 1, sqlstate)
    assert await retry_conflicts(work) == "done"
    assert work.attempts == ATTEMPTS


async def test_work_that_the_database_undoes_each_time_fails_in_the_end() -> None:
    work = Work(ATTEMPTS)
    with pytest.raises(DBAPIError):
        await retry_conflicts(work)
    assert work.attempts == ATTEMPTS


async def test_work_that_fails_otherwise_is_not_done_again() -> None:
    work = Work(1, "23505")
    with pytest.raises(DBAPIError):
        await retry_conflicts(work)
    assert work.attempts == 1


async def test_two_transactions_in_a_deadlock_both_succeed_in_the_end(
    database: Database, other_worker: Database
) -> None:
    """SQLite has no deadlock: its second transaction waits."""
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TABLE pair (name INTEGER, value INTEGER)"))
        await connection.execute(text("INSERT INTO pair VALUES (1, 0), (2, 0)"))
    has_updated = {1: asyncio.Event(), 2: asyncio.Event()}

    async def update_both(worker: Database, first: int, second: int) -> None:
        statement = text("UPDATE pair SET value = value + 1 WHERE name = :name")
        async with worker.transaction() as connection:
            await connection.execute(statement, {"name": first})
            has_updated[first].set()
            if not worker.is_sqlite:
                await has_updated[second].wait()
            await connection.execute(statement, {"name": second})

    await asyncio.gather(
        retry_conflicts(lambda: update_both(database, 1, 2)),
        retry_conflicts(lambda: update_both(other_worker, 2, 1)),
    )
    async with database.read() as connection:
        values = await connection.scalars(text("SELECT value FROM pair"))
        assert list(values) == [2, 2]


# What an error tells


def in_the_log(error: BaseException) -> str:
    """What is written of an unexpected fault: the error, and the chain of its causes."""
    return "".join(traceback.format_exception(error))


async def test_the_parameters_of_a_statement_that_fails_are_not_in_the_error(
    database: Database,
) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with database.read() as connection:
            await connection.execute(text("SELECT :secret FROM no_such_table"), {"secret": SECRET})
    assert "no_such_table" in in_the_log(failed.value)
    assert SECRET not in in_the_log(failed.value)


async def test_the_row_that_breaks_a_constraint_is_not_in_the_error(database: Database) -> None:
    with pytest.raises(IntegrityError) as failed:
        async with database.transaction() as connection:
            await connection.execute(
                insert(User).values(
                    username=None,
                    username_key="a",
                    password_hash=SECRET,
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
    assert "username" in in_the_log(failed.value)
    assert SECRET not in in_the_log(failed.value)


async def test_a_connection_that_is_refused_does_not_tell_the_password(tmp_path: Path) -> None:
    assert not os.listdir(tmp_path)
    database = Database(f"postgresql://user:{SECRET}@/latchkey?host={tmp_path}")
    with pytest.raises((OSError, DBAPIError)) as failed:
        async with database.read():
            raise AssertionError("there is no server")
    await database.close()
    assert SECRET not in in_the_log(failed.value)
