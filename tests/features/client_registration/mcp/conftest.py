"""Programs that speak the Model Context Protocol, which nobody here wrote, before a real server."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.support.browsers import FLAGS, chromium
from tests.support.databases import Backend
from tests.support.live_server import ROOT, START_TIMEOUT, free_port, latchkey, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["chromium"]

EXAMPLES = ROOT / "examples"

USERNAME = "nadia"
SCOPE = "mcp:tools"

KITS = ("mcp_python", "mcp_fastmcp", "mcp_typescript")

LIMIT = 60
"""Seconds that a program may take for a step."""


def needs(*kits: str) -> pytest.MarkDecorator:
    """Skips a test where one of the kits is not there, before anything is started for it."""
    missing = "; ".join(filter(None, map(_missing, dict.fromkeys(kits))))
    return pytest.mark.skipif(missing != "", reason=missing)


def _missing(kit: str) -> str:
    if kit == "mcp_typescript":
        if shutil.which("node") is None:
            return "node is missing: apt-get install nodejs"
        if not (EXAMPLES / kit / "node_modules" / "@modelcontextprotocol").exists():
            return "The TypeScript SDK is missing: npm install in examples/mcp_typescript"
        return ""
    module = {"mcp_python": "mcp", "mcp_fastmcp": "fastmcp"}[kit]
    if importlib.util.find_spec(module) is None:
        return f"{module} is missing: pip install -r examples/{kit}/requirements.txt"
    return ""


def command(kit: str, program: str) -> list[str]:
    """How an example is run."""
    if kit == "mcp_typescript":
        return ["node", f"{program}.js"]
    return [sys.executable, f"{program}.py"]


@contextmanager
def program(
    arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> Generator[tuple[subprocess.Popen[str], Queue[str]]]:
    """A program that runs, and the lines that it prints."""
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env={**os.environ, "BROWSER": "true", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: Queue[str] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        process.terminate()
        process.wait(LIMIT)
        reader.join(LIMIT)
        if process.stdout is not None:
            process.stdout.close()


def line_after(lines: Queue[str], beginning: str) -> str:
    """What a program prints behind ``beginning``."""
    seen: list[str] = []
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if lines.empty():
            time.sleep(0.02)
            continue
        line = lines.get()
        if line.startswith(beginning + " "):
            return line.removeprefix(beginning + " ")
        seen.append(line)
    raise AssertionError("\n".join(seen))


@dataclass(frozen=True)
class World:
    """A server that clients register at by themselves, and a user of it."""

    issuer: str
    database: str
    password: str


@pytest.fixture(scope="package")
def world(chromium: str, sqlite: Backend) -> Generator[World]:
    url = sqlite.migrated()
    latchkey(url, "scopes", "create", SCOPE, "--description", "Use the tools")
    scopes = [part for name in ("openid", "profile", SCOPE) for part in ("--scope", name)]
    made = json.loads(latchkey(url, "users", "create", USERNAME, *scopes, "--json"))
    with serving(url, {"LATCHKEY_CLIENT_REGISTRATION": "open"}) as issuer:
        yield World(issuer, url, made["password"])
    sqlite.drop(url)


class Servers:
    """MCP servers, each with the resource that it is, started when they are asked for."""

    def __init__(self, world: World, stack: ExitStack) -> None:
        self._world = world
        self._stack = stack
        self._started: dict[str, str] = {}

    def resource(self, kit: str) -> str:
        """The URL of a server, which runs."""
        if kit not in self._started:
            arguments = command(kit, "server")
            url = f"http://127.0.0.1:{free_port()}/mcp"
            options = ("--name", f"Notes of {kit}", "--scope", SCOPE, "--self-registered")
            latchkey(self._world.database, "resources", "create", url, *options)
            environment = {"ISSUER": self._world.issuer, "RESOURCE": url}
            running = program(arguments, EXAMPLES / kit, environment)
            process, lines = self._stack.enter_context(running)
            wait_for(url, 401, process, lines)
            self._started[kit] = url
        return self._started[kit]


def wait_for(url: str, status: int, process: subprocess.Popen[str], lines: Queue[str]) -> None:
    """Return when a program that has been started answers so to whoever has no token."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(url, trust_env=False, timeout=5).status_code == status:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError("\n".join(lines.queue))


@pytest.fixture(scope="package")
def servers(world: World) -> Generator[Servers]:
    with ExitStack() as stack:
        yield Servers(world, stack)


@pytest.fixture(scope="package")
def browser(chromium: str, world: World) -> Generator[Browser]:
    """Started after the server, whose migrations need an event loop of their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
