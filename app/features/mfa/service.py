"""What users and administrators do with second factors; each leaves a trace, and a notice."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from app.features.mfa import recovery_codes, totp
from app.identity.users import get_account, hold_user
from app.login.conditions import holds_for
from app.login.counts import forget_tries, second_factor_of
from app.login.endings import end_other_logins
from app.login.notices import FactorChanged
from app.login.second_step import Factor
from app.login.strength import Level, level_of
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings

ADDED = FeatureEventType("mfa.added")
REMOVED = FeatureEventType("mfa.removed")
RESET = FeatureEventType("mfa.reset")
CODES_REPLACED = FeatureEventType("mfa.recovery_codes_replaced")
CODE_USED = FeatureEventType("mfa.recovery_code_used")

WRONG_CODE = Message("The code is wrong. Take the one that the app shows now.")

OVER = Message("Set the app up anew: this took too long, or was begun again elsewhere.")


class WeakLoginError(ForbiddenError):
    """A user with a second factor has not shown it."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What a user has."""

    otp_since: datetime | None
    recovery_codes_left: int


async def state_of(connection: AsyncConnection, user_id: uuid.UUID) -> State:
    """What the user of that id has."""
    return State(
        otp_since=await totp.confirmed_since(connection, user_id),
        recovery_codes_left=await recovery_codes.count_left(connection, user_id),
    )


@dataclass(frozen=True, kw_only=True)
class NewSecret:
    """For an authenticator app: shown this once."""

    secret: str
    uri: str
    """The same as a QR code has it."""


async def start_enrolment(actor: Actor, settings: Settings) -> NewSecret:
    """A secret for the app of the user, who has just typed their password.

    It counts for nothing until its first code comes. Raises :class:`ConflictError`.
    """
    connection, user_id, now = actor.connection, _id(actor), actor.now
    if not await totp.start(connection, settings, user_id, actor.login, now):
        raise ConflictError(told=Message("You have an authenticator app already. Remove it first."))
    return await show_again(actor, settings)


async def show_again(actor: Actor, settings: Settings) -> NewSecret:
    """The secret that waits for a code in this login. Raises :class:`InvalidError` without one."""
    connection, user_id = actor.connection, _id(actor)
    secret = await totp.waiting_secret(connection, settings, user_id, actor.login, actor.now)
    if secret is None:
        raise InvalidError(told=OVER, field="otp")
    account = await get_account(connection, user_id)
    return describe_secret(settings, account.username, secret)


def describe_secret(settings: Settings, username: str, secret: str) -> NewSecret:
    """The secret, as it is typed and as it is scanned."""
    uri = totp.provisioning_uri(settings, username, secret)
    groups = [secret[each : each + 4] for each in range(0, len(secret), 4)]
    return NewSecret(secret=" ".join(groups), uri=uri)


async def confirm_enrolment(actor: Actor, settings: Settings, code: str) -> Sequence[str]:
    """Let the app count from now on; returns new recovery codes, which are shown this once.

    Raises :class:`InvalidError` for a code that is not of the secret that waits.
    """
    connection, user_id = actor.connection, _id(actor)
    if not await totp.confirm(connection, settings, user_id, actor.login, code, actor.now):
        raise InvalidError(told=WRONG_CODE, field="otp")
    codes = await recovery_codes.replace_codes(connection, user_id)
    await actor.record(ADDED, user_id=user_id, client_id=actor.client_id, method="otp")
    await _tell(actor, user_id, "added")
    return codes


async def remove_app(actor: Actor) -> None:
    """Take the app away; recovery codes stay for what else the user has.

    Raises :class:`NotFoundError`, or :class:`WeakLoginError`.
    """
    user_id = _id(actor)
    if not await holds_for(actor.connection, totp.HAS_TOTP, user_id):
        raise NotFoundError(told=Message("You have no authenticator app."))
    await require_shown(actor)
    await totp.remove(actor.connection, user_id)
    await actor.record(REMOVED, user_id=user_id, client_id=actor.client_id, method="otp")
    await _tell(actor, user_id, "removed")


async def replace_recovery_codes(actor: Actor) -> Sequence[str]:
    """New codes, shown this once. Raises :class:`WeakLoginError`."""
    await require_shown(actor)
    user_id = _id(actor)
    codes = await recovery_codes.replace_codes(actor.connection, user_id)
    await actor.record(CODES_REPLACED, user_id=user_id, client_id=actor.client_id)
    await _tell(actor, user_id, "recovery_codes_replaced")
    return codes


async def require_shown(actor: Actor) -> None:
    """Raise :class:`WeakLoginError` unless the user logged in with a second factor.

    The password alone must not take away what is there because a password is not enough.
    """
    if level_of(actor.amr) < Level.FACTOR:
        raise WeakLoginError(
            told=Message("Log out and log in again with your second factor before you change this.")
        )


async def reset_factors(
    actor: Actor, user_id: uuid.UUID, factors: Sequence[Factor]
) -> Mapping[str, Any]:
    """Take all factors from a user who has lost them, and end all that they are logged in to.

    Nobody resets their own: with a stolen password that would be a way around it. Raises
    :class:`NotFoundError`, or :class:`ForbiddenError`, also for a user over whom the actor is not.
    """
    connection, now = actor.connection, actor.now
    if actor.is_user(user_id):
        raise ForbiddenError(told="Somebody else resets your second factor.")
    await hold_user(connection, user_id)
    account = await get_account(connection, user_id)
    actor.require_over(account.scopes)
    taken = [each.method for each in factors if await each.reset(connection, user_id)]
    await forget_tries(connection, second_factor_of(user_id))
    await end_other_logins(connection, user_id, None, now)
    await actor.record(RESET, user_id=user_id, client_id=actor.client_id, methods=taken)
    await _tell(actor, user_id, "reset")
    return {"id": str(user_id), "username": account.username, "removed": taken}


async def _tell(actor: Actor, user_id: uuid.UUID, what: Any) -> None:
    notice = FactorChanged(user_id=user_id, at=actor.now, origin=actor.origin, what=what)
    await actor.notify(actor.connection, notice)


def _id(actor: Actor) -> uuid.UUID:
    return uuid.UUID(actor.subject)
