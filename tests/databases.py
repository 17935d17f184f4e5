"""Fresh, migrated databases: one for each test, copied from one that was migrated once."""

import asyncio
import os
import shutil
import uuid
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from app.schema import upgrade
from tests.postgresql import running_cluster

TEMPLATE = "latchkey_template"


class Backend(Protocol):
    """A kind of database that makes fresh ones."""

    def empty(self) -> str:
        """The URL of a new database without tables."""

    def migrated(self) -> str:
        """The URL of a new database at the newest schema."""

    def drop(self, url: str) -> None:
        """Remove a database."""


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        upgrade(f"sqlite:///{self._template}")

    def empty(self) -> str:
        return f"sqlite:///{self._folder / uuid.uuid4().hex}.db"

    def migrated(self) -> str:
        url = self.empty()
        shutil.copyfile(self._template, url.removeprefix("sqlite:///"))
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
        return self._create(TEMPLATE)

    def drop(self, url: str) -> None:
        name = next(part for part in url.replace("?", "/").split("/") if part.startswith("test_"))
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def sqlite(folder: Path) -> Generator[Backend]:
    yield Sqlite(folder)


@contextmanager
def postgresql() -> Generator[Backend]:
    """``TEST_DATABASE_URL`` names a server to use, as ``postgresql://user:pw@host/{}``."""
    with ExitStack() as stack:
        server_url = os.environ.get("TEST_DATABASE_URL")
        if server_url is None:
            server_url = stack.enter_context(running_cluster()).url("{}")
        elif "{}" not in server_url:
            pytest.exit("TEST_DATABASE_URL takes {} in the place of the database's name")
        yield Postgresql(server_url)
