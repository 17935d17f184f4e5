"""A server that sends its mail to a post office of the tests."""

from collections.abc import Generator

import pytest

from tests.features.mail.delivered import mail_through, office
from tests.features.mail.post_office import PostOffice
from tests.support.browsers import browser, chromium
from tests.support.databases import Backend
from tests.support.live_server import serving

__all__ = ["browser", "chromium", "office"]


@pytest.fixture(scope="package")
def live(chromium: str, sqlite: Backend, office: PostOffice) -> Generator[str]:
    """With the demo data, in which alice has a verified address."""
    with serving(sqlite.seeded(), mail_through(office)) as base:
        yield base
