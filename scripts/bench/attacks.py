"""What attacks cost and what they tell: ``python -m scripts.bench.attacks``.

The CPU time of a request that is refused for its size, its fields or its slowness, against that of
one valid login; and the time of a login that fails, by the reason, which must not show.
"""

import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from scripts.bench.load import request
from scripts.bench.servers import LOGIN, Server, latchkey
from tests.databases import sqlite

REQUESTS = 400
LOGINS = 100
SLOW = 50
"""How many of each are sent to measure their CPU time."""

ATTEMPTS = 200
"""Failed logins of each kind."""

TOLERANCE = 0.05
"""Of the largest median."""

UNLIMITED = {"LOGIN_MAX_FAILURES": "0", "LOGIN_MAX_FAILURES_PER_ADDRESS": "0"}

ADMIN = {
    "grant_type": "password",
    "client_id": "first-party",
    "username": "admin",
    "password": "administrator-in-development",
    "scope": "users:write",
}

FAILURES = {
    "wrong": LOGIN | {"password": "alice-in-wonderlanD"},
    "unknown": LOGIN | {"username": "nobody"},
    "disabled": LOGIN | {"username": "disabled", "password": "disabled-in-development"},
    "passwordless": LOGIN | {"username": "passwordless"},
}

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


def add_passwordless(server: Server) -> None:
    """A user whom nobody gave a password."""
    token = server.post("/token", ADMIN)["access_token"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/users", json.dumps({"username": "passwordless"}), headers)
    if connection.getresponse().status != 201:
        raise RuntimeError("the user without a password could not be added")


def times_of_failures(server: Server) -> dict[str, list[float]]:
    """Milliseconds of each attempt, the kinds in turn, so that the machine disturbs all alike."""
    caller = Caller(server.port)
    requests = {name: request("POST", "/token", form=form) for name, form in FAILURES.items()}
    times: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(ATTEMPTS + 1):
        for name, what in requests.items():
            started = time.perf_counter()
            status = caller.ask(what)
            if status != 400:
                raise RuntimeError(f"{name}: {status}")
            if number:  # the first is to warm up
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def print_row(cells: Sequence[str]) -> None:
    """One line of a table."""
    print(cells[0].ljust(18), *(cell.rjust(9) for cell in cells[1:]))


def main() -> int:
    """Exit code 1 if a refusal costs more than a login, or if a failure shows its reason."""
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
        add_passwordless(server)
        medians = {each: median(times) for each, times in times_of_failures(server).items()}
        largest = max(medians.values())
        print_row(["\nfailed login", "median ms"])
        for each, value in medians.items():
            print_row([each, f"{value:.2f}"])
        spread = 1 - min(medians.values()) / largest
        print(f"\nThe medians of {ATTEMPTS} attempts each differ by {spread:.1%}.")
    return 0 if good and spread < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
