"""A server that sends its mail to a post office of the tests."""

from collections.abc import Generator

import pytest

from tests.features.mail.post_office import PostOffice, post_office
from tests.support.browsers import browser, chromium
from tests.support.databases import Backend
from tests.support.live_server import latchkey, serving

__all__ = ["browser", "chromium"]


@pytest.fixture(scope="package")
def office() -> Generator[PostOffice]:
    with post_office() as office:
        yield office


@pytest.fixture(scope="package")
def live(chromium: str, sqlite: Backend, office: PostOffice) -> Generator[str]:
    """Where alice has an address that is verified."""
    url = sqlite.seeded()
    address = ("--email", "alice@example.com", "--email-verified")
    latchkey(url, "users", "update", "alice", *address)
    mail = {
        "LATCHKEY_SMTP_URL": f"smtp://127.0.0.1:{office.port}",
        "LATCHKEY_MAIL_FROM": "no-reply@example.com",
    }
    with serving(url, mail) as base:
        yield base
