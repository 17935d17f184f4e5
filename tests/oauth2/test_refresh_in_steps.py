"""The tests of the refresh token grant again, on PostgreSQL, with every token by itself."""

import pytest

from app.tokens import refreshes
from tests.oauth2.test_refresh import *  # noqa: F403 - its tests and their fixtures
from tests.oauth2.test_refresh import _sample
from tests.support.databases import Backend

__all__ = ["_sample"]

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")


@pytest.fixture(autouse=True)
def _by_itself(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshes, "TOGETHER", False)
