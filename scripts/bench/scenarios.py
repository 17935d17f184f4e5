"""What is measured, against what, and the goal: the rows of the table.

A row is an entry of :data:`SCENARIOS`. A route takes one line: its clients, by :func:`clients`,
against :func:`hello`. What needs another server, a chain of requests or another baseline takes a
function from :class:`Context` to :class:`Sample`, and a :data:`~scripts.bench.load.Client` that
reads answers, as :func:`refreshing` does.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from passlib.hash import argon2

from app.settings import Settings
from scripts.bench.load import WARM_UP, Client, Sample, closed_loop, open_loop, repeat, request
from scripts.bench.servers import LOGIN, Server

CONNECTIONS = 32
"""How many there are, unless ``--connections`` says another number."""
LOGINS = 16
"""Connections that log in: a login is so slow that more of them only wait longer."""
PROBE_RATE = 100.0

KEYS = "/.well-known/jwks.json"
LIVE = "/healthz"
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Context:
    """The servers that a measurement may use, how long it takes, and how many connect."""

    server: Server
    hello: Mapping[str, Server]
    """The applications of :mod:`scripts.bench.hello`."""
    alone: Server
    """Latchkey with one worker; ``server`` may have more."""
    seconds: float
    connections: int


Make = Callable[[Server, int], list[Client]]
"""So many clients of a server."""

Measure = Callable[[Context], Sample]


@dataclass(frozen=True, eq=False)
class Scenario:
    """One row of the table."""

    name: str
    ours: Measure
    against: str
    baseline: Measure
    goal: float
    by_p99: bool = False
    """Compare p99, where less is better, instead of the rate, where more is."""
    workers: int = 1
    """How many ours has, where the baseline has one."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the server is started with beyond the defaults, without the prefix."""

    def ratio(self, ours: Sample, baseline: Sample) -> float:
        """Ours to the baseline, in what the row compares."""
        if self.by_p99:
            return ours.p99 / baseline.p99 if baseline.p99 else 0.0
        return ours.rate / baseline.rate if baseline.rate else 0.0

    def reached(self, ratio: float) -> bool:
        """Whether ``ratio`` is as good as the goal."""
        return ratio <= self.goal if self.by_p99 else ratio >= self.goal


# Clients


def logins(count: int) -> list[Client]:
    """Clients that log somebody in again and again, each another person."""
    forms = [LOGIN | {"username": f"person{number}"} for number in range(count)]
    return [repeat(request("POST", "/token", form=form)) for form in forms]


def at_login(_server: Server, _count: int) -> list[Client]:
    """As many that log in as there are for passwords, however many connections others have."""
    return logins(LOGINS)


def bearers(server: Server, count: int) -> list[Client]:
    """Clients that ask who they are, each with a token of its own."""
    return [repeat(request("GET", "/users/me", bearer=token)) for token in server.tokens(count)]


SERVICE = {
    "client_id": "demo-service",
    "client_secret": "demo-service-secret-for-development-only",
}


def services(_server: Server, count: int) -> list[Client]:
    """Clients that get tokens for themselves."""
    form = {"grant_type": "client_credentials", **SERVICE}
    return [repeat(request("POST", "/token", form=form)) for _ in range(count)]


def introspecting(server: Server, count: int) -> list[Client]:
    """Clients that ask whether a token is good, each another one."""
    return [
        repeat(request("POST", "/introspect", form={"token": token, **SERVICE}))
        for token in server.tokens(count)
    ]


def refreshing(server: Server, count: int) -> list[Client]:
    """Clients that refresh, each along a chain of its own."""

    def client(token: str) -> Client:
        while True:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            token = json.loads((yield request("POST", "/token", form=form)))["refresh_token"]

    return [client(server.post("/token", LOGIN)["refresh_token"]) for _ in range(count)]


def reading(path: str) -> Make:
    """Clients that fetch a published document."""
    return lambda _, count: [repeat(request("GET", path)) for _ in range(count)]


# Measurements


def clients(make: Make) -> Measure:
    """The clients of ``make`` in a closed loop on Latchkey."""

    def measure(context: Context) -> Sample:
        server = context.server
        made = make(server, context.connections)
        return closed_loop(server.port, made, context.seconds, server.cpu_and_database)

    return measure


def one_worker(make: Make) -> Measure:
    """The same on Latchkey with one worker."""
    measure = clients(make)
    return lambda context: measure(replace(context, server=context.alone))


def tutorial(context: Context) -> Sample:
    """The login of FastAPI's tutorial, which hashes on the event loop."""
    server = context.hello["tutorial"]
    return closed_loop(server.port, logins(LOGINS), context.seconds, server.cpu_and_database)


def hello(framework: str) -> Measure:
    """The bare application, as many connections."""

    def measure(context: Context) -> Sample:
        server = context.hello[framework]
        everybody = [repeat(request("GET", "/")) for _ in range(context.connections)]
        return closed_loop(server.port, everybody, context.seconds, server.cpu_and_database)

    return measure


def probe(storm: int, path: str = "/users/me", of: str = "") -> Measure:
    """A route at a fixed rate while ``storm`` clients log in without pause.

    ``/healthz`` waits for nothing but the event loop: it is its heartbeat. With ``of`` it is a
    route of that bare application, which shares no more than the machine with the logins.
    """

    def measure(context: Context) -> Sample:
        server = context.server
        probed = context.hello[of] if of else server
        return open_loop(
            probed.port,
            request("GET", path, bearer=None if of else server.tokens(1)[0]),
            PROBE_RATE,
            2 * context.seconds,  # a p99 needs the samples
            server.cpu_and_database,
            logins(storm),
            storm_port=server.port,
        )

    return measure


_COST = {
    name: Settings.model_fields[f"password_hash_{name}"].default
    for name in ("memory_kib", "time", "parallelism")
}

HASHES = (
    f"Passwords: argon2id, {_COST['memory_kib']} KiB, t={_COST['time']}, p={_COST['parallelism']}; "
    f"the tutorial's: {argon2.memory_cost} KiB, t={argon2.default_rounds}, p={argon2.parallelism}."
)
"""What the figures of logins are worth nothing without."""


def bare_hash(context: Context) -> Sample:
    """Verify a password on as many threads as cores, with the default cost and nothing around it.

    At the priority of the server's own hashing threads, so that neighbours disturb both alike.
    """
    hasher = argon2.using(  # type: ignore[no-untyped-call]
        type="id",
        memory_cost=_COST["memory_kib"],
        time_cost=_COST["time"],
        parallelism=_COST["parallelism"],
    )
    stored = hasher.hash(LOGIN["password"])
    threads = os.cpu_count() or 1
    counts = [0] * threads
    stop = threading.Event()

    def work(thread: int) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not stop.is_set():
            hasher.verify(LOGIN["password"], stored)
            counts[thread] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    time.sleep(WARM_UP)
    before, cpu, started = sum(counts), time.process_time(), time.perf_counter()
    time.sleep(context.seconds)
    done, used = sum(counts) - before, time.process_time() - cpu
    elapsed = time.perf_counter() - started
    stop.set()
    for worker in workers:
        worker.join()
    cpu_ms = used * 1000 / max(done, 1)
    return Sample(rate=done / elapsed, cpu_ms=cpu_ms, database_ms=0.0, p50=0.0, p99=0.0)


SCENARIOS = [
    Scenario("password", clients(at_login), "bare hash", bare_hash, 0.95),
    Scenario("login", clients(at_login), "tutorial", tutorial, 2.0),
    Scenario("bearer", clients(bearers), "FastAPI", hello("fastapi"), 0.75),
    Scenario("client_credentials", clients(services), "FastAPI", hello("fastapi"), 0.6),
    Scenario("refresh", clients(refreshing), "FastAPI", hello("fastapi"), 0.22),
    Scenario("introspect", clients(introspecting), "FastAPI", hello("fastapi"), 0.7),
    Scenario("jwks", clients(reading(KEYS)), "Starlette", hello("starlette"), 0.7),
    Scenario("discovery", clients(reading(DISCOVERY)), "Starlette", hello("starlette"), 0.7),
    Scenario("storm", probe(CONNECTIONS), "idle", probe(0), 1.5, by_p99=True),
    Scenario(
        "heartbeat",
        probe(CONNECTIONS, LIVE),
        "Starlette",
        probe(CONNECTIONS, "/", of="starlette"),
        1.5,
        by_p99=True,
    ),
    Scenario("two workers", clients(bearers), "one", one_worker(bearers), 1.7, workers=2),
]
