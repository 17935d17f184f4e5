"""What a deployment goes through in a bad year, in ten minutes, under load.

    python -m scripts.drill --minutes 10

Two instances of two workers each on one PostgreSQL, behind nginx: a worker is killed, an instance
is killed, PostgreSQL is stopped as by a power cut, and then for good, so that its standby takes
over, keys and secrets are rotated, the schema is migrated, and both instances are restarted one
after the other. Nothing that was acknowledged may be
lost, no token may be accepted after its revocation, and no answer may be 5xx, but for those of
requests that were under way in what was killed, or while PostgreSQL was away. ``tests/live/
test_drill.py`` runs a short version. It needs nginx.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from scripts.drill.deployment import Deployment, deployed
from scripts.drill.load import Failure, Ledger, Load
from scripts.drill.replication import Replicated, replicated_cluster
from tests.support.databases import Postgresql

OLD, NEW = "the-first-secret-of-this-deployment", "the-second-secret-of-this-deployment"

AWAY = 3.0
"""Seconds that PostgreSQL is away."""

AFTERWARDS = 3.0
"""Seconds after its return in which 503 is still forgiven, and after a kill 502."""


@dataclass(frozen=True)
class Trouble:
    """Seconds in which requests may fail, because what they need is not there."""

    what: str
    began: float
    ended: float

    def excuses(self, failure: Failure) -> bool:
        """Whether a failed request overlaps."""
        return failure.began <= self.ended and failure.ended >= self.began


@dataclass
class Report:
    """What came of it."""

    ledger: Ledger
    began: float = field(default_factory=time.monotonic)
    troubles: list[Trouble] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    restarted_at: float = 0.0
    """When the first rolling restart began."""

    @property
    def unexcused(self) -> list[Failure]:
        """Failures outside of trouble."""
        failures = self.ledger.failures
        return [
            each for each in failures if not any(trouble.excuses(each) for trouble in self.troubles)
        ]

    def note(self, what: str) -> None:
        """Say what is done now."""
        self.steps.append(f"{time.monotonic() - self.began:6.1f} s  {what}")
        print(self.steps[-1], flush=True)

    @contextmanager
    def trouble(self, what: str) -> Generator[None]:
        """Excuse failures in the block, and a moment later."""
        self.note(what)
        began = time.monotonic()
        yield
        self.troubles.append(Trouble(what, began, time.monotonic() + AFTERWARDS))

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not self.ledger.broken and not self.unexcused and not any(self.exit_codes)


RENEWALS = (f"{NEW},{OLD}", NEW)
"""The secrets with which the instances are restarted, one rolling restart each."""


async def drill(
    folder: Path, *, pause: float, clients: int, renewals: Sequence[str] = RENEWALS
) -> Report:
    """Go through everything, ``pause`` seconds apart, with ``clients`` of every kind."""
    with replicated_cluster() as cluster:
        database_url = await asyncio.to_thread(lambda: Postgresql(cluster.url("{}")).seeded())
        with deployed(folder, database_url, OLD) as deployment:
            load = Load(deployment.url)
            report = Report(load.ledger)
            load.start(clients)
            await _go_through(deployment, cluster, database_url, report, pause)
            report.restarted_at = time.monotonic()
            for secrets in renewals:
                report.note(f"a rolling restart: {secrets.count(',') + 1} secrets")
                await _restart_all(deployment, report, secrets)
                await asyncio.sleep(pause)
            await load.stop()
            report.note("everything is calm: what was acknowledged is looked up")
            await load.verify()
            await load.close()
            for instance in deployment.instances:
                report.exit_codes.append(await asyncio.to_thread(instance.stop))
    return report


async def _go_through(
    deployment: Deployment, cluster: Replicated, database_url: str, report: Report, pause: float
) -> None:
    first, second = deployment.instances
    await asyncio.sleep(pause)
    with report.trouble("a worker is killed"):
        os.kill(first.workers()[0], signal.SIGKILL)
    await asyncio.sleep(AFTERWARDS + pause)
    with report.trouble("an instance is killed"):
        second.kill()
    await asyncio.to_thread(second.begin)
    await asyncio.to_thread(second.wait_until_ready)
    await asyncio.sleep(pause)
    with report.trouble("PostgreSQL is stopped at once, and started again"):
        await asyncio.to_thread(cluster.stop)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(cluster.start)
    await asyncio.sleep(AFTERWARDS + pause)
    report.note("PostgreSQL gets a standby, without which nothing is acknowledged any more")
    await asyncio.to_thread(cluster.add_standby)
    await asyncio.sleep(pause)
    with report.trouble("PostgreSQL is gone, and its standby takes over at the same address"):
        await asyncio.to_thread(cluster.fail)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(cluster.promote)
    await asyncio.sleep(AFTERWARDS + pause)
    report.note("the signing keys are rotated")
    await asyncio.to_thread(deployment.command, "keys", "rotate", "--now")
    await asyncio.sleep(pause)
    report.note("the schema is migrated")
    await _expand(database_url)
    await asyncio.to_thread(deployment.command, "db", "upgrade")
    await asyncio.sleep(pause)


async def _expand(database_url: str) -> None:
    """What the first half of a migration does: a column more, which the running code ignores."""
    connection = await asyncpg.connect(database_url)
    for table in ("users", "clients", "logins", "refresh_tokens"):
        await connection.execute(f"ALTER TABLE {table} ADD COLUMN drilled varchar(40)")
    await connection.close()


async def _restart_all(deployment: Deployment, report: Report, secrets: str) -> None:
    deployment.settings["LATCHKEY_SECRET_KEY"] = secrets
    for instance in deployment.instances:
        report.exit_codes.append(await asyncio.to_thread(instance.stop))
        instance.settings["LATCHKEY_SECRET_KEY"] = secrets
        instance.begin()
        await asyncio.to_thread(instance.wait_until_ready)
        await asyncio.sleep(2)  # until nginx asks it again


def main() -> int:
    """Run the drill and print what came of it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=3, help="of each of four kinds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="drill") as name:
        pause = arguments.minutes * 60 / 11
        report = asyncio.run(drill(Path(name), pause=pause, clients=arguments.clients))
    print("\nanswered:", dict(report.ledger.answers))
    print("failed in trouble:", len(report.ledger.failures) - len(report.unexcused))
    for failure in report.unexcused:
        print(f"FAILED: {failure.what} {failure.status} {failure.began - report.began:.1f} s")
    for broken in report.ledger.broken:
        print("BROKEN:", broken)
    print("exit codes of stopped instances:", report.exit_codes)
    print("revoked:", len(report.ledger.revoked), "items:", len(report.ledger.items))
    print("good" if report.good else "NOT GOOD")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
