"""Whether the time of a failed login tells why it failed: ``python -m scripts.bench.failures``.

Prints, for each reason, the median of the time and the mean CPU time of the server: for what was
typed as it is, and for what NFKC changes; first while all hashes are of the present cost, then with
some that came from elsewhere. Exit code 1 if the medians of one table differ by more than a tenth;
where others use the machine, compare the CPU times.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from passlib.context import CryptContext
from sqlalchemy import select, update

from app.database.engines import Database
from app.identity.profile import NewUser
from app.identity.users import create_user
from app.models import User
from scripts.bench.attacks import UNLIMITED, Caller, print_row
from scripts.bench.load import request
from scripts.bench.servers import LOGIN, Server, latchkey
from tests.support.databases import sqlite

ATTEMPTS = 100
"""Failed logins of each kind."""

TOLERANCE = 0.1
"""Of the largest median."""

PASSWORD = LOGIN["password"]

TYPED = {"as it is": "alice-in-wonderlanD", "changed by NFKC": "a\ufb01b-in-wonderland"}

HERE = {"known": "alice", "unknown": "nobody", "disabled": "off", "passwordless": "passwordless"}

ELSEWHERE = {"bcrypt": "bcrypt", "pbkdf2": "pbkdf2_sha256", "former cost": "argon2"}
"""Users who are named like the scheme of their hash."""

COSTS: dict[str, Any] = {
    "bcrypt__rounds": 8,
    "pbkdf2_sha256__rounds": 20_000,
    "argon2__memory_cost": 8192,
}


async def add_users(url: str, hashes: Mapping[str, str | None]) -> None:
    """Users of these names; ``off`` is disabled."""
    database = Database(url)
    async with database.transaction() as connection:
        now = datetime.now(UTC)
        for name, stored in hashes.items():
            await create_user(
                connection,
                NewUser(username=name, scopes=["profile"]),
                password_hash=stored,
                now=now,
            )
        disable = update(User).where(User.username == "off").values(disabled_at=now)
        await connection.execute(disable)
    await database.close()


async def hash_of_alice(url: str) -> str | None:
    """Of the demo data, and so of the present cost."""
    database = Database(url)
    async with database.read() as connection:
        stored = await connection.scalar(
            select(User.password_hash).where(User.username == LOGIN["username"])
        )
    await database.close()
    return stored


def times_of_failures(
    server: Server, users: Mapping[str, str], typed: str
) -> dict[str, tuple[float, float]]:
    """Median and CPU milliseconds by user, in random turns: the machine disturbs all alike."""
    caller = Caller(server.port)
    requests = {
        reason: request("POST", "/token", form=LOGIN | {"username": name, "password": typed})
        for reason, name in users.items()
    }
    if typed == TYPED["as it is"]:  # like the right password
        right = LOGIN | {"username": "off"}
        requests["disabled, right"] = request("POST", "/token", form=right)
    times: dict[str, list[float]] = {reason: [] for reason in requests}
    cpu = dict.fromkeys(requests, 0.0)
    for number in range(ATTEMPTS + 1):
        for reason, what in random.sample(list(requests.items()), len(requests)):
            before, started = server.cpu(), time.perf_counter()
            status = caller.ask(what)
            if status != 400:
                raise RuntimeError(f"{reason}: {status}")
            if number:  # the first is to warm up
                times[reason].append((time.perf_counter() - started) * 1000)
                cpu[reason] += (server.cpu() - before) * 1000
    return {reason: (median(each), cpu[reason] / ATTEMPTS) for reason, each in times.items()}


def differ(server: Server, users: Mapping[str, str], title: str) -> bool:
    """Whether the reason shows, after printing the medians."""
    shows = False
    for how, typed in TYPED.items():
        measured = times_of_failures(server, users, typed)
        print(f"\n{title}, typed {how}")
        print_row(["reason", "median ms", "CPU ms"])
        for reason, (value, cpu) in measured.items():
            print_row([reason, f"{value:.2f}", f"{cpu:.2f}"])
        medians = [value for value, _ in measured.values()]
        spread = 1 - min(medians) / max(medians)
        print(f"The medians of {ATTEMPTS} attempts each differ by {spread:.1%}.")
        shows = shows or spread > TOLERANCE
    return shows


def main() -> int:
    """Exit code 1 if a failure shows its reason."""
    imported = CryptContext(schemes=list(ELSEWHERE.values()), **COSTS)
    hashes = {name: imported.hash(PASSWORD, scheme=name) for name in ELSEWHERE.values()}
    with (
        tempfile.TemporaryDirectory(prefix="bench") as folder,
        sqlite(Path(folder)) as backend,
        latchkey(url := backend.migrated(), UNLIMITED, Path(folder)) as server,
    ):
        asyncio.run(add_users(url, {"off": asyncio.run(hash_of_alice(url)), "passwordless": None}))
        shows = differ(server, HERE, "one kind of hash")
        asyncio.run(add_users(url, hashes))
        time.sleep(2)  # until the worker knows of them
        shows = differ(server, HERE | ELSEWHERE, "four kinds") or shows
    return 1 if shows else 0


if __name__ == "__main__":
    sys.exit(main())
