"""A server with the demo data, in which alice sets up a second factor."""

from collections.abc import Generator

import pytest

from tests.support.browsers import browser, chromium
from tests.support.databases import Backend
from tests.support.live_server import serving

__all__ = ["browser", "chromium"]


@pytest.fixture(scope="package")
def live(chromium: str, sqlite: Backend) -> Generator[str]:
    """With the demo data."""
    with serving(sqlite.seeded(), {}) as base:
        yield base
