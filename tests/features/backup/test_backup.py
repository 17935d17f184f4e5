"""``latchkey backup`` and ``latchkey restore``: what is kept, and what is refused."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from alembic import command

from tests.support.databases import Backend
from tests.support.live_server import latchkey
from tests.support.postgresql import binaries
from tests.support.schemas import (
    REBUILD_USERS,
    count,
    execute,
    several_migrations,
    state,
    with_another_migration,
)
from tests.support.shell import Shell, assert_line
from tests.support.started import started

PASSWORD = "correct horse battery staple"

APP = {"client_id": "app"}


@pytest.fixture(autouse=True)
def _programs_of_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the server's own version."""
    if "TEST_DATABASE_URL" not in os.environ:
        monkeypatch.setenv("PATH", f"{binaries()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def shell(database_url: str) -> Shell:
    """A deployment with a user and a client."""
    shell = Shell(database_url)
    shell.json("users", "create", "ada", "--password-stdin", stdin=PASSWORD)
    grants = ("--grant", "password", "--grant", "refresh_token")
    shell.json("clients", "create", "App", "--client-id", "app", "--public", *grants)
    shell.json("clients", "add-scope", "app", "profile", "--default")
    return shell


@pytest.fixture
def on_postgresql(postgresql: Backend) -> Generator[Shell]:
    url = postgresql.migrated()
    yield Shell(url)
    postgresql.drop(url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "latchkey.backup"


@pytest.fixture
def elsewhere(backend: Backend) -> Generator[Shell]:
    """Another deployment, whose database is empty."""
    url = backend.empty()
    yield Shell(url)
    backend.drop(url)


def ask(shell: Shell, **form: str) -> httpx2.Response:
    """What ``/token`` of a server on its database answers."""

    async def main() -> httpx2.Response:
        async with started(shell.application()) as http:
            return await http.post("/token", data=APP | form)

    return asyncio.run(main())


def log_in(shell: Shell) -> httpx2.Response:
    return ask(shell, grant_type="password", username="ada", password=PASSWORD)


def refresh(shell: Shell, token: str) -> httpx2.Response:
    return ask(shell, grant_type="refresh_token", refresh_token=token)


def test_users_log_in_and_stay_logged_in_where_a_backup_was_restored(
    shell: Shell, elsewhere: Shell, file: Path
) -> None:
    before = log_in(shell).json()["refresh_token"]
    assert shell.json("backup", str(file)) == {"file": str(file), "bytes": file.stat().st_size}
    told = elsewhere.json("restore", str(file))
    assert told == {"file": str(file), "schema_state": "current"}
    assert log_in(elsewhere).status_code == 200
    assert refresh(elsewhere, before).status_code == 200


def test_a_full_disk_is_one_line_and_leaves_no_half_of_a_file(
    sqlite: Backend, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_source: Path, target: Path) -> None:
        target.write_bytes(b"the first pages")
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("app.features.backup.service._copy_sqlite", fill)
    url = sqlite.migrated()
    assert_line(
        Shell(url)("backup", str(file)),
        "the database cannot be used: database or disk is full: see LATCHKEY_DATABASE_URL, and who "
        "may write to its folder",
    )
    assert list(file.parent.iterdir()) == []
    sqlite.drop(url)


def test_what_happened_since_the_backup_is_lost(shell: Shell, file: Path) -> None:
    shell.json("backup", str(file))
    since = log_in(shell).json()["refresh_token"]
    shell.json("users", "disable", "ada")
    shell.json("users", "create", "bob")
    shell.json("restore", str(file), "--replace")
    assert [user["username"] for user in shell.json("users", "list")] == ["ada"]
    assert log_in(shell).status_code == 200, "she is no longer disabled"
    assert refresh(shell, since).json()["error"] == "invalid_grant"


def test_a_command_on_its_own_knows_the_tables_of_features(shell: Shell, file: Path) -> None:
    shell.json("backup", str(file))
    shell.json("users", "create", "bob")
    latchkey(shell.url, "restore", str(file), "--replace")
    assert [user["username"] for user in shell.json("users", "list")] == ["ada"]


@several_migrations
def test_a_restored_database_can_be_upgraded(shell: Shell, elsewhere: Shell, file: Path) -> None:
    shell.json("db", "downgrade")
    shell.json("backup", str(file))
    shown = elsewhere("restore", str(file))
    assert shown.stdout.splitlines()[-1] == (
        "The schema is older than this release: run `latchkey db upgrade`."
    )
    assert elsewhere.json("db", "upgrade") == {"schema_state": "current"}
    assert log_in(elsewhere).status_code == 200


def test_a_database_that_is_not_empty_is_not_overwritten_by_mistake(
    shell: Shell, file: Path
) -> None:
    shell.json("backup", str(file))
    shell.json("users", "create", "bob")
    assert_line(
        shell("restore", str(file)),
        "there is a database already: --replace puts what is in the file in its place",
    )
    assert len(shell.json("users", "list")) == 2


def test_a_restore_that_fails_changes_nothing(shell: Shell, file: Path) -> None:
    shell.json("backup", str(file))
    damaged = file.read_bytes()
    file.write_bytes(damaged[: len(damaged) // 2])
    refused = shell("restore", str(file), "--replace")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert f"{file} is not a backup of this kind of database" in refused.stderr
    assert count(shell.url, "users") == 1


def test_a_file_that_is_no_backup_is_refused(shell: Shell, file: Path) -> None:
    file.write_text("not a backup\n" * 1000)
    refused = shell("restore", str(file), "--replace")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert f"{file} is not a backup of this kind of database" in refused.stderr
    assert_line(shell("restore", str(file.parent)), f"{file.parent} is not a file")


def test_a_database_of_somebody_else_is_no_backup(shell: Shell, file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.execute("INSERT INTO alembic_version VALUES ('0001')")
        other.commit()
    refused = shell("restore", str(file), "--replace")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert f"{file} is not a backup of this kind of database" in refused.stderr
    assert count(shell.url, "users") == 1


def test_a_schema_that_is_newer_is_replaced_by_its_own_release(
    shell: Shell, file: Path, tmp_path: Path
) -> None:
    shell.json("backup", str(file))
    command.upgrade(with_another_migration(shell.url, tmp_path, REBUILD_USERS), "head")
    assert_line(
        shell("restore", str(file), "--replace"),
        "the schema is newer than this release: restore with the release that made it",
    )
    assert state(shell.url) == "newer"


def test_tables_of_others_survive(on_postgresql: Shell, file: Path) -> None:
    shell = on_postgresql
    shell.json("backup", str(file))
    execute(shell.url, "CREATE TABLE theirs (id integer)", "INSERT INTO theirs VALUES (1)")
    shell.json("restore", str(file), "--replace")
    assert count(shell.url, "theirs") == 1
    execute(shell.url, "DROP TABLE theirs")


def test_a_backup_is_for_its_owner_alone_and_replaces_no_other(shell: Shell, file: Path) -> None:
    shell.json("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_bytes()
    assert_line(shell("backup", str(file)), f"{file} exists already")
    assert file.read_bytes() == written
    assert list(file.parent.iterdir()) == [file]


def test_there_is_no_backup_of_a_database_that_was_never_migrated(
    elsewhere: Shell, file: Path
) -> None:
    execute(elsewhere.url, "CREATE TABLE theirs (id integer)")
    assert_line(
        elsewhere("backup", str(file)),
        "there is nothing to back up: run `latchkey db upgrade` first",
    )
    assert list(file.parent.iterdir()) == []


def test_a_backup_without_a_folder_to_be_in_is_one_line(shell: Shell, file: Path) -> None:
    inside = file / "no such folder" / "file"
    assert_line(
        shell("backup", str(inside)),
        f"{inside}.partial cannot be written: No such file or directory",
    )


def test_the_programs_that_postgresql_needs_are_named(
    on_postgresql: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert_line(
        on_postgresql("backup", str(file)),
        "pg_dump is not installed: on Debian, apt-get install postgresql-client",
    )
    assert list(file.parent.iterdir()) == []


def test_who_restores_under_a_server_at_work_is_told_to_stop_it(
    on_postgresql: Shell, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_postgresql.json("backup", str(file))
    # Which of two that wait for each other PostgreSQL gives up is a matter of luck.
    (tmp_path / "bin").mkdir()
    psql = tmp_path / "bin" / "psql"
    psql.write_text("#!/bin/sh\ncat > /dev/null; echo 'ERROR:  deadlock detected' >&2; exit 3\n")
    psql.chmod(0o700)
    monkeypatch.setenv("PATH", f"{psql.parent}{os.pathsep}{os.environ['PATH']}")
    assert_line(
        on_postgresql("restore", str(file), "--replace"),
        "the database is in use, and nothing was changed: stop the servers first",
    )


def test_what_a_program_of_postgresql_says_first_is_told_without_the_password(
    on_postgresql: Shell, file: Path
) -> None:
    url = "postgresql://latchkey:a-password@127.0.0.1:1/latchkey"
    refused = on_postgresql("backup", str(file), database_url=url)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "Connection refused" in refused.stderr
    assert "a-password" not in refused.stderr
