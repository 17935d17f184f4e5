"""Deletion: users delete their own account, and can change their mind for some days."""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.feature import AccountSection, Feature
from app.features.authorization_code import feature as authorization_code
from app.features.deletion.model import AccountDeletion
from app.features.deletion.service import (
    KEPT,
    REQUESTED,
    WAY_BACK,
    find_end,
    forget_request,
    purge_accounts,
)
from app.login.notices import Disabled, Notice
from app.message import Message
from app.posture import Finding, Severity
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter

LATE = timedelta(days=2)
"""For a purge that runs daily."""


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.deletion import keeping, pages  # the command line needs no routes

    # Who closed their account while that was possible can keep it still.
    return [keeping.router, *([pages.router] if _is_on(settings) else [])]


def _account(settings: Settings) -> AccountSection | None:
    if not _is_on(settings):
        return None
    from app.features.deletion.account import SECTION  # the command line needs no pages

    return SECTION


def _is_on(settings: Settings) -> bool:
    return settings.account_deletion == "on"


async def _notify(connection: AsyncConnection, _settings: Settings, notice: Notice) -> None:
    if isinstance(notice, Disabled):
        await forget_request(connection, notice.user_id)


async def _way_back(connection: AsyncConnection, user_id: uuid.UUID, now: datetime) -> str | None:
    return None if await find_end(connection, user_id, now) is None else WAY_BACK


async def _examine(
    connection: AsyncConnection, _settings: Settings, now: datetime
) -> AsyncIterator[Finding]:
    overdue = select(func.count()).where(AccountDeletion.ends_at < now - LATE)
    if count := await connection.scalar(overdue):
        yield Finding(
            Severity.WARNING,
            "account-deletions",
            f"Accounts that should have been deleted by now: {count}",
            "Their users were told when. They are disabled, and deleted by the next purge.",
            "Run `latchkey purge` daily, or set LATCHKEY_HOUSEKEEPING=true.",
        )


feature = Feature(
    name="deletion",
    requires=[authorization_code],
    tables=[AccountDeletion],
    event_types=[REQUESTED, KEPT],
    activity={
        REQUESTED: Message("Deletion of the account requested"),
        KEPT: Message("Account kept"),
    },
    routers=_routers,
    account=_account,
    notify=_notify,
    way_back=_way_back,
    purge=purge_accounts,
    examine=_examine,
)
