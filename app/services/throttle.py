"""Throttling of failed logins (RFC 6749, section 4.3.2; NIST SP 800-63B-4, section 3.2.2).

Failures are counted in the database, for all workers, by account and by address; names that do not
exist are counted like those that do. An address from which the account has logged in lately has a
count of its own, so that a stranger cannot lock a user out. Past the limit each further failure
doubles the wait; a success clears the account's count.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from sqlalchemy import bindparam, delete, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import insert_unless
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
    origin: str


def attempt_of(username: str, address: str | None) -> Attempt:
    """The keys of an attempt: hashes, so that the table tells nobody who was tried."""
    key, network = username_key(username), _network(address)
    return Attempt(
        account=hash_secret(f"account {key}"),
        address=hash_secret(f"address {network}"),
        origin=hash_secret(f"origin {network} {key}"),
    )


def _network(address: str | None) -> str:
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

    known: bool
    """It comes from where the account has logged in lately."""
    spotless: bool
    """A success has nothing to clear and nothing to note."""


# One query for both tables; what has no count is a known origin.
_STANDING = (
    select(FailedLogins.key_hash, FailedLogins.count, FailedLogins.last_failed_at)
    .where(
        FailedLogins.key_hash.in_([bindparam("account"), bindparam("origin"), bindparam("address")])
    )
    .union_all(
        select(KnownOrigin.key_hash, null(), KnownOrigin.last_login_at).where(
            KnownOrigin.key_hash == bindparam("origin")
        )
    )
)


class LoginThrottle:
    """The limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        """A limit of 0 is none."""
        self._per_account = settings.login_max_failures
        self._per_address = settings.login_max_failures_per_address
        self._lockout = timedelta(seconds=settings.login_lockout_seconds)

    @property
    def _is_off(self) -> bool:
        return not (self._per_account or self._per_address)

    async def check(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> Standing:
        """How the attempt stands. Raises :class:`TooManyFailuresError` if it has to wait."""
        if self._is_off:
            return Standing(known=False, spotless=True)
        rows = await connection.execute(_STANDING, asdict(attempt))
        failures: dict[str, tuple[int, datetime]] = {}
        seen: datetime | None = None
        for key_hash, count, moment in rows:
            if count is None:
                seen = moment
            else:
                failures[key_hash] = count, moment
        known = seen is not None and now - seen < KNOWN_FOR
        limits = {
            self._account_key(attempt, known): self._per_account,
            attempt.address: self._per_address,
        }
        waits = [
            self._until(*failures[key], limit) - now
            for key, limit in limits.items()
            if key in failures
        ]
        longest = max(waits, default=timedelta(0))
        if longest > timedelta(0):
            raise TooManyFailuresError(ceil(longest.total_seconds()))
        noted = seen is not None and now - seen < LAST_LOGIN_PRECISION
        return Standing(known=known, spotless=noted and not failures)

    def _account_key(self, attempt: Attempt, known: bool) -> str:
        return attempt.origin if known else attempt.account

    def _until(self, count: int, last_failed_at: datetime, limit: int) -> datetime:
        """When the next attempt is allowed."""
        if not limit or count < limit:
            return last_failed_at
        doubled: timedelta = self._lockout * 2 ** min(count - limit, 20)
        return last_failed_at + min(doubled, max(LONGEST_WAIT, self._lockout))

    async def failed(
        self, connection: AsyncConnection, attempt: Attempt, standing: Standing, now: datetime
    ) -> None:
        """Count a failure; a count that has been left alone for a day begins anew."""
        if self._is_off:
            return
        keys: Sequence[str] = (self._account_key(attempt, standing.known), attempt.address)
        stale = FailedLogins.last_failed_at < now - FORGOTTEN_AFTER
        await connection.execute(delete(FailedLogins).where(FailedLogins.key_hash.in_(keys), stale))
        statement = insert_unless(connection, FailedLogins).values(
            [{"key_hash": key, "count": 1, "last_failed_at": now} for key in sorted(keys)]
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[FailedLogins.key_hash],
                set_={"count": FailedLogins.count + 1, "last_failed_at": now},
            )
        )

    async def succeeded(self, connection: AsyncConnection, attempt: Attempt, now: datetime) -> None:
        """Clear the account's counts, and remember where it logged in from."""
        if self._is_off:
            return
        await connection.execute(
            delete(FailedLogins).where(FailedLogins.key_hash.in_([attempt.account, attempt.origin]))
        )
        statement = insert_unless(connection, KnownOrigin).values(
            key_hash=attempt.origin, last_login_at=now
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[KnownOrigin.key_hash],
                set_={"last_login_at": now},
                where=KnownOrigin.last_login_at < now - LAST_LOGIN_PRECISION,
            )
        )
