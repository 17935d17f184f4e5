"""A server where anybody may register, which sends its mail to a post office of the tests."""

from collections.abc import Generator

import pytest

from tests.features.mail.post_office import PostOffice, post_office
from tests.support.browsers import browser, chromium
from tests.support.databases import Backend
from tests.support.live_server import serving

__all__ = ["browser", "chromium"]


@pytest.fixture(scope="package")
def office() -> Generator[PostOffice]:
    with post_office() as office:
        yield office


@pytest.fixture(scope="package")
def live(chromium: str, sqlite: Backend, office: PostOffice) -> Generator[str]:
    """With the demo data, in which admin manages users."""
    settings = {
        "LATCHKEY_SMTP_URL": f"smtp://127.0.0.1:{office.port}",
        "LATCHKEY_MAIL_FROM": "no-reply@example.com",
        "LATCHKEY_REGISTRATION": "open",
    }
    with serving(sqlite.seeded(), settings) as base:
        yield base
