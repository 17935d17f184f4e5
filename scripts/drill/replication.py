"""A PostgreSQL whose standby can take over at the address of the first one."""

import asyncio
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from tests.support.postgresql import Cluster, running_cluster

SOCKET = ".s.PGSQL.5432"


class Replicated:
    """One address, behind which the first or the second one answers."""

    def __init__(self, primary: Cluster, folder: Path) -> None:
        """``folder`` is the address, and the home of the standby."""
        self._primary = primary
        self._folder = folder
        self._standby: Cluster | None = None
        self._point_to(primary)

    def _point_to(self, cluster: Cluster) -> None:
        link = self._folder / SOCKET
        link.unlink(missing_ok=True)
        link.symlink_to(cluster.folder / SOCKET)

    def url(self, database: str) -> str:
        """That of a database at the address."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def stop(self) -> None:
        """As by a power cut."""
        self._primary.stop()

    def start(self) -> None:
        """Again, where it was."""
        self._primary.start()

    def add_standby(self) -> None:
        """Copy it while it works; from then on a commit waits until the standby has it, too."""
        home = self._folder / "standby"
        home.mkdir()
        self._standby = self._primary.stand_by(home)
        asyncio.run(self._require_standby())

    async def _require_standby(self) -> None:
        connection = await asyncpg.connect(self._primary.url("postgres"))
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    def fail(self) -> None:
        """Stop the first one; whoever comes finds the standby, which takes no writes yet."""
        assert self._standby is not None
        self._primary.stop()
        self._point_to(self._standby)

    def promote(self) -> None:
        """Let the standby take over."""
        assert self._standby is not None
        self._standby.promote()

    def leave(self) -> None:
        """Stop what was added."""
        if self._standby is not None:
            self._standby.stop()
            self._primary.start()  # whoever has made it stops it


@contextmanager
def replicated_cluster() -> Generator[Replicated]:
    """A durable one, as PostgreSQL comes."""
    with (
        running_cluster(durable=True) as primary,
        tempfile.TemporaryDirectory(prefix="address", dir="/tmp") as name,
    ):
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL is another account
        replicated = Replicated(primary, folder)
        try:
            yield replicated
        finally:
            replicated.leave()
