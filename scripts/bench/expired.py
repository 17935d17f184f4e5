"""What a purge of many rows costs everybody else: ``python -m scripts.bench.expired [MILLIONS]``.

Fills a database with expired logins that have a refresh token each, refreshes other logins without
pause, first in peace and then while `latchkey purge` deletes, and prints both, and whether the last
rows go as fast as the first.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select, text

from app.database.engines import Database
from app.models import Login, User
from scripts.bench.load import closed_loop
from scripts.bench.scenarios import refreshing
from scripts.bench.servers import environment, latchkey
from tests.support.databases import postgresql, sqlite

CLIENTS = 8
"""That refresh without pause."""

SECONDS = 10.0

PART = 100_000
"""Rows in one transaction of the filling."""

FILL = {
    "sqlite": (
        """
        INSERT INTO logins (id, user_id, client_id, scope, created_at, expires_at)
        WITH RECURSIVE numbers(n) AS
            (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :first + :rows)
        SELECT lower(hex(randomblob(16))), :user, 'first-party', 'profile',
            strftime('%Y-%m-%d %H:%M:%f000', '2025-01-01', (n / 1000.0) || ' seconds'),
            strftime('%Y-%m-%d %H:%M:%f000', '2025-02-01', (n / 1000.0) || ' seconds')
        FROM numbers
        """,
        """
        INSERT INTO refresh_tokens (token_hash, login_id, issued_at, successors)
        SELECT lower(hex(randomblob(32))), id, created_at, 0 FROM logins
        WHERE rowid > (SELECT max(rowid) FROM logins) - :rows
        """,
    ),
    "postgresql": (
        """
        WITH made AS (
            INSERT INTO logins (id, user_id, client_id, scope, created_at, expires_at)
            SELECT gen_random_uuid(), CAST(:user AS uuid), 'first-party', 'profile',
                timestamptz '2025-01-01' + n * interval '1 millisecond',
                timestamptz '2025-02-01' + n * interval '1 millisecond'
            FROM generate_series(CAST(:first AS bigint), CAST(:first + :rows - 1 AS bigint)) AS n
            RETURNING id, created_at
        )
        INSERT INTO refresh_tokens (token_hash, login_id, issued_at, successors)
        SELECT encode(sha256(CAST(CAST(id AS text) AS bytea)), 'hex'), id, created_at, 0 FROM made
        """,
    ),
}


async def fill(url: str, rows: int) -> None:
    """Add so many expired logins of one user, with a refresh token each."""
    database = Database(url)
    kind = "sqlite" if database.is_sqlite else "postgresql"
    async with database.read() as connection:
        user_id = await connection.scalar(select(User.id).limit(1))
    assert user_id is not None
    user = user_id.hex if database.is_sqlite else str(user_id)
    for first in range(0, rows, PART):
        async with database.transaction() as connection:
            for statement in FILL[kind]:
                values = {"first": first, "rows": PART, "user": user}
                used = {name: values[name] for name in values if f":{name}" in statement}
                await connection.execute(text(statement), used)
    if not database.is_sqlite:
        async with database.read() as connection:
            await connection.execute(text("ANALYZE"))
    await database.close()


def count(url: str) -> int:
    """How many logins there are."""

    async def main() -> int:
        database = Database(url)
        async with database.read() as connection:
            found = await connection.scalar(select(func.count()).select_from(Login))
        await database.close()
        return found or 0

    return asyncio.run(main())


def measure(url: str, rows: int, folder: Path) -> None:
    """Print both, and how long the purge took."""
    with latchkey(url, {}, folder) as server:
        asyncio.run(fill(url, rows))
        clients = refreshing(server, CLIENTS)
        peace = closed_loop(server.port, clients, SECONDS, server.cpu_and_database)
        command = [sys.executable, "-m", "app", "purge", "--json"]
        settings = environment(
            {"LATCHKEY_ENVIRONMENT": "development", "LATCHKEY_DATABASE_URL": url}
        )
        before, began = count(url), time.monotonic()
        purge = subprocess.Popen(command, env=settings, cwd=folder, stdout=subprocess.DEVNULL)
        times = [(0.0, before)]
        clients = refreshing(server, CLIENTS)
        during = closed_loop(server.port, clients, SECONDS, server.cpu_and_database)
        while purge.poll() is None:
            times.append((time.monotonic() - began, count(url)))
            time.sleep(max(1.0, rows / 1_000_000))
        took = time.monotonic() - began
        if purge.returncode:
            raise RuntimeError("the purge failed")
        for name, sample in (("in peace", peace), ("while purged", during)):
            print(
                f"  {name:14} {sample.rate:7.0f} refreshes/s   p50 {sample.p50:6.1f} ms   "
                f"p99 {sample.p99:6.1f} ms   errors {len(sample.errors)}"
            )
        fifth = len(times) // 5
        speeds = [
            (more - less) / (end - start)
            for (start, more), (end, less) in (
                (times[0], times[fifth]),
                (times[-1 - fifth], times[-1]),
            )
        ]
        print(
            f"  {rows} logins and as many tokens deleted in {took:.0f} s: "
            f"{speeds[0]:.0f} logins/s at first, {speeds[1]:.0f} at last",
            flush=True,
        )


def main() -> None:
    """Measure on both databases."""
    parser = argparse.ArgumentParser("python -m scripts.bench.expired", description=__doc__)
    parser.add_argument("millions", type=float, nargs="?", default=0.5, help="default: 0.5")
    rows = int(parser.parse_args().millions * 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        for backend in (postgresql(durable=True), sqlite(Path(folder))):
            with backend as made:
                url = made.migrated()
                print(url.partition(":")[0], flush=True)
                measure(url, rows, Path(folder))
                made.drop(url)


if __name__ == "__main__":
    main()
