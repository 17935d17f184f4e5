"""``latchkey db``: up, down, as SQL, and on a schema that a newer release made."""

import asyncio
from collections.abc import Generator, Sequence
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory

from app.database.migrations import alembic_config, revision_before
from app.database.schema import revisions
from tests.support.databases import Backend
from tests.support.schemas import (
    REBUILD_USERS,
    count,
    execute,
    several_migrations,
    state,
    with_another_migration,
)
from tests.support.shell import Shell, assert_line

HEAD = str(ScriptDirectory.from_config(alembic_config("sqlite://")).get_current_head())
BEFORE = revision_before(HEAD)

HASHES = {
    "mine": (
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 43,
        "argon2$memory_cost=8,rounds=1,parallelism=1,type=id",
    ),
    "imported": ("$2b$05$" + "." * 53, "bcrypt$rounds=5"),
    "unusable": ("*", None),
}
"""A hash by its user, and the kind of it."""


@pytest.fixture
def shell(database_url: str) -> Shell:
    return Shell(database_url)


@pytest.fixture
def newer(shell: Shell, tmp_path: Path) -> Shell:
    """A database that a release with one more migration has upgraded."""
    command.upgrade(with_another_migration(shell.url, tmp_path, REBUILD_USERS), "head")
    return shell


@pytest.fixture
def empty(postgresql: Backend) -> Generator[Shell]:
    """A PostgreSQL database without tables."""
    url = postgresql.empty()
    yield Shell(url)
    postgresql.drop(url)


def apply(url: str, script: str) -> None:
    """What a database administrator does with it."""

    async def main() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(script)
        await connection.close()

    asyncio.run(main())


# A newer schema


def test_an_older_release_leaves_a_newer_schema_as_it_is(newer: Shell) -> None:
    assert newer.json("db", "upgrade") == {"schema_state": "newer"}
    assert state(newer.url) == "newer"


def test_an_older_release_says_in_one_sentence_that_the_schema_is_newer(newer: Shell) -> None:
    told = newer("db", "upgrade")
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout.splitlines()[-1] == (
        "The schema is newer than this release, which runs on it. Nothing was changed."
    )


def test_an_older_release_does_not_take_a_newer_schema_back(newer: Shell) -> None:
    assert_line(
        newer("db", "downgrade"),
        "the schema is newer than this release: take it back with the release that made it",
    )
    assert state(newer.url) == "newer"


@several_migrations
@pytest.mark.parametrize("command", ["upgrade", "check", "downgrade"])
def test_a_revision_beside_one_that_it_follows_is_one_line(shell: Shell, command: str) -> None:
    execute(shell.url, f"INSERT INTO alembic_version VALUES ('{BEFORE}')")
    assert_line(
        shell("db", command),
        f"the table alembic_version has {BEFORE} beside {HEAD}, which follows it: delete the row "
        "that is not true",
    )


# Down


@several_migrations
def test_the_newest_migration_is_taken_back_and_made_again(shell: Shell) -> None:
    assert shell.json("db", "downgrade") == {"schema_state": "older", "revision": BEFORE}
    assert shell("db", "check").exit_code == 1
    assert shell.json("db", "upgrade") == {"schema_state": "current"}


@several_migrations
def test_migrations_are_taken_back_as_far_as_the_operator_says(shell: Shell) -> None:
    assert shell.json("db", "downgrade", BEFORE) == {"schema_state": "older", "revision": BEFORE}
    assert shell.json("db", "downgrade", "base") == {"schema_state": "missing", "revision": None}
    assert_line(shell("db", "downgrade"), "there is no migration to take back")


def test_a_revision_that_there_is_not_is_one_line(shell: Shell) -> None:
    assert_line(shell("db", "downgrade", "zzz"), "Can't locate revision identified by 'zzz'")


# As SQL


def test_sql_applied_by_hand_makes_the_schema_that_an_upgrade_makes(empty: Shell) -> None:
    apply(empty.url, empty("db", "upgrade", "--sql").stdout)
    assert empty.json("db", "check") == {"schema_state": "current"}
    command.check(alembic_config(empty.url))


@pytest.mark.skipif("0010" not in revisions()[1], reason="there is no migration that fills rows in")
def test_sql_begins_at_the_schema_that_is_there_and_keeps_what_is_in_it(empty: Shell) -> None:
    command.upgrade(alembic_config(empty.url), "0010")
    for name, (stored, _) in HASHES.items():
        execute(
            empty.url,
            "INSERT INTO users (id, username, username_key, email_verified, password_hash, "
            f"created_at, updated_at) VALUES (gen_random_uuid(), '{name}', '{name}', false, "
            f"'{stored}', now(), now())",
        )
    told = empty.json("db", "upgrade", "--sql")
    assert told["from"] == "0010"
    apply(empty.url, told["sql"])
    assert state(empty.url) == "current"
    for name, (_, kind) in HASHES.items():
        same = f"username = '{name}' AND password_kind IS NOT DISTINCT FROM "
        same += "NULL" if kind is None else f"'{kind}'"
        assert count(empty.url, f"users WHERE {same}") == 1


def test_sql_is_one_transaction_under_the_lock_of_every_upgrade(empty: Shell) -> None:
    lines = [line for line in empty("db", "upgrade", "--sql").stdout.splitlines() if line]
    assert lines[:2] == ["BEGIN;", "SELECT pg_advisory_xact_lock(7236544);"]
    assert lines[-1] == "COMMIT;"


@several_migrations
def test_sql_takes_the_schema_back(empty: Shell) -> None:
    empty.json("db", "upgrade")
    apply(empty.url, empty("db", "downgrade", "--sql").stdout)
    assert state(empty.url) == "older"
    command.upgrade(alembic_config(empty.url), "head")
    command.check(alembic_config(empty.url))


def test_sql_of_a_schema_that_is_current_does_nothing(empty: Shell) -> None:
    empty.json("db", "upgrade")
    script = empty("db", "upgrade", "--sql").stdout
    assert not [line for line in script.splitlines() if line.startswith(("CREATE", "ALTER"))]


def test_there_is_no_sql_for_sqlite(sqlite: Backend) -> None:
    url = sqlite.migrated()
    assert_line(
        Shell(url)("db", "upgrade", "--sql"),
        "SQL scripts are for PostgreSQL: SQLite's tables are rebuilt in Python",
    )
    sqlite.drop(url)


@pytest.mark.parametrize("command", [("db", "check"), ("doctor",), ("users", "list"), ("serve",)])
def test_a_command_that_finds_no_file_says_so_and_makes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = Shell(f"sqlite:///{tmp_path}/latchkey.db")(*command)
    assert refused.exit_code == 1
    assert "latchkey: the database is not migrated: run `latchkey db upgrade`\n" in refused.stderr
    assert list(tmp_path.iterdir()) == []
