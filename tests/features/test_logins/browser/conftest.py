"""A server whose limits are on, unlike those of other tests with a browser."""

from collections.abc import Generator

import pytest

from tests.support.browsers import browser, chromium, live_database_url
from tests.support.live_server import serving

__all__ = ["browser", "chromium", "live_database_url"]


@pytest.fixture(scope="package")
def live(live_database_url: str) -> Generator[str]:
    with serving(live_database_url, {"LATCHKEY_LOGIN_MAX_FAILURES": "10"}) as url:
        yield url
