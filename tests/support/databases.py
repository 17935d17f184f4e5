"""Fresh, migrated databases: one for each test, copied from one that was migrated once.

On PostgreSQL the copy is the expensive part, so a database that still has the schema of its
template is emptied and used again.
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from app.database.migrations import upgrade
from app.models import Base
from tests.support.live_server import seed_demo
from tests.support.postgresql import running_cluster

TEMPLATE = "latchkey_template" + os.environ.get("PYTEST_XDIST_WORKER", "")
"""Each worker of pytest-xdist has its own, though they may share a server."""

SAMPLE_SCOPES = {
    "api-keys:read": "See your API keys",
    "api-keys:write": "Create and revoke your API keys",
    "claims:read": "See all claims and their values",
    "claims:write": "Declare claims and change their values",
    "groups": "See which groups you are in",
    "groups:read": "See all groups",
    "groups:write": "Create, change and delete groups",
    "items:read": "See your items",
    "items:write": "Add, change and delete your items",
    "resources:read": "See the resources that tokens can be for",
    "resources:write": "Add, change and delete resources",
}
"""What tests of the core have permitted, too. They are those of features, which may be deleted."""

ADD_SAMPLE_SCOPES = "INSERT INTO scopes (name, description, created_at) VALUES {} {}".format(
    ", ".join(
        f"('{name}', '{description}', '2026-11-24 00:00:00.000000')"
        for name, description in SAMPLE_SCOPES.items()
    ),
    "ON CONFLICT DO NOTHING",
)

FINGERPRINT = """
SELECT concat_ws(' ',
    (SELECT concat_ws(' ', count(*), sum(hashtextextended(c.oid || ' ' || c.xmin, 0)))
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace),
    (SELECT concat_ws(' ', count(*), sum(hashtextextended(a.attrelid || ' ' || a.xmin, 0)))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace),
    (SELECT concat_ws(' ', count(*), sum(hashtextextended(oid || ' ' || xmin, 0)))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
    (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)
)
"""
"""What a schema is made of: which rows of the catalogue, and by which transactions. A copy has the
same ones until somebody changes it."""

LEAVE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

RESTART_SEQUENCES = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"


class Backend(Protocol):
    """A kind of database that makes fresh ones."""

    def empty(self) -> str:
        """The URL of a new database without tables."""

    def migrated(self) -> str:
        """The URL of a new database at the newest schema."""

    def seeded(self) -> str:
        """The URL of a new database with the demo data."""

    def drop(self, url: str) -> None:
        """Remove a database."""


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        self._demo = folder / "demo.db"
        upgrade(f"sqlite:///{self._template}")
        with closing(sqlite3.connect(self._template)) as database, database:
            database.execute(ADD_SAMPLE_SCOPES)

    def empty(self) -> str:
        return f"sqlite:///{self._folder / uuid.uuid4().hex}.db"

    def migrated(self) -> str:
        return self._copy(self._template)

    def seeded(self) -> str:
        if not self._demo.exists():
            shutil.copy(self._template, self._demo)
            seed_demo(f"sqlite:///{self._demo}")
        return self._copy(self._demo)

    def _copy(self, template: Path) -> str:
        url = self.empty()
        shutil.copy(template, url.removeprefix("sqlite:///"))
        return url

    def drop(self, url: str) -> None:
        for file in self._folder.glob(Path(url).stem + ".db*"):
            file.unlink()


class Postgresql:
    def __init__(self, server_url: str) -> None:
        """``server_url`` has the placeholder ``{}`` for the name of a database."""
        self._server_url = server_url
        self._execute(f"DROP DATABASE IF EXISTS {TEMPLATE}", f"CREATE DATABASE {TEMPLATE}")
        upgrade(server_url.format(TEMPLATE))
        asyncio.run(_add_sample_scopes(server_url.format(TEMPLATE)))
        self._tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
        self._tables.append("alembic_version")
        self._rows: dict[str, str] = {}
        self._fingerprint: str = asyncio.run(self._read_template())
        self._clean: list[str] = []
        self._demo: str | None = None

    async def _read_template(self) -> str:
        """Note what a migrated database has in its tables; return what they look like."""
        connection = await asyncpg.connect(self._server_url.format(TEMPLATE))
        for table in self._tables:
            rows = await connection.fetchval(f"SELECT json_agg({table}) FROM {table}")
            if rows is not None:
                self._rows[table] = rows
        fingerprint: str = await connection.fetchval(FINGERPRINT)
        await connection.close()
        return fingerprint

    async def _clear(self, url: str) -> bool:
        """Bring a database back to the state of the template; False if its schema is another."""
        try:
            connection = await asyncpg.connect(url)
        except (asyncpg.PostgresError, OSError):
            return False
        try:
            await connection.execute(LEAVE)
            if await connection.fetchval(FINGERPRINT) != self._fingerprint:
                return False
            async with connection.transaction():
                await connection.execute(";".join(f"DELETE FROM {name}" for name in self._tables))
                await connection.execute(RESTART_SEQUENCES)
                for table in reversed(self._tables):
                    if table in self._rows:
                        await connection.execute(
                            f"INSERT INTO {table} "
                            f"SELECT * FROM json_populate_recordset(NULL::{table}, $1)",
                            self._rows[table],
                        )
            return True
        finally:
            await connection.close()

    def _execute(self, *statements: str) -> None:
        async def main() -> None:
            connection = await asyncpg.connect(self._server_url.format("postgres"))
            for statement in statements:
                await connection.execute(statement)
            await connection.close()

        asyncio.run(main())

    def _create(self, template: str) -> str:
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._server_url.format(name)

    def empty(self) -> str:
        return self._create("template0")

    def migrated(self) -> str:
        return self._clean.pop() if self._clean else self._create(TEMPLATE)

    def seeded(self) -> str:
        if self._demo is None:
            self._demo = f"{TEMPLATE}_demo"
            self._execute(
                f"DROP DATABASE IF EXISTS {self._demo}",
                f"CREATE DATABASE {self._demo} TEMPLATE {TEMPLATE}",
            )
            seed_demo(self._server_url.format(self._demo))
        return self._create(self._demo)

    def drop(self, url: str) -> None:
        if asyncio.run(self._clear(url)):
            self._clean.append(url)
            return
        name = next(part for part in url.replace("?", "/").split("/") if part.startswith("test_"))
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _add_sample_scopes(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(ADD_SAMPLE_SCOPES)
    await connection.close()


MEMORY = Path("/dev/shm")
ENOUGH = 2**30
"""Bytes. In some containers there are few."""


@contextmanager
def folder_in_memory() -> Generator[Path]:
    """A folder in which a commit need not wait for a disk, where the system has one with room."""
    room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH
    with tempfile.TemporaryDirectory(prefix="latchkey", dir=MEMORY if room else None) as name:
        yield Path(name)


@contextmanager
def sqlite(folder: Path) -> Generator[Backend]:
    yield Sqlite(folder)


@contextmanager
def postgresql(*, durable: bool = False) -> Generator[Backend]:
    """``TEST_DATABASE_URL`` names a server to use, as ``postgresql://user:pw@host/{}``.

    Otherwise one is started: see :func:`running_cluster`.
    """
    with ExitStack() as stack:
        server_url = os.environ.get("TEST_DATABASE_URL")
        if server_url is None:
            server_url = stack.enter_context(running_cluster(durable=durable)).url("{}")
        elif "{}" not in server_url:
            pytest.exit("TEST_DATABASE_URL takes {} in the place of the database's name")
        yield Postgresql(server_url)
