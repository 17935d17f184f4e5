"""Throttling of failed logins (RFC 6749, section 4.3.2; NIST SP 800-63B-4, section 3.2.2).

Failures are counted in the database, for all workers, by account and by address; names that do not
exist are counted like those that do. An attempt is counted before the password is looked at, and
taken back when it was right, so that no burst of guesses gets past the limit. A place from which
the account has logged in lately, which is an address or a browser, has a count of its own, so that
a stranger cannot lock a user out. Past the limit each further failure doubles the wait.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from sqlalchemy import bindparam, case, delete, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database, insert_unless
from app.models import FailedLogins, KnownOrigin
from app.security.opaque import hash_secret
from app.services.users import username_key
from app.settings import Settings

KNOWN_FOR = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=1)
LONGEST_WAIT = timedelta(hours=12)
LAST_LOGIN_PRECISION = timedelta(days=1)


class TooManyFailuresError(Exception):
    """No more attempts for now."""

    def __init__(self, retry_after: int) -> None:
        """``retry_after`` is in seconds."""
        super().__init__("too many failed logins")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Attempt:
    """An attempt to log in, as the keys under which it is counted."""

    account: str
    address: str
    place: str
    """The account at this address."""
    device: str
    """The account in this browser, or in none."""


def attempt_of(username: str, address: str | None, device: str | None = None) -> Attempt:
    """The keys of an attempt: hashes, so that the table tells nobody who was tried.

    ``device`` is the secret value of a cookie that only one browser has.
    """
    key, network = username_key(username), network_of(address)
    return Attempt(
        account=hash_secret(f"account {key}"),
        address=hash_secret(f"address {network}"),
        place=hash_secret(f"origin {network} {key}"),
        device=hash_secret(f"device {device} {key}") if device else "",
    )


def network_of(address: str | None) -> str:
    """IPv6 by /64, which is what one household or one attacker has."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


@dataclass(frozen=True)
class Standing:
    """What the database says of an attempt before it is made."""

    attempt: Attempt
    key: str
    """What the account's failures are counted under, at such an attempt."""
    known: bool
    """It comes from where the account has logged in lately."""
    spotless: bool
    """There is no failure to clear, and nothing new to note of a success."""
    alone: bool
    """No other attempt on the account was under way in this process when it began."""


@dataclass(frozen=True)
class Admission:
    """An attempt that may go on."""

    standing: Standing
    at: datetime
    counts: Mapping[str, tuple[int, datetime]] = field(default_factory=dict)
    """What was counted before, and when: empty if this attempt is not counted until it fails."""

    @property
    def leaves_no_trace(self) -> bool:
        """A success has nothing to write."""
        return self.standing.spotless and not self.counts


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

    async def check(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> Standing:
        """How the attempt stands, which is then under way until :meth:`leave`.

        Raises :class:`TooManyFailuresError` if it has to wait.
        """
        alone = attempt.account not in self._under_way
        standing = Standing(attempt, attempt.account, known=False, spotless=True, alone=alone)
        if self._is_off:
            return standing
        self._under_way.add(attempt.account)
        try:
            return await self._check(connection, standing, now)
        except BaseException:
            self.leave(standing)
            raise

    async def _check(
        self, connection: AsyncConnection, standing: Standing, now: datetime
    ) -> Standing:
        attempt = standing.attempt
        failures: dict[str, tuple[int, datetime]] = {}
        seen: dict[str, datetime] = {}
        for key_hash, count, moment in await connection.execute(_STANDING, asdict(attempt)):
            if count is None:
                seen[key_hash] = moment
            else:
                failures[key_hash] = count, moment
        origins = [key for key in (attempt.device, attempt.place) if key]
        known = [key for key in origins if key in seen and now - seen[key] < KNOWN_FOR]
        key = known[0] if known else attempt.account
        noted = all(key in seen and now - seen[key] < LAST_LOGIN_PRECISION for key in origins)
        spotless = noted and key not in failures
        standing = replace(standing, key=key, known=bool(known), spotless=spotless)
        self._wait(standing, failures, now)
        return standing

    def _wait(
        self, standing: Standing, failures: Mapping[str, tuple[int, datetime]], now: datetime
    ) -> None:
        limits = {standing.key: self._per_account}
        if not standing.known:
            # Strangers at a user's own address would lock the user out through it.
            limits[standing.attempt.address] = self._per_address
        waits = [
            self._left(*failures[key], limit, now)
            for key, limit in limits.items()
            if key in failures
        ]
        longest = max(waits, default=timedelta(0))
        if longest > timedelta(0):
            raise TooManyFailuresError(ceil(longest.total_seconds()))

    def _left(self, count: int, last_failed_at: datetime, limit: int, now: datetime) -> timedelta:
        """How long until the next attempt is allowed."""
        if not limit or count < limit:
            return timedelta(0)
        doubled: timedelta = self._lockout * 2 ** min(count - limit, 20)
        return last_failed_at + min(doubled, max(LONGEST_WAIT, self._lockout)) - now

    async def admit(self, standing: Standing, now: datetime) -> Admission:
        """Let the attempt go on, counted as one that failed. :meth:`leave` it when it is over.

        From a known place without a failure one attempt at a time, in each process, is not counted
        beforehand: so the usual login writes nothing here, and a burst from such a place can get
        as many guesses more as there are processes. Raises :class:`TooManyFailuresError`.
        """
        if self._is_off or (standing.spotless and standing.alone):
            return Admission(standing, now)
        try:
            async with self._database.transaction() as connection:
                counts = await self._hold(connection, standing, now)
                self._wait(standing, counts, now)
                await _add(connection, counts, now)
        except BaseException:
            self.leave(standing)
            raise
        return Admission(standing, now, counts)

    async def _hold(
        self, connection: AsyncConnection, standing: Standing, now: datetime
    ) -> Mapping[str, tuple[int, datetime]]:
        """The counts as they are, kept from everybody else until the transaction ends.

        A count that has been left alone for a day begins anew.
        """
        keys = sorted((standing.key, standing.attempt.address))  # one order, no deadlock
        statement = insert_unless(connection, FailedLogins).values(
            [{"key_hash": key, "count": 0, "last_failed_at": now} for key in keys]
        )
        stale = FailedLogins.last_failed_at < now - FORGOTTEN_AFTER
        held = statement.on_conflict_do_update(
            index_elements=[FailedLogins.key_hash],
            set_={"count": case((stale, 0), else_=FailedLogins.count)},
        ).returning(FailedLogins.key_hash, FailedLogins.count, FailedLogins.last_failed_at)
        return {key: (count, at) for key, count, at in await connection.execute(held)}

    async def failed(
        self, connection: AsyncConnection, admission: Admission, now: datetime
    ) -> list[str]:
        """Leave the attempt counted; return what has reached its limit: ``account``, ``address``.

        The account at one of its known places is an ``account`` too.
        """
        if self._is_off:
            return []
        standing, counts = admission.standing, admission.counts
        if not counts:
            counts = await self._hold(connection, standing, now)
            await _add(connection, counts, now)
        limits = {
            "account": (standing.key, self._per_account),
            "address": (standing.attempt.address, self._per_address),
        }
        return [
            name for name, (key, limit) in limits.items() if limit and counts[key][0] + 1 >= limit
        ]

    async def succeeded(
        self, connection: AsyncConnection, admission: Admission, now: datetime
    ) -> None:
        """Take the attempt back, clear its account's count, note where it logged in from."""
        if self._is_off:
            return
        standing = admission.standing
        for key in sorted((standing.key, standing.attempt.address)):  # one order, no deadlock
            if key == standing.key:
                await connection.execute(delete(FailedLogins).where(FailedLogins.key_hash == key))
            else:
                await self._withdraw(connection, admission, key)
        origins = sorted(key for key in (standing.attempt.place, standing.attempt.device) if key)
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

    async def withdraw(self, admission: Admission) -> None:
        """Take an attempt back whose password was never looked at."""
        if admission.counts:
            async with self._database.transaction() as connection:
                for key in sorted(admission.counts):
                    await self._withdraw(connection, admission, key)

    async def _withdraw(self, connection: AsyncConnection, admission: Admission, key: str) -> None:
        if key not in admission.counts:
            return
        _, previously = admission.counts[key]
        # Unless another one has failed meanwhile, the wait is again what it was.
        untouched = FailedLogins.last_failed_at == admission.at
        await connection.execute(
            update(FailedLogins)
            .where(FailedLogins.key_hash == key, FailedLogins.count > 0)
            .values(
                count=FailedLogins.count - 1,
                last_failed_at=case((untouched, previously), else_=FailedLogins.last_failed_at),
            )
        )

    def leave(self, standing: Standing) -> None:
        """The attempt is over, and what is to be counted is counted."""
        if standing.alone:
            self._under_way.discard(standing.attempt.account)


async def _add(
    connection: AsyncConnection, counts: Mapping[str, tuple[int, datetime]], now: datetime
) -> None:
    await connection.execute(
        update(FailedLogins)
        .where(FailedLogins.key_hash.in_(sorted(counts)))
        .values(count=FailedLogins.count + 1, last_failed_at=now)
    )
