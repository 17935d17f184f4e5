"""Throttling of clients that do not prove who they are (RFC 6749, section 2.3.1).

Refusals are counted like failed logins, in their table and with their waits, by client and
address together: a stranger who names a client keeps it out at the stranger's own address alone.
Clients that do not exist share one count for each address.
"""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import network_of
from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.login.counts import (
    FailureCount,
    add_failure,
    hold_counts,
    require_no_wait,
    time_left,
)
from app.models import FailedLogins
from app.security.opaque import hash_secret
from app.settings import Settings


def client_key(client_id: str | None, address: str | None) -> str:
    """What a client's refusals are counted under; None is any client that does not exist."""
    network = network_of(address)
    if client_id is None:
        return hash_secret(f"unknown clients {network}")
    return hash_secret(f"client {network} {client_id}")


class ClientThrottle:
    """The limit of ``LATCHKEY_LOGIN_MAX_FAILURES_PER_ADDRESS``, for each client."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        """A limit of 0 is none, and then nothing is counted."""
        self._database = database
        self._clock = clock
        self._limit = settings.login_max_failures_per_address
        self._lockout = timedelta(seconds=settings.login_lockout_seconds)
        # A client that proves itself asks the database nothing but this, now and then.
        self._recent: Recent[str, FailureCount] = Recent(self._load, clock)

    async def _load(self, key: str) -> FailureCount:
        query = select(FailedLogins.count, FailedLogins.last_failed_at)
        async with self._database.read() as connection:
            rows = await connection.execute(query.where(FailedLogins.key_hash == key))
        for count, last_failed_at in rows:
            return count, last_failed_at
        return 0, self._clock.now()

    async def check(self, key: str) -> None:
        """Raise :class:`~app.errors.LoginRefused` while the client has to wait."""
        if self._limit:
            self._require_no_wait(await self._recent.get(key))

    def _require_no_wait(self, failures: FailureCount) -> None:
        require_no_wait(time_left(*failures, self._limit, self._lockout, self._clock.now()))

    async def failed(self, key: str) -> None:
        """Count a refusal. Raises :class:`~app.errors.LoginRefused` if others were faster."""
        if not self._limit:
            return

        async def count(connection: AsyncConnection) -> None:
            counts = await hold_counts(connection, [key], self._clock.now())
            self._require_no_wait(counts[key])
            await add_failure(connection, [key], self._clock.now())

        try:
            await self._database.transact(count)
        finally:
            self._recent.forget(key)

    async def succeeded(self, key: str) -> None:
        """Clear what was counted, after :meth:`check`."""
        if not self._limit or not (await self._recent.get(key))[0]:
            return
        async with self._database.statement() as connection:
            await connection.execute(delete(FailedLogins).where(FailedLogins.key_hash == key))
        self._recent.forget(key)
