"""For modules whose subject is not the database: one kind is enough.

Leave the other out only where some other module asks it the same statements.
"""

from collections.abc import Generator

import pytest

from app.settings import Settings
from tests.conftest import make_settings
from tests.support.databases import Backend


@pytest.fixture(scope="session")
def backend(sqlite: Backend) -> Backend:
    """A fresh database for each test, of one kind."""
    return sqlite


@pytest.fixture(scope="module")
def settings(sqlite: Backend) -> Generator[Settings]:
    """One database for all tests of a module."""
    url = sqlite.migrated()
    yield make_settings(database_url=url)
    sqlite.drop(url)
