"""What is counted so that nobody can try for ever, in the database and for all workers.

A failed login is counted by :mod:`app.login.throttle`, everything else that can be tried here: a
code, a mail that is asked for. The key of a count is a hash, so that the table tells nobody what
was tried.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from math import ceil

from sqlalchemy import case, delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.errors import LoginRefused
from app.models import FailedLogins
from app.security.opaque import hash_secret
from app.settings import Settings

FORGOTTEN_AFTER = timedelta(days=1)
LONGEST_WAIT = timedelta(hours=12)

FailureCount = tuple[int, datetime]
"""How many failures were counted, and when the last one was."""

Counts = Mapping[str, FailureCount]
"""By the keys under which they were counted."""


def time_left(
    count: int, last_failed_at: datetime, limit: int, lockout: timedelta, now: datetime
) -> timedelta:
    """How long until the next attempt is allowed. A limit of 0 is none."""
    if not limit or count < limit:
        return timedelta(0)
    doubled: timedelta = lockout * 2 ** min(count - limit, 20)
    return last_failed_at + min(doubled, max(LONGEST_WAIT, lockout)) - now


def require_no_wait(left: timedelta) -> None:
    """Raise :class:`~app.errors.LoginRefused` if there is time left to wait."""
    if left > timedelta(0):
        seconds = ceil(left.total_seconds())
        raise LoginRefused("wait", reason="too many failed logins", retry_after=seconds)


async def hold_counts(connection: AsyncConnection, keys: Collection[str], now: datetime) -> Counts:
    """The counts as they are, kept from everybody else until the transaction ends.

    A count that has been left alone for a day begins anew.
    """
    statement = insert_unless(connection, FailedLogins).values(
        # In one order, so that there is no deadlock.
        [{"key_hash": key, "count": 0, "last_failed_at": now} for key in sorted(keys)]
    )
    stale = FailedLogins.last_failed_at < now - FORGOTTEN_AFTER
    held = statement.on_conflict_do_update(
        index_elements=[FailedLogins.key_hash],
        set_={"count": case((stale, 0), else_=FailedLogins.count)},
    ).returning(FailedLogins.key_hash, FailedLogins.count, FailedLogins.last_failed_at)
    return {key: (count, at) for key, count, at in await connection.execute(held)}


async def add_failure(connection: AsyncConnection, keys: Collection[str], now: datetime) -> None:
    """Add one to each of the counts, which are held."""
    await connection.execute(
        update(FailedLogins)
        .where(FailedLogins.key_hash.in_(sorted(keys)))
        .values(count=FailedLogins.count + 1, last_failed_at=now)
    )


async def count_try(
    connection: AsyncConnection, settings: Settings, what: str, limit: int, now: datetime
) -> None:
    """Count a try at something else than a password; past the limit the wait is that of a login.

    ``what`` names what is tried, and by whom or at what. A limit of 0 is none. Raises
    :class:`~app.errors.LoginRefused`.
    """
    if not limit:
        return
    key = hash_secret(what)
    counts = await hold_counts(connection, [key], now)
    lockout = timedelta(seconds=settings.login_lockout_seconds)
    require_no_wait(time_left(*counts[key], limit, lockout, now))
    await add_failure(connection, [key], now)


async def forget_tries(connection: AsyncConnection, what: str) -> bool:
    """Clear what :func:`count_try` has counted of ``what``. False if that is nothing."""
    counted = FailedLogins.key_hash == hash_secret(what)
    return (await connection.execute(delete(FailedLogins).where(counted))).rowcount > 0


def second_factor_of(user_id: uuid.UUID) -> str:
    """What :func:`count_try` counts of all that a user shows beside the password."""
    return f"second factor {user_id}"


async def take_turn(
    connection: AsyncConnection, what: str, limit: int, window: timedelta, now: datetime
) -> None:
    """Take one of ``limit`` turns in ``window``, at something that is no failure.

    A turn comes back after each ``window / limit``, so whoever keeps to the rate never waits. A
    limit of 0 is none. Raises :class:`~app.errors.LoginRefused`.
    """
    if not limit:
        return
    key, pause = hash_secret(what), window / limit
    count, last = (await hold_counts(connection, [key], now))[key]
    taken = max(0, count - (now - last) // pause)
    if taken >= limit:
        require_no_wait(pause - (now - last) % pause)
    taking = update(FailedLogins).where(FailedLogins.key_hash == key)
    await connection.execute(taking.values(count=taken + 1, last_failed_at=now))
