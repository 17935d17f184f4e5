"""A real server: its own process, its own port, reached through a socket.

Seeding and serving are apart, so that two servers can be started on one database.
"""

import os
import signal
import socket
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from app.features import load_features
from app.operations.demo import demo_clients
from tests.support.forked import Forked, fork_server

ROOT = Path(__file__).parents[2]

START_TIMEOUT = 90
COMMAND_TIMEOUT = 60
"""Seconds. A command may run while servers are kept busy."""

CHEAP_DEVELOPMENT = {
    "LATCHKEY_ENVIRONMENT": "development",
    "LATCHKEY_PASSWORD_HASH_MEMORY_KIB": "8",
    "LATCHKEY_PASSWORD_HASH_TIME": "1",
    "LATCHKEY_ACCESS_TOKEN_ALG": "ES256",
    "LATCHKEY_LOGIN_MAX_FAILURES": "0",
    "LATCHKEY_LOGIN_MAX_FAILURES_PER_ADDRESS": "0",
}


def _environment(database_url: str, extra: Mapping[str, str]) -> dict[str, str]:
    server = {
        "LATCHKEY_DATABASE_URL": database_url,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **CHEAP_DEVELOPMENT, **server, **extra}


def latchkey(
    database_url: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> str:
    """What an operator's command prints when it succeeds."""
    with tempfile.TemporaryDirectory() as folder:  # without anybody's .env
        settings = _environment(database_url, environment or {})
        finished = fork_server(settings).run(
            *("app", *arguments),
            environment=settings,
            folder=Path(folder),
            timeout=COMMAND_TIMEOUT,
        )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def default_scope(client_id: str) -> str:
    """What a client of the demo data is granted if it asks for nothing."""
    clients = {client.client_id: client for client in demo_clients(load_features())}
    return " ".join(sorted(clients[client_id].default_scopes))


def seed_demo(database_url: str) -> None:
    """Load the demo data into a migrated database."""
    latchkey(database_url, "seed-demo")


class LiveServer:
    """A server that can be killed, and started again at the same address."""

    def __init__(
        self,
        database_url: str,
        environment: Mapping[str, str],
        folder: Path,
        workers: int = 1,
        host: str = "127.0.0.1",
        module: str = "app",
    ) -> None:
        """Nothing is started yet."""
        self._module = module
        self._workers = workers
        self.port = free_port()
        self.url = f"http://{host}:{self.port}"
        named = {} if host == "127.0.0.1" else {"LATCHKEY_ISSUER": self.url}
        self._environment = _environment(database_url, {**named, **environment})
        self._folder = folder
        self._log = folder / "log"
        self._process: Forked | None = None

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        """Of the process that was started, which may have others."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when it answers."""
        arguments = ["serve", "--port", str(self.port), "--workers", str(self._workers)]
        with open(os.devnull, "rb") as nothing, self._log.open("ab") as log:
            self._process = fork_server(self._environment).start(
                *(self._module, *arguments),
                environment=self._environment,
                folder=self._folder,
                streams=(nothing, log, log),
            )
        _wait_until_alive(self._process, self.url, self._log)

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end, and do not wait for that."""
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """``kill -9``: it has no time to finish anything."""
        assert self._process is not None
        self._process.kill()
        self._process = None

    def stop(self) -> None:
        """End it in an orderly way, if it runs."""
        if self._process is None:
            return
        self._process.stop()
        assert self._process.exitcode == 0, self._log.read_text()


@contextmanager
def live_server(
    database_url: str,
    environment: Mapping[str, str] | None = None,
    workers: int = 1,
    host: str = "127.0.0.1",
    module: str = "app",
) -> Generator[LiveServer]:
    """A started server on a migrated database, at a free port of the loopback address.

    ``environment`` adds settings. The issuer is the base URL unless it says otherwise; ``host`` is
    what the loopback address is called in it, and ``module`` what Python is told to run.
    """
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(database_url, environment or {}, Path(folder), workers, host, module)
        try:
            server.start()
            yield server
        except BaseException:
            with suppress(AssertionError):
                server.stop()
            raise
        server.stop()


@contextmanager
def serving(database_url: str, environment: Mapping[str, str] | None = None) -> Generator[str]:
    """Serve as :func:`live_server` does. Yields the base URL."""
    with live_server(database_url, environment) as server:
        yield server.url


@contextmanager
def serving_twice(
    database_url: str, environment: Mapping[str, str] | None = None
) -> Generator[tuple[str, str]]:
    """Two servers on one migrated database and with one issuer. Yields their base URLs.

    ``environment`` adds settings of both.
    """
    settings = environment or {}
    with (
        serving(database_url, settings) as first,
        serving(database_url, {**settings, "LATCHKEY_ISSUER": first}) as second,
    ):
        yield first, second


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_alive(process: Forked, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with httpx2.Client(trust_env=False, timeout=1) as client:
        while time.monotonic() < deadline:
            assert process.exitcode is None, f"the server ended:\n{log.read_text()}"
            try:
                if client.get(f"{url}/healthz").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.02)
    raise AssertionError(f"the server did not answer in {START_TIMEOUT} s:\n{log.read_text()}")
