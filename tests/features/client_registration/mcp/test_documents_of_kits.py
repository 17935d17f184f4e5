"""Kits that are known by a document: the whole way with a URL as client id.

With ``EVERY_PAIR=1`` in the environment, each kit goes it.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.features.client_registration.mcp.conftest import (
    EXAMPLES,
    KITS,
    SCOPE,
    USERNAME,
    Servers,
    World,
    command,
    line_after,
    needs,
    program,
    wait_for,
)
from tests.features.client_registration.mcp.test_kits import log_in
from tests.support.certificates import make_certificate
from tests.support.databases import Backend
from tests.support.live_server import CHEAP_DEVELOPMENT, ROOT, free_port, latchkey

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def document(certificate: Path) -> Generator[str]:
    """The URL of a document, which is there."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {
                    "client_id": url,
                    "client_name": "Notebook",
                    "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
                    "grant_types": ["authorization_code", "refresh_token"],
                    "token_endpoint_auth_method": "none",
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    url = f"https://127.0.0.1:{site.server_port}/client.json"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    yield url
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture(scope="module")
def reader(chromium: str, sqlite: Backend, certificate: Path) -> Generator[World]:
    """A server that reads documents on this machine, and lets nobody register."""
    url = sqlite.migrated()
    latchkey(url, "scopes", "create", SCOPE, "--description", "Use the tools")
    scopes = [part for name in ("openid", "profile", SCOPE) for part in ("--scope", name)]
    made = json.loads(latchkey(url, "users", "create", USERNAME, *scopes, "--json"))
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    environment = {
        **CHEAP_DEVELOPMENT,
        "LATCHKEY_DATABASE_URL": url,
        "LATCHKEY_ISSUER": issuer,
        "LATCHKEY_CLIENT_ID_METADATA": "true",
        "SSL_CERT_FILE": str(certificate),
    }
    module = "tests.features.client_registration.mcp.near_documents"
    with program([sys.executable, "-m", module, str(port)], ROOT, environment) as (process, lines):
        wait_for(f"{issuer}/healthz", 200, process, lines)
        yield World(issuer, url, made["password"])
    sqlite.drop(url)


CLIENTS = KITS if "EVERY_PAIR" in os.environ else ("mcp_python",)


@pytest.mark.parametrize(
    "client", [pytest.param(client, marks=needs(client, "mcp_python")) for client in CLIENTS]
)
def test_a_kit_with_a_url_as_its_id_goes_the_whole_way(
    reader: World, document: str, browser: Browser, client: str
) -> None:
    arguments = command(client, "client")
    with ExitStack() as stack:
        resource = Servers(reader, stack).resource("mcp_python")
        page = stack.enter_context(browser.new_context()).new_page()
        environment = {"RESOURCE": resource, "CLIENT_ID": document}
        running = program(arguments, EXAMPLES / client, environment)
        process, lines = stack.enter_context(running)
        address = line_after(lines, "Open")
        log_in(page, address, reader, resource, warning=f"It says what it is at {document}")
        first, second = line_after(lines, "It says"), line_after(lines, "It says")
        assert line_after(lines, "Refreshed") == "True"
        assert process.wait(30) == 0
    assert first == second
    known = json.loads(latchkey(reader.database, "clients", "show", document, "--json"))
    assert known["name"] == "Notebook"
