"""Each kit as client and as resource server, the whole way.

A client is refused, finds this server, registers, logs a user in with Chromium, calls a tool,
refreshes and calls it again.

They are no development dependencies: ``pip install -r examples/mcp_python/requirements.txt
-r examples/mcp_fastmcp/requirements.txt``, and ``npm install`` in ``examples/mcp_typescript``.

Each kit is once a client and once a server. All nine pairs go with ``EVERY_PAIR=1`` in the
environment.
"""

from __future__ import annotations

import json
import os
from itertools import product
from typing import TYPE_CHECKING

import pytest

from tests.features.client_registration.mcp.conftest import (
    EXAMPLES,
    KITS,
    USERNAME,
    Servers,
    World,
    command,
    line_after,
    needs,
    program,
)
from tests.support.live_server import latchkey

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


UNCHECKED = "it registered itself, and nobody has checked its name"


def log_in(page: Page, address: str, world: World, resource: str, warning: str = UNCHECKED) -> None:
    """Log in and allow what the consent page shows, until the client has the answer."""
    page.goto(address)
    page.fill("input[name=username]", USERNAME)
    page.fill("input[name=password]", world.password)
    page.click("button.primary")
    page.wait_for_selector("h1:has-text('Allow')")
    text = page.inner_text("main")
    assert warning in text
    assert resource in text
    page.click("button[value=allow]")
    page.wait_for_url("http://*/callback?**")


EVERY_PAIR = list(product(KITS, KITS))
PAIRS = EVERY_PAIR if "EVERY_PAIR" in os.environ else [EVERY_PAIR[1], EVERY_PAIR[5], EVERY_PAIR[6]]


@pytest.mark.parametrize(
    ("client", "server"), [pytest.param(*pair, marks=needs(*pair)) for pair in PAIRS]
)
def test_a_kit_goes_the_whole_way_with_another(
    world: World, servers: Servers, browser: Browser, client: str, server: str
) -> None:
    arguments = command(client, "client")
    resource = servers.resource(server)
    page = browser.new_context().new_page()
    with program(arguments, EXAMPLES / client, {"RESOURCE": resource}) as (process, lines):
        log_in(page, line_after(lines, "Open"), world, resource)
        first, second = line_after(lines, "It says"), line_after(lines, "It says")
        assert line_after(lines, "Refreshed") == "True"
        assert process.wait(30) == 0
    page.context.close()
    assert first == second
    assert first == user_id(world)


def user_id(world: World) -> str:
    found = json.loads(latchkey(world.database, "users", "show", USERNAME, "--json"))
    return str(found["id"])
