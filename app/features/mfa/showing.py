"""Judging what is shown, at ``/token`` and in a browser: count the try, then look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, Origin, record
from app.clock import Clock
from app.database.engines import Database
from app.errors import LoginRefused
from app.features.mfa.challenges import Challenge, note_result, use_up
from app.login.notices import Notify
from app.login.second_step import Factor, Shown
from app.settings import Settings

WRONG = "wrong code"


@dataclass(frozen=True, kw_only=True)
class Showing:
    """What came for a challenge whose try is counted."""

    challenge: Challenge
    factor: Factor
    fields: Mapping[str, str] = field(repr=False)
    settings: Settings = field(repr=False)
    clock: Clock = field(repr=False)
    notify: Notify = field(repr=False)
    origin: Origin
    browser: str | None = field(default=None, repr=False)

    async def prove(self, connection: AsyncConnection) -> Sequence[str]:
        """The ``amr`` of a login that begins in this transaction, which holds its user.

        The challenge is used up, and so is a code that counts once. Raises :class:`LoginRefused`,
        and then nothing is.
        """
        now = self.clock.now()
        await use_up(connection, self.challenge, now, self.fields.get(self.factor.method, ""))
        shown = Shown(
            connection=connection,
            settings=self.settings,
            user_id=self.challenge.user_id,
            fields=self.fields,
            client_id=self.challenge.client_id,
            origin=self.origin,
            clock=self.clock,
            notify=self.notify,
            browser=self.browser,
        )
        added = await self.factor.prove(shown)
        if added is None:
            raise LoginRefused("wrong", reason=WRONG)
        amr = tuple(dict.fromkeys([*self.challenge.amr, *added]))
        await note_result(connection, self.challenge, amr)
        return amr


async def note_failure(
    database: Database,
    clock: Clock,
    challenge: Challenge,
    origin: Origin,
    door: str,
    reason: str,
) -> None:
    """Write down that something wrong was shown after the right password."""
    failed = Event(
        type="login.failed",
        user_id=challenge.user_id,
        client_id=challenge.client_id,
        origin=origin,
        details={"door": door, "reason": reason},
    )
    await database.transact(lambda connection: record(connection, clock.now(), failed))
