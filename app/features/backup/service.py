"""Backups: the whole database in one file, and a database from such a file.

SQLite copies itself while it is in use (https://www.sqlite.org/backup.html). For PostgreSQL its own
programs do the work, which have to be installed: ``pg_dump``, ``pg_restore`` and ``psql``.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from app.database.sqlite_driver import create_for_owner
from app.errors import ConflictError, InvalidError
from app.models import Base

PAGES = -1
"""Of a copy of SQLite: all in one step, so that it is the database of one moment."""

SQLITE = "sqlite:///"

ESSENTIAL = ("alembic_version", "users", "clients", "signing_keys")
"""The tables by which a backup of this server is known, of whatever release it is."""

LISTED = re.compile(r"^\d+; \d+ \d+ TABLE (?!DATA )\S+ (\w+) ", re.MULTILINE)
"""A table in the list of contents that ``pg_restore`` prints."""

NOT_EMPTY = "there is a database already: --replace puts what is in the file in its place"
NOTHING = "there is nothing to back up: run `latchkey db upgrade` first"
IN_USE = "the database is in use, and nothing was changed: stop the servers first"
NO_BACKUP = "{} is not a backup of this kind of database"


def back_up(url: str, file: Path) -> None:
    """Write the database at ``url`` to a new file, which its owner alone can read.

    The database stays in use meanwhile; the file has what was committed when the copy began.
    Raises :class:`~app.errors.ConflictError` with one sentence if it cannot, or if the database was
    never migrated: that would be a backup of nothing.
    """
    with _new(file) as copy:
        if url.startswith(SQLITE):
            _copy_sqlite(_existing(url), copy)
        else:
            _run(url, "pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--file={copy}")
            listed = _output("pg_restore", "--list", str(copy)).decode()
            if not set(LISTED.findall(listed)).issuperset(ESSENTIAL):
                raise ConflictError(told=NOTHING)


def restore(url: str, file: Path, *, replace: bool) -> None:
    """Make the database at ``url`` what it was when ``file`` was written.

    Either all of it is restored or nothing is changed. Raises
    :class:`~app.errors.ConflictError` for a database that is not empty, unless ``replace`` is set,
    and :class:`~app.errors.InvalidError` for a file that is no backup of such a database.
    """
    if not file.is_file():
        raise InvalidError(told=f"{file} is not a file")
    if url.startswith(SQLITE):
        _restore_sqlite(Path(url.removeprefix(SQLITE)), file, replace=replace)
    else:
        _restore_postgresql(url, file, replace=replace)


@contextmanager
def _new(file: Path) -> Generator[Path]:
    """Where to write what becomes ``file`` once it is complete and on the disk."""
    if file.exists():
        raise ConflictError(told=f"{file} exists already")
    partial = file.with_name(f"{file.name}.partial")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise ConflictError(told=f"{partial} cannot be written: {error.strerror}") from None
    try:
        yield partial
        os.fsync(descriptor)
        partial.rename(file)
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _existing(url: str) -> Path:
    path = Path(url.removeprefix(SQLITE))
    if not path.exists():
        raise ConflictError(told=f"there is no database at {path}")
    return path


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=PAGES)
        if not _is_of_this_server(copy):
            raise ConflictError(told=NOTHING)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it


def _is_of_this_server(database: sqlite3.Connection) -> bool:
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in found}.issuperset(ESSENTIAL)


def _restore_sqlite(path: Path, file: Path, *, replace: bool) -> None:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as backup:
        try:
            good = backup.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            good = good and _is_of_this_server(backup)
        except sqlite3.DatabaseError:
            good = False
        if not good:
            raise InvalidError(told=NO_BACKUP.format(file))
        create_for_owner(str(path))
        with closing(sqlite3.connect(path)) as live:
            if not replace and live.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise ConflictError(told=NOT_EMPTY)
            # Into the file and not in its place: a server that still has it open would go on with
            # the old one.
            backup.backup(live, pages=PAGES)
            live.execute("PRAGMA journal_mode = WAL")


def _restore_postgresql(url: str, file: Path, *, replace: bool) -> None:
    try:
        script = _output("pg_restore", "--no-owner", "--no-acl", "--file=-", str(file))
    except ConflictError as refused:
        raise InvalidError(told=f"{NO_BACKUP.format(file)} ({refused.told})") from None
    found = set(re.findall(r"^CREATE TABLE (?:\w+\.)?(\w+) ", script.decode(), re.MULTILINE))
    if not found.issuperset(ESSENTIAL):
        raise InvalidError(told=NO_BACKUP.format(file))
    transaction = ("psql", "--quiet", "--no-psqlrc", "--single-transaction", "--file=-")
    replaced = sorted(found.union(Base.metadata.tables))
    drop = "".join(f'DROP TABLE IF EXISTS "{table}" CASCADE;\n' for table in replaced)
    tables = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1"
    if not replace and _run(url, "psql", "--no-psqlrc", "--tuples-only", f"--command={tables}"):
        raise ConflictError(told=NOT_EMPTY)
    try:
        _run(url, *transaction, "--set=ON_ERROR_STOP=1", given=drop.encode() + script)
    except ConflictError as refused:
        if "deadlock detected" in refused.line:
            raise ConflictError(told=IN_USE) from None
        raise


def _run(url: str, program: str, *arguments: str, given: bytes = b"") -> bytes:
    """What a program of PostgreSQL prints that works on the database at ``url``."""
    address, environment = _without_password(url)
    return _output(program, f"--dbname={address}", *arguments, given=given, more=environment)


def _output(
    program: str, *arguments: str, given: bytes = b"", more: Mapping[str, str] | None = None
) -> bytes:
    if shutil.which(program) is None:
        raise ConflictError(
            told=f"{program} is not installed: on Debian, apt-get install postgresql-client"
        )
    finished = subprocess.run(  # noqa: S603 - a fixed program, and no shell
        [program, *arguments],
        env={**os.environ, **(more or {})},
        input=given,
        capture_output=True,
        check=False,
        umask=0o077,
    )
    if finished.returncode:
        lines = finished.stderr.decode(errors="replace").splitlines()
        said = (line for line in lines if "error:" in line.lower())
        raise ConflictError(told=next(said, f"{program} failed"))
    return finished.stdout.strip()


def _without_password(url: str) -> tuple[str, Mapping[str, str]]:
    """The URL as everybody may see it in the list of processes, and the password apart."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    netloc = f"{name}@{host}" if name else host
    return urlunsplit(parts._replace(netloc=netloc)), {"PGPASSWORD": unquote(password)}
