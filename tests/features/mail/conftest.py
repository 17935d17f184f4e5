"""Servers whose mail goes to a post office of the tests."""

from collections.abc import AsyncGenerator, Generator

import pytest

from app.features import load_features
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mail.post_office import PostOffice, post_office
from tests.support.clock import TestClock

SENDER = "Latchkey <no-reply@example.com>"


@pytest.fixture(scope="module")
def _post_office() -> Generator[PostOffice]:
    with post_office() as office:
        yield office


@pytest.fixture
def office(_post_office: PostOffice) -> PostOffice:
    """A mail server without TLS, which has got nothing yet."""
    _post_office.forget()
    return _post_office


@pytest.fixture
def with_office(database_url: str, office: PostOffice) -> Settings:
    """Settings with that mail server."""
    return make_settings(
        database_url=database_url,
        smtp_url=f"smtp://127.0.0.1:{office.port}",
        mail_from=SENDER,
    )


@pytest.fixture
async def sending_server(with_office: Settings, clock: TestClock) -> AsyncGenerator[Server]:
    """A server that sends nothing by itself."""
    server = Server(with_office, clock, load_features())
    yield server
    await server.close()
