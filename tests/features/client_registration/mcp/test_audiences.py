"""An API with django-oauth-toolkit beside an MCP server, each with an audience of its own.

The toolkit asks at ``/introspect``; the MCP server checks signatures itself. It is no development
dependency either: ``pip install -r examples/django_oauth_toolkit/requirements.txt``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from tests.features.client_registration.mcp.conftest import (
    EXAMPLES,
    LIMIT,
    SCOPE,
    USERNAME,
    Servers,
    World,
    needs,
    program,
)
from tests.support.live_server import free_port, latchkey


@pytest.fixture
def orders(world: World, tmp_path: Path) -> Generator[str]:
    """The URL of the API, which is a resource that the client ``orders-api`` serves."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/orders"
    serving = ("--client-id", "orders-api", "--introspect", "any")
    made = json.loads(latchkey(world.database, "clients", "create", "Orders", *serving, "--json"))
    options = ("--scope", SCOPE, "--server", "orders-api")
    latchkey(world.database, "resources", "create", url, *options)
    environment = {
        "ISSUER": world.issuer,
        "CLIENT_SECRET": made["client_secret"],
        "SCOPE": SCOPE,
        "PORT": str(port),
        "STORE": str(tmp_path / "django.db"),
    }
    folder = EXAMPLES / "django_oauth_toolkit"
    with program([sys.executable, "api.py"], folder, environment) as (process, lines):
        deadline = time.monotonic() + LIMIT
        while True:
            assert process.poll() is None, "\n".join(lines.queue)
            assert time.monotonic() < deadline, "\n".join(lines.queue)
            try:
                httpx2.get(url, trust_env=False)
                break
            except httpx2.TransportError:
                time.sleep(0.05)
        yield url


@needs("mcp_python")
@pytest.mark.skipif(
    importlib.util.find_spec("oauth2_provider") is None,
    reason="The toolkit is missing: pip install -r examples/django_oauth_toolkit/requirements.txt",
)
def test_each_takes_the_tokens_for_it_and_refuses_those_for_the_other(
    world: World, servers: Servers, orders: str
) -> None:
    notes = servers.resource("mcp_python")
    grants = ("--public", "--client-id", "shop", "--grant", "password", "--default-scope", SCOPE)
    latchkey(world.database, "clients", "create", "Shop", *grants)
    for resource in (orders, notes):
        latchkey(world.database, "resources", "update", resource, "--client", "shop")
    time.sleep(2)  # a worker may know clients and resources as of a moment ago

    def ask(url: str, resource: str) -> int:
        form = {"grant_type": "password", "client_id": "shop", "resource": resource}
        form |= {"username": USERNAME, "password": world.password}
        answer = httpx2.post(f"{world.issuer}/token", data=form, trust_env=False)
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        if url == orders:
            return httpx2.get(url, headers=headers, trust_env=False).status_code
        return httpx2.post(url, json={}, headers=headers, trust_env=False).status_code

    assert (ask(orders, orders), ask(orders, notes), ask(orders, world.issuer)) == (200, 403, 403)
    assert ask(notes, notes) not in (401, 403)
    assert (ask(notes, orders), ask(notes, world.issuer)) == (401, 401)
