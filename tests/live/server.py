"""A real server: its own process, its own port, reached through a socket.

Seeding and serving are apart, so that two servers can be started on one database.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[2]

START_TIMEOUT = 20
STOP_TIMEOUT = 20
"""Seconds."""

CHEAP_DEVELOPMENT = {
    "LATCHKEY_ENVIRONMENT": "development",
    "LATCHKEY_PASSWORD_HASH_MEMORY_KIB": "8",
    "LATCHKEY_PASSWORD_HASH_TIME": "1",
}


def _environment(database_url: str, extra: Mapping[str, str]) -> dict[str, str]:
    server = {
        "LATCHKEY_DATABASE_URL": database_url,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **CHEAP_DEVELOPMENT, **server, **extra}


def seed_demo(database_url: str) -> None:
    """Load the demo data into a migrated database."""
    with tempfile.TemporaryDirectory() as folder:  # without anybody's .env
        seeding = subprocess.run(
            [sys.executable, "-m", "app", "seed-demo"],
            env=_environment(database_url, {}),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
            check=False,
        )
    assert seeding.returncode == 0, seeding.stderr


@contextmanager
def serving(database_url: str, environment: Mapping[str, str] | None = None) -> Generator[str]:
    """Serve a migrated database on a free port of the loopback address. Yields the base URL.

    ``environment`` adds settings. The issuer is the base URL unless it says otherwise.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--port", str(port)],
                env=_environment(database_url, environment or {}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_until_alive(process, url, log)
            yield url
        finally:
            _stop(process)
        assert process.returncode == 0, log.read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_alive(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with httpx2.Client(trust_env=False, timeout=1) as client:
        while time.monotonic() < deadline:
            assert process.poll() is None, f"the server ended:\n{log.read_text()}"
            try:
                if client.get(f"{url}/healthz").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.02)
    raise AssertionError(f"the server did not answer in {START_TIMEOUT} s:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
