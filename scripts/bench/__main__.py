"""Run the scenarios in rounds, each next to its baseline, and print a table of ratios."""

import argparse
import gc
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from scripts.bench import scale
from scripts.bench.fleet import Fleet
from scripts.bench.load import Sample
from scripts.bench.peers import table as peers
from scripts.bench.scenarios import CONNECTIONS, HASHES, SCENARIOS, Scenario

ROUNDS = 3

YARDSTICK = 60.0
"""Seconds that what we compare with gets at most: it holds nothing that could grow."""

SCALE = "scale"
"""The name of the rows that are not under load: see :mod:`scripts.bench.scale`."""

Pair = tuple[Sample, Sample]
Row = tuple[Scenario, str]

HEADINGS = (
    *("row", "database", "ours", "against", "ratio", "(of rounds)", "goal", ""),
    *("CPU ms", "database", "against", "ratio", "p50 ms", "p99 ms", "MiB", "errors"),
)


def _measure(
    rows: Sequence[Row], fleet: Fleet, seconds: float, rounds: int
) -> dict[Row, list[Pair]]:
    measured: dict[Row, list[Pair]] = {row: [] for row in rows}
    for number in range(rounds):
        for scenario, database in rows:
            print(f"round {number + 1}: {scenario.name} {database} ", end="\r", file=sys.stderr)
            context = fleet.context(scenario, database, seconds)
            brief = replace(context, seconds=min(seconds, YARDSTICK))
            baseline = scenario.baseline(brief)
            measured[scenario, database].append((scenario.ours(context), baseline))
    return measured


def _cells(
    scenario: Scenario, database: str, pairs: Sequence[Pair], memory: float
) -> tuple[str, ...]:
    def ours(value: Callable[[Sample], float]) -> float:
        return median(value(sample) for sample, _ in pairs)

    def base(value: Callable[[Sample], float]) -> float:
        return median(value(sample) for _, sample in pairs)

    ratios = sorted(scenario.ratio(*pair) for pair in pairs)
    ratio = median(ratios)
    if scenario.by_p99:
        compared = f"p99 {ours(lambda s: s.p99):.1f}", f"{base(lambda s: s.p99):.1f}"
        cpu = "", "", "", ""
    else:
        compared = f"{ours(lambda s: s.rate):,.0f}/s", f"{base(lambda s: s.rate):,.0f}/s"
        own, other = ours(lambda s: s.cpu_ms), base(lambda s: s.cpu_ms)
        apart = ours(lambda s: s.database_ms)
        cpu = f"{own:.3f}", f"{apart:.3f}", f"{other:.3f}", f"{other / own:.2f}" if own else ""
    return (
        scenario.name,
        database,
        compared[0],
        f"{scenario.against} {compared[1]}",
        f"{ratio:.2f}",
        f"({ratios[0]:.2f}-{ratios[-1]:.2f})",
        f"{'<=' if scenario.by_p99 else '>='} {scenario.goal}",
        "" if scenario.reached(ratio) else "MISSED",
        *cpu,
        f"{ours(lambda s: s.p50):.1f}",
        f"{ours(lambda s: s.p99):.1f}",
        f"{memory:.0f}",
        str(sum(len(s.errors) for pair in pairs for s in pair)),
    )


def _print(table: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("make bench ARGS=…", description=__doc__)
    names = [*(scenario.name for scenario in SCENARIOS), SCALE]
    parser.add_argument("--only", metavar="NAME", action="append", choices=names, help=f"{names}")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all rows, in turns")
    parser.add_argument("--grown", type=int, default=0, help="logins that are there already")
    parser.add_argument(
        "--connections",
        type=int,
        default=CONNECTIONS,
        help=f"clients of every row but those that log in (default: {CONNECTIONS})",
    )
    parser.add_argument("--peers", action="store_true", help="other servers, in a second table")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    if options.peers and options.connections != CONNECTIONS:
        parser.error(f"peers are measured with {CONNECTIONS} connections")
    return options


def main() -> int:
    """Exit code 1 if anything was answered with an error."""
    options = _options()
    databases = [options.database] if options.database else ["sqlite", "postgresql"]
    rows = [
        (scenario, database)
        for scenario in SCENARIOS
        for database in databases
        if options.only is None or scenario.name in options.only
    ]
    gc.disable()  # its pauses would be taken for the server's
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        fleet = Fleet(stack, folder, options.grown, options.connections)
        compared = (
            peers.compare(fleet, folder, options.only, options.seconds, options.rounds)
            if options.peers
            else {}
        )
        measured = _measure(rows, fleet, options.seconds, options.rounds)
        memory = {row: fleet.server(*row).memory() for row in rows}
        at_scale = [
            line
            for database in databases
            if options.only is None or SCALE in options.only
            for line in scale.measure(fleet.backend(database), database)
        ]
    if at_scale:
        _print([scale.HEADINGS, *at_scale])
        print(f"\n{scale.LARGE} against {scale.SMALL}. Medians of {scale.ROUNDS} rounds.\n")
    samples = [sample for pairs in measured.values() for pair in pairs for sample in pair]
    if measured:
        _print([HEADINGS, *(_cells(*row, pairs, memory[row]) for row, pairs in measured.items())])
        print(f"\nMedians of {options.rounds} rounds. {HASHES}\n")
    if compared:
        _print([peers.HEADINGS, *(line for row in compared.items() for line in peers.lines(*row))])
        print(f"\nMedians of {options.rounds} rounds, all on PostgreSQL that have a database.\n")
        samples += [
            sample for row in compared.values() for each in row.values() for sample in each.samples
        ]
    if not samples:
        return 0
    busiest = max(sample.generator for sample in samples)
    print(f"The load generator took at most {busiest:.0%} of a core.")
    errors = [error for sample in samples for error in sample.errors]
    for error in sorted(set(errors))[:5]:
        print(f"error: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
