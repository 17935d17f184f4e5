"""Throttling of failed logins (RFC 6749, section 4.3.2; NIST SP 800-63B-4, section 3.2.2).

Failures are counted in the database, for all workers, by account and by address; names that do not
exist are counted like those that do. An attempt is counted before the password is looked at, and
taken back when it was right, so that no burst of guesses gets past the limit. A place from which
the account has logged in lately, which is an address or a browser, has a count of its own, so that
a stranger cannot lock a user out. Past the limit each further failure doubles the wait.

What stands in for a password is such a place of its own, wherever it is sent from. It proves less
than the password does: it clears no count but its own, and makes no other place a known one.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, delete, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import network_of
from app.database.engines import Database, insert_unless
from app.identity.profile import username_key
from app.login.counts import (
    Counts,
    FailureCount,
    add_failure,
    hold_counts,
    require_no_wait,
    time_left,
)
from app.models import FailedLogins, KnownOrigin
from app.security.opaque import hash_secret
from app.settings import Settings

KNOWN_FOR = timedelta(days=30)
LAST_LOGIN_PRECISION = timedelta(days=1)


@dataclass
class Attempt:
    """An attempt to log in: what it is counted under, and how it stands.

    The keys are hashes, so that the table tells nobody who was tried.
    """

    account: str
    address: str
    place: str
    """The account at this address; empty for a stand-in."""
    device: str
    """The account in this browser, or with this stand-in; empty for neither."""
    key: str
    """What the account's failures are counted under, at such an attempt."""
    known: bool = False
    """It comes from where the account has logged in lately."""
    spotless: bool = True
    """There is no failure to clear, and nothing new to note of a success."""
    alone: bool = True
    """No other attempt on the account was under way in this process when it began."""
    counted_at: datetime | None = None
    """None: it is not counted until it fails."""
    counts: Counts = field(default_factory=dict)
    """What was counted before it."""

    @property
    def clears(self) -> bool:
        """A success clears the count under its key."""
        return bool(self.place) or self.known

    @property
    def leaves_no_trace(self) -> bool:
        """A success has nothing to write."""
        return self.spotless and self.counted_at is None


def attempt_of(
    username: str,
    address: str | None,
    device: str | None = None,
    *,
    stand_in: str | None = None,
) -> Attempt:
    """An attempt of which nothing is known yet.

    ``device`` is the secret value of a cookie that only one browser has, and ``stand_in`` what was
    typed in place of the password.
    """
    name, network = username_key(username), network_of(address)
    account = hash_secret(f"account {name}")
    place = hash_secret(f"origin {network} {name}")
    at_device = hash_secret(f"device {device} {name}") if device else ""
    if stand_in is not None:
        place, at_device = "", hash_secret(f"stand-in {stand_in} {name}")
    return Attempt(
        account=account,
        address=hash_secret(f"address {network}"),
        place=place,
        device=at_device,
        key=account,
    )


# One query for both tables; what has no count is a known origin.
_STANDING = (
    select(FailedLogins.key_hash, FailedLogins.count, FailedLogins.last_failed_at)
    .where(
        FailedLogins.key_hash.in_(
            [bindparam(key) for key in ("account", "place", "device", "address")]
        )
    )
    .union_all(
        select(KnownOrigin.key_hash, null(), KnownOrigin.last_login_at).where(
            KnownOrigin.key_hash.in_([bindparam("place"), bindparam("device")])
        )
    )
)


class LoginThrottle:
    """The limits of the settings."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """A limit of 0 is none."""
        self._database = database
        self._per_account = settings.login_max_failures
        self._per_address = settings.login_max_failures_per_address
        self._lockout = timedelta(seconds=settings.login_lockout_seconds)
        self._under_way: set[str] = set()

    @property
    def _is_off(self) -> bool:
        return not (self._per_account or self._per_address)

    @contextmanager
    def under_way(self, attempt: Attempt) -> Generator[None]:
        """For as long as it takes until what is to be counted of ``attempt`` is counted."""
        attempt.alone = attempt.account not in self._under_way
        self._under_way.add(attempt.account)
        try:
            yield
        finally:
            if attempt.alone:
                self._under_way.discard(attempt.account)

    async def look_up(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
        """Find out how the attempt stands.

        Raises :class:`~app.errors.LoginRefused` if it has to wait.
        """
        if self._is_off:
            return
        failures: dict[str, FailureCount] = {}
        seen: dict[str, datetime] = {}
        keys = {name: getattr(attempt, name) for name in ("account", "place", "device", "address")}
        for key_hash, count, moment in await connection.execute(_STANDING, keys):
            if count is None:
                seen[key_hash] = moment
            else:
                failures[key_hash] = count, moment
        origins = [key for key in (attempt.device, attempt.place) if key]
        known = [key for key in origins if key in seen and now - seen[key] < KNOWN_FOR]
        attempt.key = known[0] if known else attempt.account
        attempt.known = bool(known)
        noted = all(key in seen and now - seen[key] < LAST_LOGIN_PRECISION for key in origins)
        attempt.spotless = noted and attempt.key not in failures
        self._wait(attempt, failures, now)

    def _wait(self, attempt: Attempt, failures: Counts, now: datetime) -> None:
        limits = {attempt.key: self._per_account}
        if not attempt.known:
            # Strangers at a user's own address would lock the user out through it.
            limits[attempt.address] = self._per_address
        left = [
            time_left(*failures[key], limit, self._lockout, now)
            for key, limit in limits.items()
            if key in failures
        ]
        require_no_wait(max(left, default=timedelta(0)))

    async def count(self, attempt: Attempt, now: datetime) -> None:
        """Count the attempt as one that failed, until it is known what came of it.

        From a known place without a failure one attempt at a time, in each process, is not counted
        beforehand: so the usual login writes nothing here, and a burst from such a place can get
        as many guesses more as there are processes. Raises :class:`~app.errors.LoginRefused`.
        """
        if self._is_off or (attempt.spotless and attempt.alone):
            return

        async def count(connection: AsyncConnection) -> Counts:
            counts = await hold_counts(connection, (attempt.key, attempt.address), now)
            self._wait(attempt, counts, now)
            await add_failure(connection, counts, now)
            return counts

        attempt.counts = await self._database.transact(count)
        attempt.counted_at = now

    async def failed(
        self, connection: AsyncConnection, attempt: Attempt, now: datetime
    ) -> list[str]:
        """Leave the attempt counted; return what has reached its limit: ``account``, ``address``.

        The account at one of its known places is an ``account`` too.
        """
        if self._is_off:
            return []
        counts = attempt.counts
        if attempt.counted_at is None:
            counts = await hold_counts(connection, (attempt.key, attempt.address), now)
            await add_failure(connection, counts, now)
        limits = {
            "account": (attempt.key, self._per_account),
            "address": (attempt.address, self._per_address),
        }
        return [
            name for name, (key, limit) in limits.items() if limit and counts[key][0] + 1 >= limit
        ]

    async def succeeded(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
        """Take the attempt back, clear its account's count, note where it logged in from."""
        if self._is_off:
            return
        for key in sorted((attempt.key, attempt.address)):  # one order, no deadlock
            if key == attempt.key and attempt.clears:
                await connection.execute(delete(FailedLogins).where(FailedLogins.key_hash == key))
            else:
                await _withdraw(connection, attempt, key)
        origins = sorted(key for key in (attempt.place, attempt.device) if key)
        statement = insert_unless(connection, KnownOrigin).values(
            [{"key_hash": key, "last_login_at": now} for key in origins]
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[KnownOrigin.key_hash],
                set_={"last_login_at": now},
                where=KnownOrigin.last_login_at < now - LAST_LOGIN_PRECISION,
            )
        )

    async def withdraw(self, connection: AsyncConnection, attempt: Attempt) -> None:
        """Take an attempt back whose password was never looked at."""
        for key in sorted(attempt.counts):
            await _withdraw(connection, attempt, key)


async def forget_failures(connection: AsyncConnection, username: str) -> bool:
    """Clear the count that keeps an account from places it has not logged in from lately.

    False if there is none. Places that it has logged in from have counts of their own.
    """
    account = FailedLogins.key_hash == attempt_of(username, None).account
    return (await connection.execute(delete(FailedLogins).where(account))).rowcount > 0


async def _withdraw(connection: AsyncConnection, attempt: Attempt, key: str) -> None:
    if key not in attempt.counts:
        return
    _, previously = attempt.counts[key]
    # Unless another one has failed meanwhile, the wait is again what it was.
    untouched = FailedLogins.last_failed_at == attempt.counted_at
    await connection.execute(
        update(FailedLogins)
        .where(FailedLogins.key_hash == key, FailedLogins.count > 0)
        .values(
            count=FailedLogins.count - 1,
            last_failed_at=case((untouched, previously), else_=FailedLogins.last_failed_at),
        )
    )
