"""The servers under test: processes on free loopback ports, ended by their pid."""

import asyncio
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from app.database.engines import Database
from app.identity.profile import NewUser
from app.identity.users import create_user, find_account
from scripts.bench.growth import grow

ROOT = Path(__file__).parent.parent.parent

START_TIMEOUT = 30.0

LOGIN = {
    "grant_type": "password",
    "client_id": "first-party",
    "username": "alice",
    "password": "alice-in-wonderland",
    "scope": "profile",
}
"""A login of the demo data, as a form."""

PEOPLE = 32
"""Other users, ``person0`` and so on, with alice's password: a person logs in one at a time."""

_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A running server process."""

    def __init__(self, port: int, pid: int, database_url: str = "") -> None:
        """It listens on ``port`` of the loopback interface."""
        self.port = port
        self.pid = pid
        self.database_url = database_url
        self._postgresql = _postmaster(database_url)
        self._tokens: list[str] = []

    def cpu(self) -> float:
        """The CPU seconds of all its processes so far."""
        return sum(map(_cpu, _family(self.pid)))

    def cpu_and_database(self) -> tuple[float, float]:
        """The same, and those of all processes of its PostgreSQL."""
        return self.cpu(), sum(map(_cpu, _family(self._postgresql)))

    def memory(self) -> float:
        """The MiB of all its processes, of which what several have counts once."""
        shares = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _family(self.pid)]
        return sum(int(re.findall(r"^Pss: +(\d+) kB", each, re.M)[0]) for each in shares) / 1024

    def tokens(self, count: int) -> list[str]:
        """As many access tokens, each of a login of its own; the same ones when asked again."""
        while len(self._tokens) < count:
            self._tokens.append(self.post("/token", LOGIN)["access_token"])
        return self._tokens[:count]

    def post(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """The JSON answer to a form, for preparing what is measured."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT)
        content_type = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, urlencode(form), content_type)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"POST {path}: {answer.status} {body.decode(errors='replace')}")
        return dict(json.loads(body))


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _postmaster(database_url: str) -> int | None:
    """The process of a PostgreSQL that was started for the benchmark: the URL has its folder."""
    folder = database_url.partition("?host=")[2]
    return int(Path(folder, "data/postmaster.pid").read_text().split()[0]) if folder else None


def _family(pid: int | None) -> list[int]:
    """A process and those that it has started, and so on."""
    if pid is None:
        return []
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's, with these settings of ours and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


def free_port() -> int:
    """A port of the loopback interface on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], port: int, env: dict[str, str], cwd: Path, database_url: str = ""
) -> Generator[Server]:
    """The server that ``command`` starts; it logs into ``cwd``.

    Raises RuntimeError with its log if nothing listens on ``port`` in time.
    """
    log = cwd / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, cwd=cwd, stdout=output, stderr=output)
    try:
        if not _listens(process, port):
            raise RuntimeError(f"{' '.join(command)} did not start:\n{log.read_text()}")
        yield Server(port, process.pid, database_url)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


@contextmanager
def hello(folder: Path, framework: str) -> Generator[Server]:
    """One of the applications of :mod:`scripts.bench.hello`."""
    port = free_port()
    command = [sys.executable, "-m", "scripts.bench.hello", framework, str(port)]
    with running(command, port, environment({}), folder) as server:
        yield server


async def _add_people(url: str) -> None:
    database = Database(url)
    async with database.transaction() as connection:
        alice = await find_account(connection, "alice")
        assert alice is not None
        for number in range(PEOPLE):
            await create_user(
                connection,
                NewUser(username=f"person{number}", scopes=sorted(alice.scopes)),
                password_hash=alice.password_hash,
                now=datetime.now(UTC),
            )
    await database.close()


@contextmanager
def latchkey(
    url: str, settings: Mapping[str, str], folder: Path, workers: int = 1, grown: int = 0
) -> Generator[Server]:
    """Latchkey with demo data and without access log, on the migrated database ``url``.

    ``grown`` is how many logins and refresh tokens are there already.
    """
    env = environment(
        {
            "LATCHKEY_ENVIRONMENT": "development",
            "LATCHKEY_DATABASE_URL": url,
            "LATCHKEY_ACCESS_TOKEN_TTL": "86400",
            **{f"LATCHKEY_{name}": value for name, value in settings.items()},
        }
    )
    # The folder has no .env, which the servers would read.
    seed = [sys.executable, "-m", "app", "seed-demo"]
    subprocess.run(seed, env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    asyncio.run(_add_people(url))
    if grown:
        grow(url, grown)
    port = free_port()
    command = [sys.executable, "-m", "app", "serve", "--no-access-log", "--port", str(port)]
    command += ["--workers", str(workers)]
    with running(command, port, env, folder, url) as server:
        yield server
