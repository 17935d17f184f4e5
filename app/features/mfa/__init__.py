"""A second factor: codes of an authenticator app and recovery codes, at every login."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.expired import Expired
from app.feature import AccountSection, Feature
from app.features.authorization_code import feature as authorization_code
from app.features.mfa.factors import OTP, RECOVERY_CODE
from app.features.mfa.model import (
    AppendingClient,
    MfaChallenge,
    MfaRequirement,
    RecoveryCode,
    TotpSecret,
)
from app.features.mfa.policy import POLICY
from app.features.mfa.recovery_codes import count_left
from app.features.mfa.requirements import REQUIRED, WAIVED
from app.features.mfa.service import (
    ADDED,
    CODE_USED,
    CODES_REPLACED,
    REMOVED,
    RESET,
)
from app.features.mfa.totp import TIME_TO_CONFIRM, confirmed_since, renew_totp_secrets
from app.login.second_step import Factor, SecondStepPolicy
from app.message import Message
from app.posture import Finding, Severity
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer


def _is_on(settings: Settings) -> bool:
    return settings.mfa != "off"


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if not _is_on(settings):
        return []
    from app.features.mfa import pages, router  # the command line needs no routes

    return [router.own, router.managing, pages.router]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.mfa.commands import requirements, users  # a worker needs no commands

    return {"mfa": requirements, "users": users}


def _grants(settings: Settings) -> Sequence[Any]:
    if not _is_on(settings):
        return []
    from app.features.mfa.grant import GRANT  # the command line needs no grants

    return [GRANT]


def _factors(settings: Settings) -> Sequence[Factor]:
    return [OTP, RECOVERY_CODE] if _is_on(settings) else []


def _second_step(settings: Settings) -> SecondStepPolicy | None:
    return POLICY if _is_on(settings) else None


def _account(settings: Settings) -> AccountSection | None:
    if not _is_on(settings):
        return None
    from app.features.mfa.account import SECTION  # the command line needs no pages

    return SECTION


def _expired(_settings: Settings, now: datetime) -> Sequence[Expired]:
    unconfirmed = TotpSecret.confirmed_at.is_(None)
    return [
        Expired(MfaChallenge.key_hash, MfaChallenge.expires_at, now),
        Expired(TotpSecret.user_id, TotpSecret.created_at, now - TIME_TO_CONFIRM, also=unconfirmed),
    ]


async def _examine(
    connection: AsyncConnection, settings: Settings, _now: datetime
) -> AsyncIterator[Finding]:
    confirmed = select(func.count()).where(TotpSecret.confirmed_at.is_not(None))
    users = await connection.scalar(confirmed) or 0
    required = await connection.scalar(select(func.count()).select_from(MfaRequirement)) or 0
    if not _is_on(settings) and (users or required):
        yield Finding(
            Severity.WARNING,
            "mfa-off",
            f"LATCHKEY_MFA is off, with {users} second factors and {required} requirements",
            "Nobody is asked for a second factor, whether they have one or have to have one.",
            "Set it to optional or required.",
        )
    elif users:
        yield Finding(
            Severity.NOTE,
            "mfa-beside",
            f"{users} users have a second factor",
            "API keys, app passwords and Digest credentials of theirs go on without it.",
            "Revoke those that are not needed; a scope that `latchkey mfa require` names is closed "
            "to them here (docs/second-factor.md).",
        )


async def _export(
    connection: AsyncConnection, user_id: uuid.UUID, _limit: int
) -> Mapping[str, Any]:
    since = await confirmed_since(connection, user_id)
    left = await count_left(connection, user_id)
    return {"second_factor": {"otp_since": since, "recovery_codes_left": left}}


feature = Feature(
    name="mfa",
    requires=[authorization_code],
    tables=[TotpSecret, RecoveryCode, MfaChallenge, MfaRequirement, AppendingClient],
    event_types=[ADDED, REMOVED, RESET, CODES_REPLACED, CODE_USED, REQUIRED, WAIVED],
    activity={
        ADDED: Message("Authenticator app set up"),
        REMOVED: Message("Authenticator app removed"),
        RESET: Message("Second factor reset"),
        CODES_REPLACED: Message("Recovery codes replaced"),
        CODE_USED: Message("Recovery code used"),
        REQUIRED: Message("Second factor required"),
        WAIVED: Message("Second factor no longer required"),
    },
    routers=_routers,
    factors=_factors,
    second_step=_second_step,
    grants=_grants,
    export=_export,
    commands=_commands,
    account=_account,
    renew=renew_totp_secrets,
    expired=_expired,
    examine=_examine,
)
