"""Verification of e-mail addresses, by a link or a code in a mail to them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.feature import AccountSection, Feature
from app.features.authorization_code import feature as authorization_code
from app.features.mail import feature as mail
from app.features.mail.queue import mail_is_on
from app.features.verification.service import VERIFIED, send_verification
from app.login.notices import EmailChanged, Notice
from app.message import Message
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if not mail_is_on(settings):
        return []
    from app.features.verification.pages import router  # the command line needs no routes

    return [router]


def _account(settings: Settings) -> AccountSection | None:
    if not mail_is_on(settings):
        return None
    from app.features.verification.account import SECTION  # the command line needs no pages

    return SECTION


async def _notify(connection: AsyncConnection, settings: Settings, notice: Notice) -> None:
    if isinstance(notice, EmailChanged):
        await send_verification(connection, settings, notice.user_id, notice.origin, notice.at)


feature = Feature(
    name="verification",
    requires=[authorization_code, mail],
    event_types=[VERIFIED],
    activity={VERIFIED: Message("E-mail address confirmed")},
    routers=_routers,
    account=_account,
    notify=_notify,
)
