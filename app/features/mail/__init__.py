"""E-mail: queued in the database, sent by any worker; and what users hear of their accounts."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.expired import Expired
from app.feature import AccountSection, Feature
from app.features.authorization_code import feature as authorization_code
from app.features.mail.model import KnownDevice, Mail, MailProof, MailRequest, SilencedNotice
from app.features.mail.notices import KEPT_FOR, is_silenced, tell
from app.features.mail.queue import FAILED, SENT, mail_is_on, renew_mails
from app.features.mail.requests import USEFUL_FOR
from app.login.notices import Notice
from app.message import Message
from app.posture import Finding, Severity
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter

LATE = timedelta(hours=1)
"""After which a mail that waits is worth a look."""

KEPT_LONGER = timedelta(days=1)
"""A mail that is over is given up by whoever would send it, who says so in the trail: what nobody
tries goes with the purge. And how many links were sent in the last hour can be counted."""


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if not settings.development or settings.smtp_server is not None:
        return []
    from app.features.mail.mailbox import router  # the command line needs no routes

    return [router]


def _background(
    settings: Settings, database: Database, clock: Clock
) -> AbstractAsyncContextManager[None]:
    from app.features.mail.sending import sending  # the command line sends nothing

    return sending(settings, database, clock)


def _account(settings: Settings) -> AccountSection | None:
    if not mail_is_on(settings):
        return None
    from app.features.mail.account import SECTION  # the command line needs no pages

    return SECTION


async def _notify(connection: AsyncConnection, settings: Settings, notice: Notice) -> None:
    if mail_is_on(settings):
        await tell(connection, settings, notice)


def _expired(_settings: Settings, now: datetime) -> Sequence[Expired]:
    return [
        Expired(Mail.id, Mail.expires_at, now - KEPT_LONGER),
        Expired(MailProof.token_hash, MailProof.expires_at, now - KEPT_LONGER),
        Expired(MailRequest.id, MailRequest.requested_at, now - USEFUL_FOR),
        Expired(KnownDevice.device_hash, KnownDevice.last_seen_at, now - KEPT_FOR),
    ]


async def _export(connection: AsyncConnection, user_id: uuid.UUID, limit: int) -> Mapping[str, Any]:
    seen = select(KnownDevice.first_seen_at, KnownDevice.last_seen_at)
    newest = seen.order_by(KnownDevice.first_seen_at.desc()).limit(limit)
    devices = await connection.execute(newest.where(KnownDevice.user_id == user_id))
    return {
        "known_devices": [dict(row._mapping) for row in devices],
        "mails_about_new_logins": not await is_silenced(connection, user_id),
    }


async def _examine(
    connection: AsyncConnection, settings: Settings, now: datetime
) -> AsyncIterator[Finding]:
    server = settings.smtp_server
    if server is not None and server.security == "none" and not server.is_loopback:
        secret = "The password of the mail server, and links" if server.password else "Links"
        yield Finding(
            Severity.UNSAFE,
            "smtp-plaintext",
            "LATCHKEY_SMTP_URL turns STARTTLS off",
            f"{secret} that let people in cross the network in plaintext.",
            "Use smtps://, or smtp:// without ?starttls=off.",
        )
    late = select(func.count()).where(Mail.due_at.is_not(None), Mail.created_at < now - LATE)
    if count := await connection.scalar(late):
        yield Finding(
            Severity.WARNING,
            "mail-waits",
            f"{count} mails have waited for more than an hour",
            "The mail server does not take them, or no server runs that would send them. They are "
            "given up when what they say is over, after two days at most.",
            "Read the log for `the mail server is away` and `mail is put off`.",
        )


feature = Feature(
    name="mail",
    requires=[authorization_code],
    tables=[Mail, MailRequest, MailProof, KnownDevice, SilencedNotice],
    event_types=[SENT, FAILED],
    activity={SENT: "", FAILED: Message("A mail to you could not be delivered")},
    routers=_routers,
    background=_background,
    notify=_notify,
    export=_export,
    account=_account,
    renew=renew_mails,
    expired=_expired,
    examine=_examine,
)
