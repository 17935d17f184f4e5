"""Second factors as this server has them: what features bring, and how strong a login has to be.

The core knows none. One feature asks for them (:class:`~app.login.second_step.SecondStepPolicy`),
and any may bring some, or require a level of somebody.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.feature import Feature
from app.login.conditions import CLIENT_ID, SCOPES, USER_ID, holds_for
from app.login.notices import Notify
from app.login.second_step import (
    Divide,
    Factor,
    Proving,
    SecondStep,
    SecondStepPolicy,
    append_nothing,
    find_factors,
    has_one,
)
from app.login.strength import Level, acrs_up_to, level_of
from app.settings import Settings


class SecondFactors:
    """What is asked of a login, judged anew each time."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        features: Sequence[Feature],
        notify: Notify,
    ) -> None:
        """Nothing is read yet."""
        self._settings = settings
        self._database = database
        self._clock = clock
        self._features = features
        self._notify = notify
        self._levels_of_scopes: Recent[str, Mapping[str, Level]] = Recent(
            self._load_levels_of_scopes, clock
        )

    @cached_property
    def factors(self) -> Sequence[Factor]:
        """What users can show beside their password."""
        return [
            factor
            for each in self._features
            if each.factors
            for factor in each.factors(self._settings)
        ]

    @cached_property
    def acr_values(self) -> Sequence[str]:
        """The levels of a login that can be reached here."""
        asking = self._second_step is not None
        best = max((each.level for each in self.factors), default=Level.ANY)
        return acrs_up_to(best if asking else Level.ANY)

    @cached_property
    def _second_step(self) -> SecondStepPolicy | None:
        policies = [each.second_step(self._settings) for each in self._features if each.second_step]
        return next((policy for policy in policies if policy is not None), None)

    @cached_property
    def divide(self) -> Divide:
        """What old software sends behind the password, where a feature expects that."""
        policy = self._second_step
        if policy is None:
            return append_nothing
        return policy.divide(self._database, self._settings, self._clock, self._notify)

    async def level_for(self, connection: AsyncConnection, proving: Proving) -> Level:
        """The least level that the login has to reach, beside what its client asks for."""
        policy = self._second_step
        if policy is None:
            return Level.ANY
        parameters = {
            USER_ID.key: proving.user_id,
            CLIENT_ID.key: proving.client_id,
            SCOPES.key: sorted(proving.scopes),
        }
        has_factor, *levels = (await connection.execute(self._asked, parameters)).one()
        required = Level(max((level for level in levels if level is not None), default=Level.ANY))
        level = policy.level(self._settings, proving, required, has_factor)
        at_home = proving.client_id is None
        if at_home and level > Level.FACTOR and not await self._reaches(level, connection, proving):
            # Or nobody would come to their account who cannot get it on the way.
            return Level.FACTOR
        return level

    @cached_property
    def _asked(self) -> Select[*tuple[Any, ...]]:
        """What is asked of a login: whether its user has a factor, and levels that are required."""
        requiring = [self._second_step, *self._features]
        levels = [each.required_level for each in requiring if each is not None]
        return select(has_one(self.factors), *(level for level in levels if level is not None))

    async def _reaches(self, level: Level, connection: AsyncConnection, proving: Proving) -> bool:
        factors = [factor for factor in self.factors if factor.level >= level]
        if any(factor.enrolment is not None for factor in factors):
            return True
        return bool(await find_factors(connection, factors, proving.user_id))

    async def level_of_scopes(self, scopes: Collection[str]) -> Level:
        """The least level that opens the routes of this server that want these scopes."""
        if self._second_step is None or not scopes:
            return Level.ANY
        levels = await self._levels_of_scopes.get("all")
        return max((levels.get(scope, Level.ANY) for scope in scopes), default=Level.ANY)

    async def _load_levels_of_scopes(self, _key: str) -> Mapping[str, Level]:
        if self._second_step is None:
            return {}
        async with self._database.read() as connection:
            return await self._second_step.levels_of_scopes(connection)

    async def has_factor(self, connection: AsyncConnection, user_id: uuid.UUID) -> bool:
        """Whether the user has something to show beside the password."""
        return await holds_for(connection, has_one(self.factors), user_id)

    async def level_missed(
        self, connection: AsyncConnection, user_id: uuid.UUID, amr: Sequence[str]
    ) -> Level | None:
        """What a login of the user has to reach now; None if one with ``amr`` reaches it.

        It may be from before they had a second factor: then it changes nothing that opens their
        account.
        """
        proving = Proving(user_id=user_id, security_stamp="", amr=amr, client_id=None)
        level = await self.level_for(connection, proving)
        return None if level_of(amr) >= level else level

    async def shows_enough(self, user_id: uuid.UUID, amr: Sequence[str]) -> bool:
        """Whether a login with ``amr`` is as strong as one of the user has to be now."""
        async with self._database.read() as connection:
            return await self.level_missed(connection, user_id, amr) is None

    async def lacks_factor(self, user_id: uuid.UUID, amr: Sequence[str]) -> bool:
        """Whether a user who logged in with ``amr`` has to have a factor, and has none.

        They were logged in before it was required, and log in again before anything else.
        """
        if await self.shows_enough(user_id, amr):
            return False
        async with self._database.read() as connection:
            return not await self.has_factor(connection, user_id)

    async def find(self, connection: AsyncConnection, proving: Proving) -> SecondStep | None:
        """What the user still has to show; None if they are logged in with what they did.

        The transaction holds the user. What it writes has to be committed.
        """
        policy = self._second_step
        if policy is None:
            return None
        level = max(proving.level, await self.level_for(connection, proving))
        if level_of(proving.amr) >= level:
            return None
        asked = replace(proving, level=level)
        return await policy.begin(
            connection, self._settings, self.factors, asked, self._clock.now()
        )
