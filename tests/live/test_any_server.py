"""``app.main:app`` under the servers that people have, as docs/serving.md starts them.

What protects the server is in the application, and not in ``latchkey serve``.
"""

import os
import re
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.support.databases import Backend
from tests.support.forked import OURS, Forked
from tests.support.live_server import CHEAP_DEVELOPMENT, ROOT, free_port
from tests.support.live_tokens import ALICE, CLIENT
from tests.support.processes import production

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

SERVING = (ROOT / "docs/serving.md").read_text()
COMMANDS = re.findall(r"^((?:uvicorn|gunicorn|hypercorn|granian) .+)$", SERVING, re.MULTILINE)
ALONE = [command.replace(" 4", " 1") for command in COMMANDS]
"""With one worker, which does the same in less time."""

START_TIMEOUT = 120
"""Seconds: some of these take their time."""

REFUSAL = "latchkey: the demo data is in the database: its passwords are public. Delete it"


def start(command: str, port: int, settings: dict[str, str], log: Path) -> Forked:
    """Start what the document says, here at a port of its own."""
    program, *arguments = command.replace("8000", str(port)).split()
    module = {"latchkey": "app"}.get(program, program)
    with open(os.devnull, "rb") as nothing, log.open("wb") as output:
        return OURS.start(
            *(module, *arguments),
            environment={**os.environ, "PYTHONPATH": str(ROOT), **settings},
            folder=log.parent,
            streams=(nothing, output, output),
        )


def test_the_document_has_a_command_for_each_server(backend: Backend) -> None:
    programs = [command.split()[0] for command in COMMANDS]
    assert programs == ["uvicorn", "gunicorn", "hypercorn", "granian"]


@pytest.mark.parametrize("command", ALONE, ids=lambda command: command.split()[0])
def test_a_server_serves(backend: Backend, command: str, tmp_path: Path) -> None:
    port = free_port()
    settings = CHEAP_DEVELOPMENT | {"LATCHKEY_DATABASE_URL": backend.seeded()}
    process = start(command, port, settings, tmp_path / "log")
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            wait_until_ready(http, process, tmp_path / "log")
            answer = http.post("/token", data={"grant_type": "password", **ALICE, **CLIENT})
            assert answer.status_code == 200, answer.text
            page = http.get("/docs")
            assert "form-action" in page.headers["content-security-policy"]
    finally:
        process.stop(20)
    log = (tmp_path / "log").read_text()
    assert "request" in log
    assert "/token" in log  # the access log is this server's own, whoever serves
    assert "Traceback" not in log


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[0])
def test_no_server_serves_demo_data_in_production(
    backend: Backend, command: str, tmp_path: Path
) -> None:
    settings = production(backend.seeded())
    process = start(command, free_port(), settings, tmp_path / "log")
    try:
        code = process.wait(START_TIMEOUT)
        assert code is not None
        # Theirs is what ends last, and it does not tell whether a worker could start.
        assert (code == 0) == command.startswith(("uvicorn", "hypercorn"))
    finally:
        process.kill()
    assert REFUSAL in (tmp_path / "log").read_text()


def test_a_wrong_setting_stops_any_server_in_one_line(backend: Backend, tmp_path: Path) -> None:
    settings = production(backend.migrated()) | {"LATCHKEY_ISSUER": "http://example.com"}
    process = start(ALONE[0], free_port(), settings, tmp_path / "log")
    assert process.wait(START_TIMEOUT) != 0
    log = (tmp_path / "log").read_text()
    assert "latchkey: LATCHKEY_ISSUER must be a URL that begins with https://" in log
    assert "Traceback" not in log


def test_the_server_listens_on_a_unix_socket_and_under_a_prefix(
    backend: Backend, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    settings = CHEAP_DEVELOPMENT | {"LATCHKEY_DATABASE_URL": backend.migrated()}
    process = start(f"latchkey serve --uds {path} --root-path /auth", 0, settings, tmp_path / "log")
    try:
        wait_until_it_listens(path, tmp_path / "log")
        transport = httpx2.HTTPTransport(uds=str(path))
        with httpx2.Client(base_url="http://a", transport=transport) as http:
            proxied = {"X-Forwarded-For": "203.0.113.9"}
            with_prefix = http.get("/auth/.well-known/jwks.json", headers=proxied)
            assert (with_prefix.status_code, http.get("/healthz").status_code) == (200, 200)
    finally:
        process.stop(40)
    assert process.exitcode == 0
    assert not path.exists()
    assert "address=203.0.113.9" in (tmp_path / "log").read_text()


def wait_until_it_listens(path: Path, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(path))
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def wait_until_ready(http: httpx2.Client, process: Forked, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        assert process.exitcode is None, log.read_text()
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
