"""A server with a name that browsers make passkeys for."""

from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.browsers import browser, chromium
from tests.support.databases import Backend
from tests.support.live_server import live_server

__all__ = ["browser", "chromium"]


@pytest.fixture(scope="package")
def database_url(chromium: str, sqlite: Backend) -> str:
    """A database with the demo data."""
    return sqlite.seeded()


@pytest.fixture(scope="package")
def database(database_url: str) -> Path:
    """Its file."""
    return Path(str(make_url(database_url).database))


@pytest.fixture(scope="package")
def live(database_url: str) -> Generator[str]:
    with live_server(database_url, host="localhost") as server:
        yield server.url
