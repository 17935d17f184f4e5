"""Sending what is queued, beside the requests: every worker of a server does."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from app import NAME
from app.clock import Clock
from app.database.engines import OUTAGES, Database
from app.features.mail.queue import (
    QueuedMail,
    mail_failed,
    mail_is_on,
    mail_put_off,
    mail_sent,
    mail_shown,
    take_mail,
)
from app.features.mail.smtp import (
    Connection,
    PutOffError,
    RefusedError,
    ServerAwayError,
    connected,
)
from app.log import get_logger
from app.security.encryption import Encryption
from app.settings import Settings

log = get_logger(NAME)

LOOK = 1.0
"""Seconds between two looks of one worker."""

PAUSE = 15.0
"""Seconds after which a mail server, or a database, that was away is asked again."""

PATIENCE = 5.0
"""Seconds that the mail that is under way may take when the server stops."""


class Sender:
    """The sending of one worker."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        """Nothing is done yet: see :meth:`look`."""
        self._settings = settings
        self._database = database
        self._clock = clock
        self._encryption = Encryption(settings.secret_keys)
        self._accepted: list[QueuedMail] = []
        """What the mail server has, and the queue could not be told yet."""
        self._stopping = False

    def stop(self) -> None:
        """End after the mail that is under way."""
        self._stopping = True

    async def look(self) -> float:
        """Send what is due; return after how many seconds to look again."""
        if self._settings.smtp_server is None:
            return await self._show()
        try:
            return await self._send_all()
        except OUTAGES as error:
            log.warning("sending mail waits for the database", kind=type(error).__name__)
            return PAUSE

    async def _send_all(self) -> float:
        await self._note_accepted()
        mail = await self._take()
        if mail is None:
            return LOOK
        try:
            async with connected(self._settings) as connection:
                while mail is not None:
                    await self._send(connection, mail)
                    mail = None if self._stopping else await self._take()
        except ServerAwayError as away:
            log.warning("the mail server is away", reason=str(away))
            if mail is not None:
                await mail_put_off(self._database, mail, self._clock.now())
            return PAUSE
        return LOOK

    async def _take(self) -> QueuedMail | None:
        """A mail that is due and still of use."""
        while mail := await take_mail(self._database, self._encryption, self._clock.now()):
            if self._clock.now() < mail.expires_at:
                return mail
            await self._give_up(mail, "the mail server did not take it in time")
        return None

    async def _send(self, connection: Connection, mail: QueuedMail) -> None:
        try:
            await connection.send(mail)
        except RefusedError as refusal:
            await self._give_up(mail, str(refusal))
        except PutOffError as refusal:
            log.info("mail is put off", kind=mail.kind, mail=str(mail.id), reason=str(refusal))
            await mail_put_off(self._database, mail, self._clock.now())
        else:
            self._accepted.append(mail)
            await self._note_accepted()
            log.info("mail is sent", kind=mail.kind, mail=str(mail.id))

    async def _note_accepted(self) -> None:
        while self._accepted:
            await mail_sent(self._database, self._accepted[0], self._clock.now())
            self._accepted.pop(0)

    async def _give_up(self, mail: QueuedMail, reason: str) -> None:
        log.error("mail is given up", kind=mail.kind, mail=str(mail.id), reason=reason)
        await mail_failed(self._database, mail, reason, self._clock.now())

    async def _show(self) -> float:
        """In development without a mail server: write mails into the log, and keep them."""
        try:
            while (mail := await self._take()) and not self._stopping:
                log.info("mail", to=mail.recipient, subject=mail.subject, text=mail.text)
                await mail_shown(self._database, mail)
        except OUTAGES as error:
            log.warning("showing mail waits for the database", kind=type(error).__name__)
            return PAUSE
        return LOOK


class Looks(Protocol):
    """What goes on beside the requests of a worker, from time to time."""

    async def look(self) -> float:
        """Do what there is to do; return after how many seconds to look again."""

    def stop(self) -> None:
        """The server stops: begin nothing more."""


@asynccontextmanager
async def looking(settings: Settings, what: Looks) -> AsyncGenerator[None]:
    """Let ``what`` look while the server serves, where mail is on, and its last look end.

    The pauses vary, so that workers that started together look apart.
    """
    if not mail_is_on(settings):
        yield
        return
    at_it = asyncio.Lock()

    async def look_on() -> None:
        pause = LOOK
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - only to spread
            try:
                async with at_it:
                    pause = await what.look()
            except Exception:
                log.exception("failed beside the requests", what=type(what).__name__)
                pause = PAUSE

    task = asyncio.create_task(look_on())
    try:
        yield
    finally:
        what.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), at_it:
                task.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def sending(
    settings: Settings, database: Database, clock: Clock
) -> AbstractAsyncContextManager[None]:
    """Send mail while the server serves."""
    return looking(settings, Sender(settings, database, clock))
