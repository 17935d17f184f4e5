"""The lines of docs/second-factor.md for client libraries, run against a server."""

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.features.mfa.apps import App
from tests.support.databases import Backend
from tests.support.live_server import serving

DOCUMENT = (Path(__file__).parents[3] / "docs" / "second-factor.md").read_text()

LOGIN = {"username": "alice", "password": "alice-in-wonderland"}
CLIENT = {"client_id": "demo-web", "secret": "demo-web-secret-for-development-only"}


@pytest.fixture(autouse=True)
def _loopback_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture(scope="module")
def live(sqlite: Backend) -> Generator[str]:
    with serving(sqlite.seeded(), {}) as base:
        yield base


@pytest.fixture(scope="module")
def app(live: str) -> App:
    """Of alice."""
    with httpx2.Client(base_url=live, trust_env=False) as http:
        form = {"grant_type": "password", "scope": "account", **LOGIN}
        token = http.post("/token", data=form | {"client_id": "first-party"}).json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        proof = {"current_password": LOGIN["password"]}
        made = http.post("/users/me/mfa/otp", json=proof, headers=headers).json()
        app = App(made["secret"])
        shown = {"otp": app.code()}
        http.post("/users/me/mfa/otp/confirm", json=shown, headers=headers).raise_for_status()
        return app


def function_of(library: str) -> Callable[..., Any]:
    """The one that the document writes down for a library."""
    (block,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
        if f"def log_in_with_{library}(" in block
    ]
    names: dict[str, Any] = {}
    exec(block, names)
    found: Callable[..., Any] = names[f"log_in_with_{library}"]
    return found


@pytest.mark.parametrize("library", ["requests_oauthlib", "authlib"])
def test_a_library_goes_on_with_a_code(live: str, app: App, library: str) -> None:
    log_in = function_of(library)
    with log_in(f"{live}/token", **CLIENT, **LOGIN, ask_for_code=app.code) as session:
        assert session.get(f"{live}/users/me").json()["username"] == "alice"
