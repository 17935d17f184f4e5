"""Programs that read who the user is from the ID token alone: Auth.js, and Authlib in Streamlit."""

import json
import subprocess
from collections.abc import Generator
from typing import Any

import pytest

from tests.features.authorization_code.live.test_openid_clients import (
    CALLBACK,
    Person,
    Shop,
    StarletteLogin,
)
from tests.support.databases import Backend
from tests.support.live_server import latchkey, serving
from tests.support.node import FOLDER, needs_node

ORIGIN = "https://shop.example.com"
OF_AUTH_JS = f"{ORIGIN}/auth/callback/latchkey"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def shop(sqlite: Backend) -> Generator[Shop]:
    """A client as docs/clients.md has it, at a server that runs."""
    database_url = sqlite.seeded()
    shown = latchkey(
        database_url,
        *("clients", "create", "Shop", "--id-token-claims", "--json"),
        *("--grant", "authorization_code", "--grant", "refresh_token"),
        *("--redirect-uri", CALLBACK, "--redirect-uri", OF_AUTH_JS),
        *("--scope", "openid", "--scope", "profile", "--scope", "email"),
    )
    latchkey(
        database_url,
        *("users", "update", "alice", "--name", "Alice Liddell"),
        *("--picture", "https://wonderland.example/alice.png"),
    )
    client = json.loads(shown)
    with serving(database_url) as url:
        yield Shop(url, client["client_id"], client["client_secret"])


@pytest.fixture
def person(shop: Shop) -> Generator[Person]:
    person = Person(shop.issuer)
    yield person
    person.close()


async def test_authlib_as_streamlit_uses_it_sees_name_and_address(
    shop: Shop, person: Person
) -> None:
    token = await StarletteLogin(shop, person).log_in()
    user = token["userinfo"]  # all that Streamlit keeps, as st.user
    assert (user["name"], user["email"]) == ("Alice Liddell", "alice@example.com")
    assert user["email_verified"] is True


def test_auth_js_sees_name_address_and_picture(shop: Shop, person: Person) -> None:
    needs_node("@auth/core")
    with subprocess.Popen(
        ["node", "auth_core.mjs", shop.issuer, shop.client_id, shop.secret, ORIGIN],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        answered = person.visit(program.stdout.readline().strip())
        assert answered.startswith(f"{OF_AUTH_JS}?")
        told, _ = program.communicate(answered + "\n", timeout=60)
    answer: dict[str, Any] = json.loads(told)
    assert (answer["status"], answer["location"]) == (302, ORIGIN)
    assert answer["session"]["user"] == {
        "name": "Alice Liddell",
        "email": "alice@example.com",
        "image": "https://wonderland.example/alice.png",
    }
