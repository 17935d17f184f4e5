"""App passwords: for software that can only send a password, so that it need not be the user's."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.expired import Expired
from app.feature import AccountSection, Feature
from app.features.app_passwords.model import AppPassword, AppPasswordLogin, AppPasswordScope
from app.features.app_passwords.service import (
    CREATED,
    KIND,
    MAY_TAKE_ONE,
    REVOKED,
    list_app_passwords,
    revoke_all,
)
from app.features.authorization_code import feature as authorization_code
from app.message import Message
from app.models import Client
from app.posture import Finding, LegacyFeature, Severity, permits
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

UNUSED_FOR = timedelta(days=90)


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if not permits(settings.posture, LegacyFeature.PASSWORD_GRANT):
        return []
    from app.features.app_passwords import pages, router  # the command line needs no routes

    return [router.router, pages.router]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.app_passwords.commands import cli  # a worker needs no commands

    return {"app-passwords": cli}


def _account(settings: Settings) -> AccountSection | None:
    if not permits(settings.posture, LegacyFeature.PASSWORD_GRANT):
        return None
    from app.features.app_passwords.account import SECTION  # the command line needs no pages

    return SECTION


async def _revoke(
    connection: AsyncConnection, user_id: uuid.UUID, now: datetime
) -> Mapping[str, Any]:
    """Whoever had the old password can have made some."""
    revoked = await revoke_all(connection, user_id, now)
    return {"app_passwords_revoked": revoked} if revoked else {}


def _expired(_settings: Settings, now: datetime) -> Sequence[Expired]:
    return [Expired(AppPassword.id, AppPassword.expires_at, now)]


async def _examine(
    connection: AsyncConnection, _settings: Settings, now: datetime
) -> AsyncIterator[Finding]:
    good = select(func.count()).join_from(AppPassword, Client).where(AppPassword.expires_at > now)
    if count := await connection.scalar(good.where(~MAY_TAKE_ONE)):
        yield Finding(
            Severity.NOTE,
            "app-passwords-open-nothing",
            f"{count} app passwords open nothing",
            "Their clients are disabled, or no longer have the grant `password`.",
            "Revoke them with `latchkey app-passwords revoke`, or leave them until they expire.",
        )
    since = now - UNUSED_FOR
    unused = func.coalesce(AppPassword.last_used_at, AppPassword.created_at) < since
    if count := await connection.scalar(good.where(unused)):
        yield Finding(
            Severity.NOTE,
            "app-passwords-unused",
            f"{count} app passwords were not used for {UNUSED_FOR.days} days",
            "Nobody would miss a login with one of them.",
            "See `latchkey app-passwords list`, and revoke those that nobody needs.",
        )


async def _export(connection: AsyncConnection, user_id: uuid.UUID, limit: int) -> Mapping[str, Any]:
    own = await list_app_passwords(connection, user_id)
    return {"app_passwords": own[:limit]}


feature = Feature(
    name="app_passwords",
    requires=[authorization_code],
    tables=[AppPassword, AppPasswordScope, AppPasswordLogin],
    event_types=[CREATED, REVOKED],
    activity={CREATED: Message("App password created"), REVOKED: Message("App password revoked")},
    stand_in=KIND,
    routers=_routers,
    account=_account,
    export=_export,
    commands=_commands,
    scope_holders={"app passwords": AppPasswordScope.scope},
    revoke=_revoke,
    expired=_expired,
    examine=_examine,
)
