"""Several workers of one instance: what one of them meets is not the end of the others."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from app.database.engines import Database
from app.security.encryption import Encryption
from app.tokens.key_rotation import renew_encryption
from tests.support.databases import Backend
from tests.support.live_server import LiveServer, live_server
from tests.support.live_tokens import ALICE, CLIENT

OLD, NEW = "the-old-secret-of-this-deployment", "the-new-secret-of-this-deployment"
LONG = 60
"""Seconds: a worker takes its time to start where the machine is busy."""

LOGIN = {"grant_type": "password", **ALICE, **CLIENT}


@pytest.fixture
def url(sqlite: Backend) -> Generator[str]:
    made = sqlite.seeded()
    yield made
    sqlite.drop(made)


@pytest.fixture
def server(url: str) -> Generator[LiveServer]:
    with live_server(url, {"LATCHKEY_SECRET_KEY": OLD}, workers=2) as started:
        deadline = time.monotonic() + LONG
        while started.log.count("Application startup complete") < 2:
            assert time.monotonic() < deadline, started.log
            time.sleep(0.05)
        yield started


def workers_of(server: LiveServer, count: int) -> set[int]:
    """The processes of the workers, once so many are there."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        started = re.findall(r"Started server process \[(\d+)\]", server.log)
        found = {int(pid) for pid in started if Path(f"/proc/{pid}").exists()}
        if len(found) == count:
            return found
        time.sleep(0.05)
    raise AssertionError(server.log)


def ask(server: LiveServer, path: str, **form: str) -> httpx2.Response:
    """One request on a connection of its own, so that either worker may answer it."""
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=LONG) as http:
        return http.post(path, data=form) if form else http.get(path)


def wait_for(server: LiveServer, *wanted: str) -> None:
    """Wait until workers with each of these states have answered."""
    missing, deadline = set(wanted), time.monotonic() + LONG
    while missing and time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            missing.discard(ask(server, "/readyz").json()["status"])
    assert not missing, server.log


async def reencrypt(url: str) -> None:
    database = Database(url)
    await renew_encryption(database, Encryption([NEW, OLD]), [])
    await database.close()


def test_a_worker_that_cannot_start_waits_while_the_other_serves_on(
    server: LiveServer, url: str
) -> None:
    """Another instance knows the new secret already; then a worker of this one is killed."""
    ask(server, "/token", **LOGIN)
    first, second = workers_of(server, 2)
    asyncio.run(reencrypt(url))
    os.kill(first, signal.SIGKILL)
    wait_for(server, "starting", "ready")
    assert second in workers_of(server, 2)
    answers = [ask(server, "/token", **LOGIN) for _ in range(16)]
    assert {answer.status_code for answer in answers} == {200, 503}
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json()["error"] == "temporarily_unavailable"
    assert refused.headers["retry-after"] == "2"


def test_workers_end_with_a_supervisor_that_is_killed(server: LiveServer) -> None:
    workers = workers_of(server, 2)
    server.kill()
    deadline = time.monotonic() + LONG
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.start()  # at the same port


def test_whoever_connects_while_the_server_ends_is_answered_or_refused(server: LiveServer) -> None:
    outcomes = []
    server.terminate()
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=LONG)
        except ConnectionRefusedError:
            break
        with connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            outcomes.append(connection.recv(15))
    assert set(outcomes) <= {b"HTTP/1.1 200 OK"}
    assert outcomes


def test_workers_are_replaced_one_after_the_other_on_sighup(server: LiveServer) -> None:
    before = workers_of(server, 2)
    server.send(signal.SIGHUP)
    deadline = time.monotonic() + 2 * LONG
    while before & workers_of(server, 2) and time.monotonic() < deadline:
        with suppress(AssertionError):
            assert ask(server, "/healthz").status_code == 200
    assert not before & workers_of(server, 2), server.log
