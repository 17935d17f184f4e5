"""Migrations: up, down, and what must survive them."""

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app.clock import Clock
from app.database import schema
from app.database.migrations import alembic_config, upgrade
from app.database.schema import revisions
from app.features import load_features
from app.identity.scopes import BUILT_IN, list_scopes
from app.server import Server
from app.settings import SettingsError
from tests.conftest import make_settings
from tests.support.databases import Backend
from tests.support.factories import add_client, add_user
from tests.support.processes import development, run_latchkey
from tests.support.schemas import (
    REBUILD_USERS,
    count,
    execute,
    in_transaction,
    several_migrations,
    state,
    with_another_migration,
)

BUILT_IN_SCOPES = BUILT_IN.union(
    *({*feature.scopes, *feature.management_scopes} for feature in load_features())
)

NOT_MIGRATED = "the database is not migrated: run `latchkey db upgrade`"


@pytest.fixture
def empty_url(backend: Backend) -> Generator[str]:
    """A database without tables."""
    url = backend.empty()
    yield url
    backend.drop(url)


def tables(url: str) -> set[str]:
    def names(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    return in_transaction(url, lambda connection: connection.run_sync(names))


def add_rows(url: str) -> None:
    """A user with a login and scopes, and a client with a secret."""

    async def main() -> None:
        server = Server(make_settings(database_url=url), Clock())
        user = await add_user(server)
        await add_client(server)
        await server.close()
        values = {"user": user.id if not server.database.is_sqlite else user.id.hex}
        values["id"] = values["user"]
        async with server.database.transaction() as connection:
            now = "'2026-11-24 00:00:00+00:00'"
            await connection.execute(
                text(
                    "INSERT INTO logins (id, user_id, client_id, scope, created_at, expires_at) "
                    f"VALUES (:id, :user, 'web', 'profile', {now}, {now})"
                ),
                values,
            )
        await server.database.close()

    asyncio.run(main())


FILLED = ("users", "user_scopes", "clients", "client_scopes", "client_secrets", "logins")


# Up and down


def test_the_schema_goes_up_matches_the_models_and_goes_down_and_up_again(empty_url: str) -> None:
    config = alembic_config(empty_url)
    command.upgrade(config, "head")
    command.check(config)
    all_tables = tables(empty_url)
    command.downgrade(config, "base")
    assert tables(empty_url) == {"alembic_version"}
    command.upgrade(config, "head")
    command.check(config)
    assert tables(empty_url) == all_tables


def test_each_migration_can_be_taken_back_and_made_again(empty_url: str) -> None:
    config = alembic_config(empty_url)
    revisions = [r.revision for r in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    before = {"alembic_version"}
    for number, revision in enumerate(revisions):
        command.upgrade(config, revision)
        after = tables(empty_url)
        command.downgrade(config, revisions[number - 1] if number else "base")
        assert tables(empty_url) == before
        command.upgrade(config, revision)
        assert tables(empty_url) == after
        before = after
    command.check(config)


def test_a_merge_is_newer_than_what_it_merges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``alembic merge`` writes it, in a fork that takes over what is new."""
    (tmp_path / "versions").mkdir()
    for name, before in {"a1": "None", "b2": '"a1"', "c3": "'a1'", "d4": "('b2', 'c3')"}.items():
        text = f"revision = {name!r}\ndown_revision = {before}\n"
        (tmp_path / "versions" / f"{name}.py").write_text(text)
    monkeypatch.setattr(schema, "SCRIPTS", tmp_path)
    assert revisions.__wrapped__() == ("d4", frozenset({"a1", "b2", "c3", "d4"}))


def test_the_revisions_are_those_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(alembic_config("sqlite://"))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    assert revisions() == (scripts.get_current_head(), known)


def test_there_is_one_line_of_migrations() -> None:
    scripts = ScriptDirectory.from_config(alembic_config("sqlite://"))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    add_rows(database_url)
    before = {table: count(database_url, table) for table in tables(database_url)}
    upgrade(database_url)
    assert {table: count(database_url, table) for table in tables(database_url)} == before


def test_the_migrations_create_every_built_in_scope_with_a_description(empty_url: str) -> None:
    upgrade(empty_url)
    scopes = in_transaction(empty_url, list_scopes)
    assert set(scopes) >= BUILT_IN_SCOPES
    assert all(len(description) > 5 for description in scopes.values())


# What an upgrade keeps

LEAVE_ORPHANS = """
def upgrade():
    op.add_column("scopes", sa.Column("extra", sa.String(length=5), nullable=True))
    op.execute("DELETE FROM scopes WHERE name = 'profile'")


def downgrade():
    op.drop_column("scopes", "extra")
"""


def test_a_table_that_is_rebuilt_keeps_the_rows_that_refer_to_it(
    database_url: str, tmp_path: Path
) -> None:
    add_rows(database_url)
    before = {table: count(database_url, table) for table in FILLED}
    assert all(before.values())
    config = with_another_migration(database_url, tmp_path, REBUILD_USERS)
    command.upgrade(config, "head")
    assert {table: count(database_url, table) for table in FILLED} == before
    command.downgrade(config, "-1")
    assert {table: count(database_url, table) for table in FILLED} == before


def test_a_migration_that_leaves_rows_without_what_they_refer_to_is_rolled_back(
    database_url: str, tmp_path: Path
) -> None:
    add_rows(database_url)
    before = count(database_url, "scopes")
    config = with_another_migration(database_url, tmp_path, LEAVE_ORPHANS)
    with pytest.raises(Exception, match=r"foreign key|refer to nothing"):
        command.upgrade(config, "head")
    assert (count(database_url, "scopes"), state(database_url)) == (before, "current")
    execute(database_url, "ALTER TABLE scopes ADD COLUMN extra VARCHAR(5)")


# Several processes


def test_processes_that_migrate_at_once_all_succeed(empty_url: str, tmp_path: Path) -> None:
    upgrading = partial(
        run_latchkey,
        *("db", "upgrade", "--json"),
        settings=development(empty_url),
        folder=tmp_path,
    )
    with ThreadPoolExecutor() as pool:
        processes = [pool.submit(upgrading) for _ in range(3)]
    ended = [process.result() for process in processes]
    results = [(each.returncode, each.stdout, each.stderr) for each in ended]
    assert results == [(0, '{"schema_state": "current"}\n', "")] * 3
    assert count(empty_url, "alembic_version") == 1
    assert set(in_transaction(empty_url, list_scopes)) >= BUILT_IN_SCOPES


# What the code says of a schema


def test_an_empty_database_has_no_schema(empty_url: str) -> None:
    assert state(empty_url) == "missing"


def test_a_schema_at_the_newest_migration_is_current(database_url: str) -> None:
    assert state(database_url) == "current"


@several_migrations
def test_a_schema_that_was_taken_back_is_older(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "-1")
    assert state(database_url) == "older"


def test_a_schema_that_was_taken_back_to_nothing_is_missing(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "base")
    assert state(database_url) == "missing"


def test_a_schema_with_a_migration_that_the_code_does_not_know_is_newer(
    database_url: str, tmp_path: Path
) -> None:
    command.upgrade(with_another_migration(database_url, tmp_path, REBUILD_USERS), "head")
    assert state(database_url) == "newer"


def start(url: str) -> None:
    async def main() -> None:
        server = Server(make_settings(database_url=url), Clock())
        try:
            await server.start()
        finally:
            await server.close()

    asyncio.run(main())


def test_the_server_does_not_start_on_an_empty_database(empty_url: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        start(empty_url)
    assert str(stopped.value) == NOT_MIGRATED


@several_migrations
def test_the_server_does_not_start_on_an_older_schema(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "-1")
    with pytest.raises(SettingsError) as stopped:
        start(database_url)
    assert str(stopped.value) == NOT_MIGRATED


def test_the_server_starts_on_a_newer_schema(database_url: str, tmp_path: Path) -> None:
    command.upgrade(with_another_migration(database_url, tmp_path, REBUILD_USERS), "head")
    start(database_url)
    assert count(database_url, "signing_keys") > 0
