"""The fixtures, for pytest: it finds them where the package is installed.

Every test run of that environment imports this module, so it imports the server where one is asked
for.
"""

import gc
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from app.testing import AuthorizationServer


@pytest.fixture(scope="session")
def latchkey_settings() -> Mapping[str, Any]:
    """Settings of the server, such as ``{"access_token_ttl": 60}``, for a project to override."""
    return {}


@pytest.fixture(scope="session")
def latchkey_server(
    latchkey_settings: Mapping[str, Any], pytestconfig: pytest.Config
) -> Generator["AuthorizationServer"]:
    """One server for all tests, to configure an application with its address once."""
    with ExitStack() as stack:
        gc.disable()  # of what is imported and built, nothing is garbage: looking takes a quarter
        try:
            from app.testing import AuthorizationServer

            running = AuthorizationServer.running(latchkey_settings, kept_in=_kept_in(pytestconfig))
            server = stack.enter_context(running)
        finally:
            gc.enable()
        yield server


def _kept_in(config: pytest.Config) -> Path | None:
    """The folder of pytest's cache, unless it is switched off."""
    cache: pytest.Cache | None = getattr(config, "cache", None)
    return cache.mkdir("latchkey") if cache else None


@pytest.fixture
def latchkey(latchkey_server: "AuthorizationServer") -> "AuthorizationServer":
    """The same server, as if it had just been started."""
    latchkey_server.reset()
    return latchkey_server
