"""For modules whose subject is not the database: one kind is enough, and one for all tests."""

from collections.abc import Generator

import pytest

from app.settings import Settings
from tests.conftest import make_settings
from tests.support.databases import Backend


@pytest.fixture(scope="module")
def settings(sqlite: Backend) -> Generator[Settings]:
    url = sqlite.migrated()
    yield make_settings(database_url=url)
    sqlite.drop(url)
