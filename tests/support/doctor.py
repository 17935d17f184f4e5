"""``latchkey doctor`` on a database of its own."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import cli
from app.clock import Clock
from app.server import Server
from tests.conftest import make_settings
from tests.support.databases import Backend
from tests.support.processes import production

STRONG = {"password_hash_memory_kib": "19456", "password_hash_time": "2"}

EXPECTED = frozenset({"sqlite", "no-administrator", "forwarded-loopback"})
"""What is open in every empty deployment on SQLite."""


class Doctor:
    """Examines one database, in a folder without a .env file."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, base: Any = production, **settings: str) -> Result:
        """``settings`` are named without the prefix; the hash is as strong as the default."""
        named = {"LATCHKEY_" + name.upper(): value for name, value in (STRONG | settings).items()}
        return CliRunner().invoke(cli, ["doctor", *arguments], env={**base(self.url), **named})

    def finds(self, base: Any = production, **settings: str) -> dict[str, str]:
        """The severity of each check that found something but in every empty deployment."""
        result = self("--json", base=base, **settings)
        report = json.loads(result.stdout)
        found = {each["check"]: each["severity"] for each in report["findings"]}
        assert result.exit_code == (1 if "unsafe" in found.values() else 0)
        return {check: severity for check, severity in found.items() if check not in EXPECTED}

    def sentence(self, check: str, **settings: str) -> str:
        """What was found, in words."""
        report = json.loads(self("--json", **settings).stdout)
        (found,) = (each["found"] for each in report["findings"] if each["check"] == check)
        assert isinstance(found, str)
        return found

    def prepare(self, work: Callable[[Server], Awaitable[object]], **settings: Any) -> None:
        """Change the database."""

        async def main() -> None:
            server = Server(make_settings(database_url=self.url, **settings), Clock())
            try:
                await work(server)
            finally:
                await server.close()

        asyncio.run(main())


@pytest.fixture
def doctor(sqlite: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Doctor]:
    monkeypatch.chdir(tmp_path)
    url = sqlite.migrated()
    yield Doctor(url)
    sqlite.drop(url)
