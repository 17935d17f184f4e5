"""The table of the peers: every row on Latchkey and on each peer that has it, in turns."""

import asyncio
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import asyncpg

from scripts.bench.fleet import Fleet
from scripts.bench.load import Sample, closed_loop
from scripts.bench.peers.clients import CLIENTS
from scripts.bench.peers.environments import MissingEnvironmentError
from scripts.bench.peers.servers import PEERS, Peer
from scripts.bench.scenarios import SCENARIOS
from scripts.bench.servers import Server

OURS = "Latchkey"

OUR_HASHES = {"login": "SELECT password_hash FROM users WHERE username = 'alice'"}

DATABASE = "postgresql"
"""What Latchkey is on, as are the peers that have a database."""

LEAST = 20
"""Answers of a measurement: the slowest give two a second."""

HEADINGS = (
    *("row", "server", "requests/s", "ratio", "(of rounds)", "CPU ms", "database", "CPU ratio"),
    *("p50 ms", "p99 ms", "MiB", "errors", "hash"),
)


@dataclass
class Measured:
    """What one server gave in one row."""

    samples: list[Sample] = field(default_factory=list)
    """One of each round."""
    memory: float = 0.0
    """MiB after the last round of all rows."""
    hashing: str = ""
    """The parameters of the slow hash that each request verifies."""


Row = Mapping[str, Measured]
"""By the name of the server, ours first."""


def compare(
    fleet: Fleet, folder: Path, only: Sequence[str] | None, seconds: float, rounds: int
) -> Mapping[str, Row]:
    """Measure the rows, or ``only`` some; say which peer is left out, and why.

    The peers log into ``folder``.
    """
    with ExitStack() as stack:
        peers: dict[Peer, Server] = {}
        for peer in PEERS:
            try:
                peers[peer] = stack.enter_context(peer.start(fleet.backend(DATABASE), folder))
            except MissingEnvironmentError as missing:
                print(f"{peer.name} is left out: {missing}.", file=sys.stderr)
        return _measure(fleet, peers, only, seconds, rounds)


def _measure(
    fleet: Fleet,
    peers: Mapping[Peer, Server],
    only: Sequence[str] | None,
    seconds: float,
    rounds: int,
) -> Mapping[str, Row]:
    rows = {
        scenario: [peer for peer in peers if scenario.name in peer.paths]
        for scenario in SCENARIOS
        if scenario.name in CLIENTS and (only is None or scenario.name in only)
    }
    measured = {
        scenario.name: {OURS: Measured(), **{peer.name: Measured() for peer in having}}
        for scenario, having in rows.items()
    }
    for number in range(rounds):
        for scenario, having in rows.items():
            row = measured[scenario.name]
            print(f"round {number + 1}: {scenario.name} of the peers ", end="\r", file=sys.stderr)
            row[OURS].samples.append(scenario.ours(fleet.context(scenario, DATABASE, seconds)))
            for peer in having:
                sample = _sample(peer, peers[peer], scenario.name, seconds)
                row[peer.name].samples.append(sample)
    for scenario, having in rows.items():
        row = measured[scenario.name]
        _complete(row[OURS], fleet.server(scenario, DATABASE), OUR_HASHES.get(scenario.name))
        for peer in having:
            _complete(row[peer.name], peers[peer], peer.hashes.get(scenario.name))
    return measured


def _sample(peer: Peer, server: Server, row: str, seconds: float) -> Sample:
    # Each measurement has tokens of its own: an adapter in memory forgets what is not used.
    clients = CLIENTS[row](peer.paths[row], server.post("/start", {}))
    return closed_loop(server.port, clients, seconds, server.cpu_and_database, LEAST)


def _complete(measured: Measured, server: Server, hash_query: str | None) -> None:
    measured.memory = server.memory()
    if hash_query is not None:
        stored = asyncio.run(_value(server.database_url, hash_query))
        measured.hashing = stored.strip("$").rsplit("$", 2)[0]  # without salt and digest


async def _value(url: str, query: str) -> str:
    connection = await asyncpg.connect(url)
    value = await connection.fetchval(query)
    await connection.close()
    return str(value)


def lines(name: str, row: Row) -> list[tuple[str, ...]]:
    """One for each server: medians of the rounds, and how many times as good ours is.

    The ratios of rates are those of each round; in that of CPU the database counts, too.
    """
    ours = row[OURS].samples
    return [
        _line(name, server, measured, None if server == OURS else ours)
        for server, measured in row.items()
    ]


def _line(
    name: str, server: str, measured: Measured, ours: Sequence[Sample] | None
) -> tuple[str, ...]:
    def middle(value: Callable[[Sample], float]) -> float:
        return median(value(sample) for sample in measured.samples)

    return (
        name,
        server,
        f"{middle(lambda s: s.rate):,.1f}",
        *(("", "") if ours is None else _rates(ours, measured.samples)),
        f"{middle(lambda s: s.cpu_ms):.3f}",
        f"{middle(lambda s: s.database_ms):.3f}",
        "" if ours is None else _times(_ratio(_cpu(measured.samples), _cpu(ours))),
        f"{middle(lambda s: s.p50):.1f}",
        f"{middle(lambda s: s.p99):.1f}",
        f"{measured.memory:.0f}",
        str(sum(len(sample.errors) for sample in measured.samples)),
        measured.hashing,
    )


def _rates(ours: Sequence[Sample], theirs: Sequence[Sample]) -> tuple[str, str]:
    pairs = zip(ours, theirs, strict=True)
    ratios = sorted(_ratio(our.rate, their.rate) for our, their in pairs)
    return _times(median(ratios)), f"({_times(ratios[0])}-{_times(ratios[-1])})"


def _cpu(samples: Sequence[Sample]) -> float:
    return median(sample.cpu_ms + sample.database_ms for sample in samples)


def _ratio(one: float, other: float) -> float:
    return one / other if other else math.inf


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2f}"
