"""Who has to show more than a password, and how they are asked.

A ladder: any login, two factors, a passkey. Of all that is required of a login the strictest holds:
of its user, of its client, of a scope that it is granted, and of everybody by ``LATCHKEY_MFA``. And
whoever has a second factor is asked for it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.mfa.appended import dividing
from app.features.mfa.challenges import begin_for_client, begin_in_browser
from app.features.mfa.model import MfaRequirement
from app.features.mfa.totp import start
from app.login.conditions import CLIENT_ID, SCOPES, USER_ID
from app.login.second_step import (
    Enrolment,
    Factor,
    Proving,
    SecondStep,
    SecondStepPolicy,
    find_factors,
)
from app.login.strength import Level, level_of
from app.settings import Settings

PAGE = "second-factor"


REQUIRED_LEVEL = (
    select(func.max(MfaRequirement.level))
    .where(
        or_(
            MfaRequirement.user_id == USER_ID,
            MfaRequirement.client_id == CLIENT_ID,
            MfaRequirement.scope.in_(SCOPES),
        )
    )
    .scalar_subquery()
)
"""The strictest of what is required of a user, a client and scopes; NULL if nothing is."""


def level_for(settings: Settings, proving: Proving, required: Level, has_factor: bool) -> Level:
    """The least level that a login has to reach."""
    if level_of(proving.amr) >= Level.FACTOR or not (settings.mfa == "required" or has_factor):
        return required
    return max(required, Level.FACTOR)


async def levels_of_scopes(connection: AsyncConnection) -> Mapping[str, Level]:
    """The scopes that take more than a password."""
    rows = await connection.execute(
        select(MfaRequirement.scope, MfaRequirement.level).where(MfaRequirement.scope.is_not(None))
    )
    return {str(row.scope): Level(row.level) for row in rows}


async def begin(
    connection: AsyncConnection,
    settings: Settings,
    factors: Sequence[Factor],
    proving: Proving,
    now: datetime,
) -> SecondStep:
    """Ask for a factor that the user has; lead whoever has none to where they get one."""
    usable = await usable_factors(connection, factors, proving)
    if proving.browser is not None:
        if not usable and enrolment_for(factors, proving.level) is None:
            await start(connection, settings, proving.user_id, starter(proving.browser), now)
        await begin_in_browser(connection, proving.browser, proving, now, enrols=not usable)
        return SecondStep(page=PAGE, told="")
    methods = [factor.method for factor in usable if factor.elsewhere]
    if not usable:
        told = f"This account needs a second factor. Set one up at {settings.issuer}/account."
    elif not methods:
        told = "The second factor of this account takes a browser. Log in with one."
    else:
        token = await begin_for_client(connection, proving, now)
        told = "A second factor is required."
        return SecondStep(page=PAGE, methods=methods, token=token, told=told)
    return SecondStep(page=PAGE, told=told)


def starter(browser: str) -> str:
    """Who is shown the secret of an app that is set up on the way to a login."""
    return f"browser {browser}"


async def usable_factors(
    connection: AsyncConnection, factors: Sequence[Factor], proving: Proving
) -> Sequence[Factor]:
    """Those of the user's factors with which a login goes on to the level that is asked for.

    Where none reaches it, those of the step before: whoever has another one shows it before they
    get one that does.
    """
    has = await find_factors(connection, factors, proving.user_id)
    if all(each.fallback for each in has):
        return []
    reached = level_of(proving.amr)
    return _reaching(proving.level, has) or [each for each in has if each.level > reached]


def enrolment_for(factors: Sequence[Factor], level: Level) -> Enrolment | None:
    """How a user gets a factor that reaches ``level``; None where an app does, or nothing."""
    if level <= Level.FACTOR:
        return None
    found = [each.enrolment for each in factors if each.level >= level]
    return next((enrolment for enrolment in found if enrolment is not None), None)


def _reaching(level: Level, factors: Collection[Factor]) -> Sequence[Factor]:
    return [factor for factor in factors if factor.level >= level]


POLICY = SecondStepPolicy(
    required_level=REQUIRED_LEVEL,
    level=level_for,
    begin=begin,
    divide=dividing,
    levels_of_scopes=levels_of_scopes,
)
