"""What a login and a refresh leave in PostgreSQL: ``python -m scripts.bench.storage``.

Prints, for each, the bytes of write-ahead log and by how much tables and indexes grew. Hashes are
as cheap as can be, since they leave the same.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.database.engines import Database
from scripts.bench.servers import LOGIN, Server, latchkey
from tests.support.databases import postgresql

WARM_UP = 300
"""The first change of a page after a checkpoint writes all of it into the log."""

COUNT = 1500

CHEAP = {"PASSWORD_HASH_MEMORY_KIB": "8", "PASSWORD_HASH_TIME": "1"}

STATE = """
    SELECT CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS bigint) AS wal,
        (SELECT CAST(sum(pg_total_relation_size(oid)) AS bigint) FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS size
"""


def state(url: str) -> tuple[int, int]:
    """The place in the log, and the size of all tables with their indexes, in bytes."""

    async def main() -> tuple[int, int]:
        database = Database(url)
        async with database.read() as connection:
            row = (await connection.execute(text(STATE))).one()
        await database.close()
        return row.wal, row.size

    return asyncio.run(main())


def measure(url: str, name: str, once: Callable[[], object]) -> None:
    """Print what each call of ``once`` leaves."""
    for _ in range(WARM_UP):
        once()
    wal, size = state(url)
    for _ in range(COUNT):
        once()
    wal_after, size_after = state(url)
    print(
        f"  {name:8} {(wal_after - wal) / COUNT:6.0f} bytes of log, "
        f"{(size_after - size) / COUNT:6.0f} bytes of tables and indexes",
        flush=True,
    )


def refreshing(server: Server) -> Callable[[], object]:
    """Refreshes one login again and again."""
    token = server.post("/token", LOGIN)["refresh_token"]

    def once() -> None:
        nonlocal token
        form = {"grant_type": "refresh_token", "client_id": "first-party", "refresh_token": token}
        token = server.post("/token", form)["refresh_token"]

    return once


def main() -> None:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder, postgresql(durable=True) as backend:
        url = backend.migrated()
        with latchkey(url, CHEAP, Path(folder)) as server:
            measure(url, "login", lambda: server.post("/token", LOGIN))
            measure(url, "refresh", refreshing(server))
        backend.drop(url)


if __name__ == "__main__":
    main()
