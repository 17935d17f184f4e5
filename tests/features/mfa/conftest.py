"""What the tests of the second factor ask for by name."""

import pytest

from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mfa.phones import Phone, give_phone
from tests.support.clock import TestClock
from tests.support.factories import TestUser


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
async def phone(server: Server, clock: TestClock, alice: TestUser) -> Phone:
    """Of alice."""
    return await give_phone(server, clock, alice)
