"""Counting the password hashes that a server works out."""

from dataclasses import dataclass

import pytest

from app.server import Server


@dataclass
class Hashes:
    count: int = 0


def count_hashes(server: Server, monkeypatch: pytest.MonkeyPatch) -> Hashes:
    """Counts from now on; what the threads of the hasher run is one hash each."""
    hashes = Hashes()
    run = server.passwords._run

    async def counted(*arguments: object) -> object:
        hashes.count += 1
        return await run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(server.passwords, "_run", counted)
    return hashes
