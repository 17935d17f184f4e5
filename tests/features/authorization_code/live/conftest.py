"""What the tests with a live server ask for by name."""

from collections.abc import Generator

import pytest

from tests.support.databases import Backend
from tests.support.live_server import serving


@pytest.fixture(scope="module")
def live(sqlite: Backend) -> Generator[str]:
    """The base URL of a server with the demo data."""
    with serving(sqlite.seeded()) as url:
        yield url
