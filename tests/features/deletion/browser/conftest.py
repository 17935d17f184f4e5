"""A server that lets its users delete their accounts."""

from collections.abc import Generator

import pytest

from tests.support.browsers import browser, chromium
from tests.support.databases import Backend
from tests.support.live_server import serving

__all__ = ["browser", "chromium"]


@pytest.fixture(scope="package")
def live(chromium: str, sqlite: Backend) -> Generator[str]:
    """With the demo data."""
    with serving(sqlite.seeded(), {"LATCHKEY_ACCOUNT_DELETION": "on"}) as base:
        yield base
