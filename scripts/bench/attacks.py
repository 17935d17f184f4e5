"""What attacks cost: ``python -m scripts.bench.attacks``.

The CPU time of a request that is refused for its size, its fields or its slowness, against that of
one valid login.
"""

import http.client
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.bench.load import request
from scripts.bench.servers import LOGIN, Server, latchkey
from tests.support.databases import sqlite

REQUESTS = 400
LOGINS = 100
SLOW = 50
"""How many of each are sent to measure their CPU time."""

UNLIMITED = {"LOGIN_MAX_FAILURES": "0", "LOGIN_MAX_FAILURES_PER_ADDRESS": "0"}

REFUSED = {
    "1 MB password": request("POST", "/token", form=LOGIN | {"password": "x" * 1_000_000}),
    "1,000 fields": request("POST", "/token", form=LOGIN | {f"x{n}": "" for n in range(1000)}),
    "60 kB password": request("POST", "/token", form=LOGIN | {"password": "x" * 60_000}),
    "1,025 characters": request("POST", "/token", form=LOGIN | {"password": "x" * 1025}),
    "100 kB header": request("GET", "/users/me", bearer="x" * 100_000),
    "20 kB header": request("GET", "/users/me", bearer="x" * 20_000),
    "20 kB address": request("GET", "/authorize?" + "x" * 20_000),
}

SLOW_REQUEST = request("POST", "/token", form=LOGIN)[:-1]


class Caller:
    """One connection, kept while the server keeps it."""

    def __init__(self, port: int) -> None:
        """Nothing is sent yet."""
        self._connection = socket.create_connection(("127.0.0.1", port), 60)

    def send(self, what: bytes) -> None:
        """Send all of it, and wait for nothing."""
        self._connection.sendall(what)

    def status(self) -> int:
        """The status of the next answer, after all of it was read."""
        answer = http.client.HTTPResponse(self._connection)
        answer.begin()
        answer.read()
        return answer.status

    def ask(self, what: bytes) -> int:
        """Send, and wait for the status."""
        self.send(what)
        return self.status()


def cpu_ms(server: Server, what: bytes, count: int) -> tuple[float, int]:
    """The server's CPU time for each of ``count`` requests, and the status of the last."""
    caller = Caller(server.port)
    status = caller.ask(what)
    before = server.cpu()
    for _ in range(count):
        status = caller.ask(what)
    return (server.cpu() - before) * 1000 / count, status


def cpu_ms_of_slow_ones(server: Server) -> tuple[float, int]:
    """The same for requests whose last byte never comes, all at once."""
    callers = [Caller(server.port) for _ in range(SLOW)]
    before = server.cpu()
    for caller in callers:
        caller.send(SLOW_REQUEST)
    statuses = {caller.status() for caller in callers}
    (status,) = statuses
    return (server.cpu() - before) * 1000 / SLOW, status


def print_row(cells: Sequence[str]) -> None:
    """One line of a table."""
    print(cells[0].ljust(18), *(cell.rjust(9) for cell in cells[1:]))


def main() -> int:
    """Exit code 1 if a refusal costs more than a login."""
    good = True
    with (
        tempfile.TemporaryDirectory(prefix="bench") as name,
        sqlite(Path(name)) as backend,
        latchkey(backend.migrated(), UNLIMITED, Path(name)) as server,
    ):
        login, status = cpu_ms(server, request("POST", "/token", form=LOGIN), LOGINS)
        print_row(["request", "status", "CPU ms", "of login"])
        print_row(["valid login", str(status), f"{login:.3f}", "1.00"])
        measured = {each: cpu_ms(server, what, REQUESTS) for each, what in REFUSED.items()}
        measured["slow body"] = cpu_ms_of_slow_ones(server)
        for each, (cost, status) in measured.items():
            print_row([each, str(status), f"{cost:.3f}", f"{cost / login:.2f}"])
            good = good and cost < login and 400 <= status < 500
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
