"""A server with what the examples need, and the examples as programs of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.support.browsers import FLAGS, chromium
from tests.support.databases import Backend
from tests.support.live_server import ROOT, START_TIMEOUT, latchkey, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["chromium"]

EXAMPLES = ROOT / "examples"

USERNAME = "nadia"
PASSWORD = "correct horse battery staple"
SECRET = "a-client-secret-that-only-the-tests-know"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="package")
def spa_port() -> int:
    """Where the single-page application is served, which its redirect URI says."""
    return free_port()


@pytest.fixture(scope="package")
def issuer(
    sqlite: Backend, spa_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    """The base URL of a server to which ``examples/latchkey.yaml`` was applied."""
    url = sqlite.migrated()
    declared = tmp_path_factory.mktemp("examples") / "latchkey.yaml"
    text = (EXAMPLES / "latchkey.yaml").read_text()
    declared.write_text(text.replace("127.0.0.1:9000", f"127.0.0.1:{spa_port}"))
    secrets = {"EXAMPLE_PASSWORD": PASSWORD, "EXAMPLE_SECRET": SECRET}
    latchkey(url, "apply", str(declared), environment=secrets)
    with serving(url) as base:
        yield base
    sqlite.drop(url)


Tokens = Callable[..., dict[str, str]]


@pytest.fixture(scope="package")
def log_in(issuer: str) -> Tokens:
    """Tokens of the user, for a scope."""

    def get(scope: str = "profile orders:read") -> dict[str, str]:
        form = {"grant_type": "password", "client_id": "example-script", "scope": scope}
        form |= {"username": USERNAME, "password": PASSWORD}
        response = httpx2.post(f"{issuer}/token", data=form, trust_env=False)
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens

    return get


@contextmanager
def running(
    command: list[str], *, port: int, folder: Path, environment: Mapping[str, str], log: Path
) -> Generator[str]:
    """A program that listens on a port of the loopback address. Yields its base URL."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_TIMEOUT)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def needs(program: str, package: str) -> str:
    """The path of a program; the test is skipped where there is none."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is missing: apt-get install {package}")
    return found


@pytest.fixture(scope="package")
def orders_api(issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The API that the examples of clients call."""
    port = free_port()
    command = python("-m", "uvicorn", "main:app", "--port", str(port))
    log = tmp_path_factory.mktemp("orders") / "log"
    with running(
        command,
        port=port,
        folder=EXAMPLES / "fastapi_jwks",
        environment={"ISSUER": issuer},
        log=log,
    ) as url:
        yield url


@pytest.fixture(scope="package")
def browser(chromium: str, issuer: str, orders_api: str) -> Generator[Browser]:
    """Started after the servers, whose migrations need an event loop of their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
