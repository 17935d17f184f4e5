"""How many machines a population needs: ``python -m scripts.scaling``.

Reads what each request costs from docs/performance.md, and prints two tables:

- for each size of population, the requests in the busiest second, and the cores and bytes that they
  take;
- for a node of so many cores, how long requests take at each utilization, by simulating it.

``--cores 16``, ``--speed 2`` (a core that is twice as fast as the measured one), and how many
``--seconds`` are simulated.
"""

import argparse
import heapq
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"

LOGIN_QUEUE = 64
"""Passwords that may wait in each worker: the default of LATCHKEY_LOGIN_QUEUE."""

LOG_BYTES = {"password": 4100, "refresh": 2600}
"""Of PostgreSQL's write-ahead log, as ``scripts.bench.storage`` measured."""

TABLE_BYTES = {"password": 2600, "refresh": 1400}
"""Of tables and indexes, likewise."""

REQUESTS = ("password", "refresh", "bearer route", "introspect", "client_credentials")


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds of one request."""

    server: float
    database: float


def measured(text: str) -> Mapping[str, Cost]:
    """The costs on PostgreSQL, from the table of docs/performance.md."""
    rows = re.findall(r"^\| ([a-z_ ]+?) \| PostgreSQL \|(.*)\|$", text, re.M)
    cells = {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}
    return {name: Cost(float(cells[name][3]), float(cells[name][4])) for name in REQUESTS}


@dataclass(frozen=True)
class Population:
    """Who uses the server, and how. Everything but the size is an assumption to be changed."""

    users: int
    active: float = 0.2
    """The share that uses an application on one day."""
    logins_a_day: float = 0.5
    """Logins of each active user: most are still logged in."""
    online: float = 0.1
    """The share of a day's users that is there at once, at the busiest time."""
    refresh_every: float = 900.0
    """Seconds: the life of an access token."""
    checked_locally: float = 0.9
    """The share of API calls whose token is verified by its signature, without asking us."""
    calls_a_minute: float = 6.0
    """API calls of each user who is there."""
    peak: float = 5.0
    """The busiest second, to the mean of the day."""

    def in_the_busiest_second(self) -> Mapping[str, float]:
        """Requests of each kind."""
        there = self.users * self.active * self.online
        asked = there * self.calls_a_minute / 60 * (1 - self.checked_locally)
        return {
            "password": self.users * self.active * self.logins_a_day / 86_400 * self.peak,
            "refresh": there / self.refresh_every,
            "bearer route": there / 600,  # who am I, when an application is opened
            "introspect": asked,
            "client_credentials": there / 10_000,
        }

    def on_a_day(self) -> Mapping[str, float]:
        """Those that write."""
        busiest = self.in_the_busiest_second()
        return {
            "password": self.users * self.active * self.logins_a_day,
            "refresh": busiest["refresh"] * 86_400 / 2,
        }


def populations(costs: Mapping[str, Cost], speed: float) -> Iterator[str]:
    """A line for each size."""
    yield (
        "| users | logins/s | refreshes/s | other/s | server cores | database cores | log MB/s |"
        " GB a month |"
    )
    yield "| --- " * 8 + "|"
    for users in (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000):
        population = Population(users)
        yield _line(f"{users:,}", population.in_the_busiest_second(), costs, speed, population)
    storm = {"password": 50_000.0, "refresh": 100_000.0, "introspect": 100_000.0}
    yield _line("50,000 logins/s", storm, costs, speed, None)


def _line(
    name: str,
    rates: Mapping[str, float],
    costs: Mapping[str, Cost],
    speed: float,
    population: Population | None,
) -> str:
    server = sum(rate * costs[kind].server for kind, rate in rates.items()) / 1000 / speed
    database = sum(rate * costs[kind].database for kind, rate in rates.items()) / 1000 / speed
    log = sum(rates[kind] * size for kind, size in LOG_BYTES.items()) / 1e6
    stored = ""
    if population is not None:
        day = population.on_a_day()
        stored = f"{30 * sum(day[kind] * size for kind, size in TABLE_BYTES.items()) / 1e9:,.1f}"
    other = sum(rate for kind, rate in rates.items() if kind not in LOG_BYTES)
    cells = (name, rates["password"], rates["refresh"], other, server, database, log, stored)
    return (
        "| " + " | ".join(each if isinstance(each, str) else _short(each) for each in cells) + " |"
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


@dataclass(frozen=True)
class Times:
    """Milliseconds, and the share of logins that was refused because too many waited."""

    login_p50: float
    login_p99: float
    other_mean: float
    other_p99: float
    refused: float


def simulate(
    costs: Mapping[str, Cost], *, cores: int, utilization: float, seconds: float, seed: int = 1
) -> Times:
    """One node under Poisson arrivals of the mix of a population, its cores shared fairly.

    The operating system gives each of n requests min(1, cores / n) of a core. So all that are under
    way progress alike, and the next to end is the one with the least that is left: a heap by the
    progress at which each ends.
    """
    draw = random.Random(seed)
    rates = Population(1_000_000).in_the_busiest_second()
    kinds, weights = list(rates), list(rates.values())
    mean = sum(rates[kind] * costs[kind].server for kind in kinds) / sum(weights) / 1000
    arrivals_a_second = utilization * cores / mean
    now, progress, hashing = 0.0, 0.0, 0
    under_way: list[tuple[float, float, bool]] = []
    taken: dict[bool, list[float]] = {True: [], False: []}
    refused = 0
    next_arrival = draw.expovariate(arrivals_a_second)
    while now < seconds:
        pace = min(1.0, cores / len(under_way)) if under_way else 1.0
        ends = now + (under_way[0][0] - progress) / pace if under_way else float("inf")
        if ends <= next_arrival:
            progress, now = under_way[0][0], ends
            _, arrived, is_login = heapq.heappop(under_way)
            taken[is_login].append((now - arrived) * 1000)
            hashing -= is_login
            continue
        progress += (next_arrival - now) * pace
        now = next_arrival
        next_arrival = now + draw.expovariate(arrivals_a_second)
        (kind,) = draw.choices(kinds, weights)
        is_login = kind == "password"
        if is_login and hashing >= LOGIN_QUEUE * cores:
            refused += 1
            continue
        hashing += is_login
        heapq.heappush(under_way, (progress + costs[kind].server / 1000, now, is_login))
    logins = len(taken[True]) + refused
    return Times(
        _quantile(taken[True], 0.5),
        _quantile(taken[True], 0.99),
        sum(taken[False]) / max(len(taken[False]), 1),
        _quantile(taken[False], 0.99),
        refused / logins if logins else 0.0,
    )


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def nodes(costs: Mapping[str, Cost], cores: int, seconds: float) -> Iterator[str]:
    """A line for each utilization."""
    yield "| utilization | login p50 ms | login p99 ms | other p99 ms | logins refused |"
    yield "| --- " * 5 + "|"
    for utilization in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.1):
        times = simulate(costs, cores=cores, utilization=utilization, seconds=seconds)
        yield (
            f"| {utilization:.0%} | {times.login_p50:.0f} | {times.login_p99:.0f} | "
            f"{times.other_p99:.1f} | {times.refused:.1%} |"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=8, help="of a node")
    parser.add_argument("--speed", type=float, default=1.0, help="of a core, to the measured one")
    parser.add_argument("--seconds", type=float, default=60.0, help="that are simulated")
    options = parser.parse_args()
    costs = measured(PERFORMANCE.read_text())
    faster = {
        kind: Cost(cost.server / options.speed, cost.database / options.speed)
        for kind, cost in costs.items()
    }
    print(*populations(costs, options.speed), "", sep="\n")
    print(*nodes(faster, options.cores, options.seconds), sep="\n")


if __name__ == "__main__":
    main()
