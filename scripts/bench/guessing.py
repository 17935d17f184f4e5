"""Ten thousand wrong passwords for one account, over two workers, while others log in.

``python -m scripts.bench.guessing`` prints, for SQLite and PostgreSQL: how many guesses reached the
hash, whether the owner still gets in from where they have logged in before, and the p99 of other
users' logins during the attack against before it. Exit code 1 if a guess too many was hashed or
the owner was locked out.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import func, select

from app.database.engines import Database
from app.models import AuditEvent
from app.settings import Settings
from scripts.bench.servers import LOGIN, PEOPLE, latchkey
from tests.support.databases import Backend, postgresql, sqlite

GUESSES = 10_000
GUESSES_PER_SECOND = 200.0
LOGINS_PER_SECOND = 4.0
IDLE_SECONDS = 20.0

HOME = "198.51.100.1"


async def _log_in(port: int, address: str, **form: str) -> tuple[int, float]:
    """The status of one login on a connection of its own, and its milliseconds."""
    body = urlencode(LOGIN | form)
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        "POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        f"X-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    answer = await reader.read()
    writer.close()
    return int(answer[9:12]), (time.perf_counter() - started) * 1000


async def _steadily(
    count: int, per_second: float, one: Callable[[int], Awaitable[tuple[int, float]]]
) -> list[tuple[int, float]]:
    """Start ``one`` at fixed times, whatever happens to the answers."""
    started, tasks = time.perf_counter(), []
    for number in range(count):
        await asyncio.sleep(started + number / per_second - time.perf_counter())
        tasks.append(asyncio.ensure_future(one(number)))
    return list(await asyncio.gather(*tasks))


def _p99(answers: list[tuple[int, float]]) -> float:
    ordered = sorted(milliseconds for _, milliseconds in answers)
    return ordered[len(ordered) * 99 // 100]


async def _hashed(url: str) -> int:
    database = Database(url)
    async with database.read() as connection:
        failed = select(func.count()).where(AuditEvent.type == "login.failed")
        count = await connection.scalar(failed)
    await database.close()
    return count or 0


async def _attack(port: int, url: str, name: str) -> bool:
    def somebody(number: int) -> Awaitable[tuple[int, float]]:
        person = number % PEOPLE
        return _log_in(port, f"203.0.113.{person}", username=f"person{person}")

    def guess(number: int) -> Awaitable[tuple[int, float]]:
        many = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        address = "192.0.2.1" if number < GUESSES // 2 else many
        return _log_in(port, address, password=f"wrong {number}")

    await _steadily(PEOPLE, LOGINS_PER_SECOND, somebody)  # from now on they are known there
    assert (await _log_in(port, HOME))[0] == 200
    idle = await _steadily(int(IDLE_SECONDS * LOGINS_PER_SECOND), LOGINS_PER_SECOND, somebody)
    seconds = GUESSES / GUESSES_PER_SECOND
    guesses, logins = await asyncio.gather(
        _steadily(GUESSES, GUESSES_PER_SECOND, guess),
        _steadily(int(seconds * LOGINS_PER_SECOND), LOGINS_PER_SECOND, somebody),
    )
    owner, _ = await _log_in(port, HOME)
    hashed, limit = await _hashed(url), Settings.model_fields["login_max_failures"].default
    others = Counter(status for status, _ in logins)
    print(f"{name}: {GUESSES} guesses at {GUESSES_PER_SECOND:.0f}/s over two workers")
    print(f"  answered                {dict(Counter(status for status, _ in guesses))}")
    print(f"  reached the hash        {hashed} (limit {limit})")
    print(f"  the owner, at home      {owner}")
    print(f"  other users' logins     {dict(others)}, p99 {_p99(logins):.0f} ms,", end=" ")
    print(f"idle {_p99(idle):.0f} ms, ratio {_p99(logins) / _p99(idle):.2f} (goal <= 2)")
    return hashed <= limit and owner == 200 and set(others) == {200}


def main() -> int:
    """Exit code 1 if the account was not protected, or its owner locked out."""
    good = True
    backends: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {
        "sqlite": sqlite,
        "postgresql": lambda _: postgresql(),
    }
    for name, backend in backends.items():
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attack")))
            url = stack.enter_context(backend(folder)).migrated()
            server = stack.enter_context(latchkey(url, {}, folder, workers=2))
            good &= asyncio.run(_attack(server.port, url, name))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
