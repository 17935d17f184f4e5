"""What a command says when the database cannot be used: the reason, and what to look at."""

import sqlite3
import ssl
from contextlib import closing
from pathlib import Path

import pytest
from asyncpg.exceptions import InvalidPasswordError
from sqlalchemy.exc import OperationalError

from app.database.faults import described, named
from tests.support.databases import Backend
from tests.support.shell import Shell

SECRET = "hunter2-hunter2"

SETTING = "see LATCHKEY_DATABASE_URL"


def refused(url: str, *command: str) -> str:
    """The one line that a command prints."""
    result = Shell(url)(*(command or ("users", "list")))
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    line = result.stderr.removesuffix("\n")
    assert "\n" not in line
    assert SECRET not in line
    assert line.startswith("latchkey: ")
    return line.removeprefix("latchkey: ")


@pytest.mark.parametrize("command", [("users", "list"), ("db", "upgrade"), ("db", "check")])
def test_a_database_that_is_not_there_is_named(
    postgresql: Backend, command: tuple[str, ...]
) -> None:
    url = postgresql.migrated()
    name = url.partition("@/")[2].partition("?")[0]
    line = refused(url.replace(f"/{name}?", f"/{name}_missing?"), *command)
    assert line == (
        f'the database cannot be reached: database "{name}_missing" does not exist: create it, or '
        f"{SETTING}"
    )
    postgresql.drop(url)


def test_a_closed_port_is_named() -> None:
    line = refused(f"postgresql://latchkey:{SECRET}@127.0.0.1:9/latchkey")
    assert line.startswith("the database cannot be reached: ")
    assert "127.0.0.1" in line
    assert line.endswith(SETTING)


def test_a_host_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused(f"postgresql://latchkey:{SECRET}@nowhere.invalid/latchkey")
    assert line.startswith("the database cannot be reached: ")
    assert "ConnectionError" not in line
    assert line.endswith(SETTING)


def test_a_folder_that_is_not_there_is_told() -> None:
    cannot_open = sqlite3.OperationalError("unable to open database file")
    assert described(OperationalError("SELECT 1", None, cannot_open)) == (
        "the database cannot be opened: its folder is missing or cannot be written to"
    )


def test_a_file_that_somebody_holds_is_told() -> None:
    locked = sqlite3.OperationalError("database is locked")
    assert described(OperationalError("SELECT 1", None, locked)) == (
        f"the database cannot be used: database is locked: {SETTING}, and who may write to its "
        "folder"
    )


def test_a_database_without_its_tables_is_to_be_migrated(tmp_path: Path) -> None:
    line = refused(f"sqlite:///{tmp_path}/empty.db")
    assert line == "the database is not migrated: run `latchkey db upgrade`"


def chained(cause: BaseException) -> ConnectionError:
    """As the driver's errors reach a command."""
    error = ConnectionError(type(cause).__name__)
    error.__cause__ = cause
    return error


def test_a_wrong_password_is_told() -> None:
    wrong = InvalidPasswordError('password authentication failed for user "latchkey"')
    assert described(chained(wrong)) == (
        'the database cannot be reached: password authentication failed for user "latchkey": '
        f"{SETTING}"
    )


def test_a_certificate_that_is_not_trusted_is_told() -> None:
    bad = ssl.SSLCertVerificationError()
    bad.verify_message = "self-signed certificate"
    assert described(chained(bad)) == (
        "the database cannot be reached: its certificate or TLS: self-signed certificate: "
        f"{SETTING}"
    )


def test_a_full_disk_has_a_name_for_the_log() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            database.execute("CREATE TABLE larger (text)")
    assert named(chained(raised.value)) == {"kind": "ConnectionError", "code": "SQLITE_FULL"}


def test_what_postgresql_refuses_has_its_sqlstate_for_the_log() -> None:
    error = chained(InvalidPasswordError("wrong"))
    assert named(error) == {"kind": "ConnectionError", "code": "28P01"}


def test_what_is_no_fault_of_a_database_has_no_name() -> None:
    error = ConnectionRefusedError("refused")
    assert named(error) == {"kind": "ConnectionRefusedError", "code": None}
