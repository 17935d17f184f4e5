"""What this process has done so far, in numbers, for Prometheus.

The only module that knows prometheus_client, which is imported when metrics are switched on. No
label ever holds what somebody typed: not a name, not a path, not an address.
"""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app import IDENTIFIER, VERSION

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the histogram: from an answer out of memory to a login in a storm."""

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Counters, and how they are told.

    Where several workers serve, each writes into a folder that ``latchkey serve`` made for them,
    and whichever is asked tells the sum.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        """Everything is at zero, or where the folder of the workers has it."""
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            f"{IDENTIFIER}_http_requests",
            "Requests by route template; status 0 means no response.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            f"{IDENTIFIER}_http_request_duration_seconds",
            "How long requests took.",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self._logins = Counter(
            f"{IDENTIFIER}_logins",
            "Login attempts by where the password was given, and their outcome.",
            ("door", "outcome"),
            registry=registry,
        )
        self._tokens = Counter(
            f"{IDENTIFIER}_tokens_issued",
            "Successful responses of the token endpoint.",
            ("grant_type", "client_id"),
            registry=registry,
        )
        self._reused = Counter(
            f"{IDENTIFIER}_refresh_tokens_reused",
            "Used refresh tokens that were presented again, which ended their login.",
            ("client_id",),
            registry=registry,
        )
        self._pending = Gauge(
            f"{IDENTIFIER}_password_hashes_pending",
            "Passwords being hashed or waiting, as of each worker's last response.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._housekeeping_done = Gauge(
            f"{IDENTIFIER}_housekeeping_done_timestamp_seconds",
            "When a worker here last finished a round of housekeeping, in seconds since 1970.",
            registry=registry,
            multiprocess_mode="max",
        )
        self._rows_deleted = Counter(
            f"{IDENTIFIER}_expired_rows_deleted",
            "Expired rows that housekeeping deleted.",
            ("table",),
            registry=registry,
        )
        build = Gauge(
            f"{IDENTIFIER}_build_info",
            "Always 1.",
            ("version", "python"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        build.labels(VERSION, platform.python_version()).set(1)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. ``route`` is a template, never what was asked for."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def login(self, door: str, outcome: str) -> None:
        """Somebody tried to log in."""
        self._logins.labels(door, outcome).inc()

    def tokens_issued(self, grant_type: str, client_id: str) -> None:
        """The token endpoint gave what it was asked for."""
        self._tokens.labels(grant_type, client_id).inc()

    def refresh_token_reused(self, client_id: str) -> None:
        """A used refresh token came back."""
        self._reused.labels(client_id).inc()

    def hashes_pending(self, count: int) -> None:
        """So many passwords are hashed, or wait for it, in this worker."""
        self._pending.set(count)

    def housekeeping_done(self, timestamp: float, deleted: Mapping[str, int]) -> None:
        """A round was finished at that time, and deleted so many rows of each table."""
        self._housekeeping_done.set(timestamp)
        for table, rows in deleted.items():
            self._rows_deleted.labels(table).inc(rows)

    def text(self) -> bytes:
        """All numbers in the text format of Prometheus; reads files if there are several workers.

        What a worker counted before it ended stays in the sum, so no counter ever falls.
        """
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return generate_latest(self._registry)
        for worker in _ended_workers(folder):
            with suppress(FileNotFoundError):  # another worker was asked at the same time
                mark_process_dead(worker, folder)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        _OfWorkers(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class _OfWorkers(MultiProcessCollector):
    """What all workers have counted."""

    def collect(self) -> Iterable[Metric]:
        """Without the files that a worker is just making: they have no header yet."""
        files = [str(file) for file in Path(self._path).glob("*.db") if _size(file)]
        merged: Iterable[Metric] = self.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # of a worker that has ended
        return 0


def _ended_workers(folder: str) -> Iterator[int]:
    for file in Path(folder).glob("gauge_live*_*.db"):
        worker = int(file.stem.rpartition("_")[2])
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            yield worker
        except PermissionError:
            pass  # it lives, as somebody else's
