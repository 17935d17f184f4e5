"""Ways to log in on the login page with something else than a name and a password.

The core knows none. A feature brings one, by ``login_way`` of :class:`~app.feature.Feature`.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, Origin, network_of, record
from app.clock import Clock
from app.database.engines import Database
from app.login.counts import count_try
from app.login.second_step import Shown
from app.settings import Settings


@dataclass(frozen=True, kw_only=True)
class LoginWay:
    """A form of the login page that takes the place of the one for a name and a password."""

    field: str
    """Of the form: what the user shows comes in it."""
    template: str
    """The form, below ``app/features``."""
    find: Callable[[AsyncConnection, str], Awaitable[uuid.UUID]]
    """Whose it is that came, if it says the truth. Raises :class:`~app.errors.LoginRefused`."""
    prove: Callable[[Shown], Awaitable[Sequence[str]]]
    """What it proves, by the names of RFC 8176. Raises :class:`~app.errors.LoginRefused`."""
    wrong: str
    """What the page says when it is refused, in a sentence."""


async def note_failure(
    database: Database,
    settings: Settings,
    clock: Clock,
    origin: Origin,
    *,
    user_id: uuid.UUID | None,
    client_id: str | None,
    reason: str,
) -> None:
    """Write down that what somebody showed was refused.

    Nobody guesses what they show, so it is no failure of the account. Where a network keeps at it,
    it has to wait: raises :class:`~app.errors.LoginRefused`.
    """
    failed = Event(
        type="login.failed",
        user_id=user_id,
        client_id=client_id,
        origin=origin,
        details={"door": "login", "reason": reason},
    )

    async def note(connection: AsyncConnection) -> None:
        now, network = clock.now(), network_of(origin.address)
        limit = settings.login_max_failures_per_address
        await count_try(connection, settings, f"login without a password {network}", limit, now)
        await record(connection, now, failed)

    await database.transact(note)
