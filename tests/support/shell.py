"""The operator's command line on one database, in this process and outside an event loop."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from app.__main__ import cli
from app.audit.trail import RecordedEvent, list_events
from app.clock import Clock
from app.server import Server
from tests.conftest import make_settings
from tests.support.databases import Backend
from tests.support.processes import development
from tests.support.shared import Shared

Found = TypeVar("Found")


_APPLICATIONS = Shared()


class Shell:
    """Runs commands one after the other, in development unless its settings are changed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.settings = development(url)

    def __call__(self, *arguments: str, stdin: str | None = None, **settings: str) -> Result:
        """The result of one command; ``settings`` are named without the prefix."""
        named = {"LATCHKEY_" + name.upper(): value for name, value in settings.items()}
        return CliRunner().invoke(cli, list(arguments), input=stdin, env=self.settings | named)

    def json(self, *arguments: str, stdin: str | None = None, **settings: str) -> Any:
        """What a command that succeeds prints with ``--json``, and nothing else."""
        result = self(*arguments, "--json", stdin=stdin, **settings)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        assert result.stdout.count("\n") == 1
        return json.loads(result.stdout)

    def application(self, later: float = 0, **settings: Any) -> FastAPI:
        """What serves this database, ``later`` seconds from now. There is one at a time."""
        clock = _APPLICATIONS.fresh_clock()
        clock.advance(later)
        return _APPLICATIONS.fresh_app(make_settings(database_url=self.url, **settings), clock)

    def ask(self, work: Callable[[Server], Awaitable[Found]]) -> Found:
        """What ``work`` finds on a server of this database."""

        async def main() -> Found:
            server = Server(make_settings(database_url=self.url), Clock())
            try:
                return await work(server)
            finally:
                await server.close()

        return asyncio.run(main())

    def events(self, **filters: Any) -> Sequence[RecordedEvent]:
        """What the audit trail has, oldest first."""

        async def work(server: Server) -> Sequence[RecordedEvent]:
            async with server.database.read() as connection:
                return (await list_events(connection, limit=1000, **filters))[::-1]

        return self.ask(work)


def assert_line(result: Result, line: str) -> None:
    """Exit code 1, one line on stderr, and nothing on stdout."""
    assert (result.exit_code, result.stderr, result.stdout) == (1, f"latchkey: {line}\n", "")


@pytest.fixture
def no_dotenv_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For commands that run in this process: a folder without a .env file."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shell(sqlite: Backend, no_dotenv_file: None) -> Generator[Shell]:
    """The command line on a fresh SQLite database."""
    url = sqlite.migrated()
    yield Shell(url)
    sqlite.drop(url)
