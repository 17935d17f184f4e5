"""The queue: a mail is put into it in the transaction of what it tells, and sent by any worker.

A worker takes a mail by moving its ``due_at`` behind a lease, in one statement, so that no two have
it on either database. It is deleted when the mail server has accepted it. If the worker dies in
between, or the server's answer is lost, another one tries again when the lease ends, with the same
``Message-ID``. It is put off for longer each time, and given up when it is of no use any more.
"""

import json
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.audit.trail import Event, FeatureEventType, record
from app.database.engines import Database
from app.features.mail.letter import Letter
from app.features.mail.model import Mail
from app.languages.reader import read_by
from app.log import get_logger
from app.models import User
from app.security.encryption import Encryption, UndecryptableError
from app.settings import Settings

log = get_logger(NAME)

SENT = FeatureEventType("mail.sent")
FAILED = FeatureEventType("mail.failed")

MOST_WAITING = 10_000
"""Mails. A mail server that is away while somebody makes this one write must not fill the disk."""

USEFUL_FOR = timedelta(days=2)
"""Unless what it says is over sooner."""

LEASE = timedelta(minutes=5)
"""More than a worker takes for one mail."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
"""Between two attempts at one mail: the pause doubles, and never makes a mail late by more."""


@dataclass(frozen=True)
class QueuedMail:
    """A mail that a worker has taken, or that is shown."""

    id: uuid.UUID
    kind: str
    user_id: uuid.UUID | None
    created_at: datetime
    expires_at: datetime
    attempts: int
    recipient: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def mail_is_on(settings: Settings) -> bool:
    """Whether there is a mail server, or somebody who sees what would be sent."""
    return settings.smtp_server is not None or settings.development


async def queue_mail(
    connection: AsyncConnection,
    settings: Settings,
    letter: Letter,
    *,
    to: str,
    now: datetime,
    user_id: uuid.UUID | None = None,
    expires_at: datetime | None = None,
) -> bool:
    """Send ``letter`` once the transaction has committed; False if it will not be.

    That is where :func:`mail_is_on` is not, or too many mails wait. ``expires_at`` is when what it
    says is over, two days from ``now`` at the latest. It is in the language that the user of
    ``user_id`` has chosen, else in that of the request under way. No login and no change fails for
    it.
    """
    if not mail_is_on(settings):
        return False
    waiting = select(Mail.id).where(Mail.due_at.is_not(None)).offset(MOST_WAITING - 1).limit(1)
    if await connection.scalar(waiting):
        log.error("mail is not sent: too many wait", kind=letter.kind)
        return False
    locale = None
    if user_id is not None:
        locale = await connection.scalar(select(User.locale).where(User.id == user_id))
    with read_by(locale):
        content = {"recipient": to, **letter.written(settings.look)}
    latest = now + USEFUL_FOR
    await connection.execute(
        insert(Mail).values(
            id=uuid.uuid4(),
            kind=letter.kind,
            user_id=user_id,
            sealed=Encryption(settings.secret_keys).encrypt(json.dumps(content).encode()),
            created_at=now,
            due_at=now,
            expires_at=latest if expires_at is None else min(expires_at, latest),
        )
    )
    return True


_COLUMNS = (
    *(Mail.id, Mail.kind, Mail.user_id, Mail.created_at, Mail.expires_at, Mail.attempts),
    Mail.sealed,
)


async def take_mail(database: Database, encryption: Encryption, now: datetime) -> QueuedMail | None:
    """Take the mail that has waited longest, for the time of the lease; None if none is due."""
    is_due = select(Mail.id).where(Mail.due_at <= now).order_by(Mail.due_at).limit(1)
    async with database.read() as connection:
        if await connection.scalar(is_due) is None:  # so that an idle worker writes nothing
            return None
    oldest = is_due.with_for_update(skip_locked=True).scalar_subquery()
    taking = (
        update(Mail)
        .where(Mail.id == oldest, Mail.due_at <= now)
        .values(due_at=now + LEASE, attempts=Mail.attempts + 1)
        .returning(*_COLUMNS)
    )
    async with database.transaction() as connection:
        row = (await connection.execute(taking)).one_or_none()
        if row is None:
            return None
        try:
            content = json.loads(encryption.decrypt(row.sealed))
        except UndecryptableError:
            await connection.execute(delete(Mail).where(Mail.id == row.id))
            reason = "LATCHKEY_SECRET_KEY no longer has the key that it was encrypted with"
            await _record(connection, FAILED, row.kind, row.user_id, now, reason=reason)
            return None
    return QueuedMail(*row[:-1], **content)


async def mail_sent(database: Database, mail: QueuedMail, now: datetime) -> None:
    """Forget a mail that the mail server has accepted."""
    await _finish(database, mail, SENT, now)


async def mail_failed(database: Database, mail: QueuedMail, reason: str, now: datetime) -> None:
    """Forget a mail that will never be accepted. ``reason`` is for the trail: no secret."""
    await _finish(database, mail, FAILED, now, reason=reason)


async def _finish(
    database: Database, mail: QueuedMail, event_type: FeatureEventType, now: datetime, **more: str
) -> None:
    async def finish(connection: AsyncConnection) -> None:
        await connection.execute(delete(Mail).where(Mail.id == mail.id))
        await _record(connection, event_type, mail.kind, mail.user_id, now, **more)

    await database.transact(finish)


async def _record(
    connection: AsyncConnection,
    event_type: FeatureEventType,
    kind: str,
    user_id: uuid.UUID | None,
    now: datetime,
    **more: str,
) -> None:
    event = Event(type=event_type, user_id=user_id, details={"kind": kind, **more})
    await record(connection, now, event)


async def mail_shown(database: Database, mail: QueuedMail) -> None:
    """Keep a mail that is not to be sent, for whoever looks at it."""
    await _change_due(database, mail, None)


async def mail_put_off(database: Database, mail: QueuedMail, now: datetime) -> None:
    """Try again later; the more often it was tried, the later."""
    pause = FIRST_PAUSE * 2 ** min(mail.attempts - 1, 10)
    await _change_due(database, mail, now + min(pause, LONGEST_PAUSE))


async def _change_due(database: Database, mail: QueuedMail, due_at: datetime | None) -> None:
    # Unless another worker has it by now, since this one took longer than its lease.
    mine = (Mail.id == mail.id) & (Mail.attempts == mail.attempts)
    async with database.statement() as connection:
        await connection.execute(update(Mail).where(mine).values(due_at=due_at))


async def list_mails(
    connection: AsyncConnection, encryption: Encryption, limit: int
) -> list[QueuedMail]:
    """The newest mails, whether they wait or are only shown."""
    rows = await connection.execute(
        select(*_COLUMNS).order_by(Mail.created_at.desc(), Mail.id).limit(limit)
    )
    return [QueuedMail(*row[:-1], **json.loads(encryption.decrypt(row.sealed))) for row in rows]


async def renew_mails(connection: AsyncConnection, encryption: Encryption) -> None:
    """Encrypt what waits under the newest secret; what cannot be read is given up when due."""
    rows = await connection.execute(select(Mail.id, Mail.sealed))
    for row in rows.all():
        if encryption.is_newest(row.sealed):
            continue
        with suppress(UndecryptableError):
            renewed = encryption.encrypt(encryption.decrypt(row.sealed))
            await connection.execute(update(Mail).where(Mail.id == row.id).values(sealed=renewed))
