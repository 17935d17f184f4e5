"""The operator's command line on one database, in this process and outside an event loop."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from typer.testing import CliRunner, Result

from app.__main__ import cli
from app.audit.trail import RecordedEvent, list_events
from app.clock import Clock
from app.server import Server
from tests.commands import development
from tests.conftest import make_settings


class Shell:
    """Runs commands one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(cli, list(arguments), input=stdin, env=development(self.url))

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        """What a command that succeeds prints with ``--json``, and nothing else."""
        result = self(*arguments, "--json", stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        assert result.stdout.count("\n") == 1
        return json.loads(result.stdout)

    def events(self, **filters: Any) -> Sequence[RecordedEvent]:
        """What the audit trail has, oldest first."""

        async def main() -> Sequence[RecordedEvent]:
            server = Server(make_settings(database_url=self.url), Clock())
            try:
                async with server.database.read() as connection:
                    return (await list_events(connection, limit=1000, **filters))[::-1]
            finally:
                await server.close()

        return asyncio.run(main())


def assert_line(result: Result, line: str) -> None:
    """Exit code 1, one line on stderr, and nothing on stdout."""
    assert (result.exit_code, result.stderr, result.stdout) == (1, f"latchkey: {line}\n", "")
