"""Answering who asked for a mail without a login: what each worker does beside its requests."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.clock import Clock
from app.database.engines import OUTAGES, Database
from app.features.mail.model import MailRequest
from app.features.mail.requests import USEFUL_FOR, Asked
from app.features.mail.sending import LOOK, PAUSE
from app.languages.reader import read_by
from app.log import get_logger
from app.security.encryption import Encryption, UndecryptableError
from app.settings import Settings

log = get_logger(NAME)

Answer = Callable[[AsyncConnection, Settings, Asked, datetime], Awaitable[None]]
"""Does what comes of a request, in the transaction that takes it from those that wait."""


class Answering:
    """What one worker does with the requests of one purpose."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock, purpose: str, answer: Answer
    ) -> None:
        """Nothing is done yet: see :meth:`look`."""
        self._settings = settings
        self._database = database
        self._clock = clock
        self._answer = answer
        self._encryption = Encryption(settings.secret_keys)
        self._mine = MailRequest.purpose == purpose
        self._stopping = False

    def stop(self) -> None:
        """End after the request that is under way."""
        self._stopping = True

    async def look(self) -> float:
        """Answer what there is; return after how many seconds to look again."""
        try:
            while not self._stopping and await self._is_any():
                await self._database.transact(self._answer_one)
        except OUTAGES as error:
            log.warning("requests for mails wait for the database", kind=type(error).__name__)
            return PAUSE
        return LOOK

    async def _is_any(self) -> bool:
        async with self._database.read() as connection:
            any_of_mine = select(MailRequest.id).where(self._mine).limit(1)
            return await connection.scalar(any_of_mine) is not None

    async def _answer_one(self, connection: AsyncConnection) -> None:
        """The oldest one that no other worker is at; it goes with what comes of it, or stays."""
        mine = select(MailRequest.id, MailRequest.sealed, MailRequest.requested_at)
        oldest = mine.where(self._mine).order_by(MailRequest.requested_at).limit(1)
        row = (await connection.execute(oldest.with_for_update(skip_locked=True))).one_or_none()
        if row is None:
            return
        await connection.execute(delete(MailRequest).where(MailRequest.id == row.id))
        now = self._clock.now()
        if row.requested_at < now - USEFUL_FOR:
            return
        try:
            asked = Asked.unsealed(row.sealed, self._encryption)
        except UndecryptableError:
            return  # it was encrypted under a secret that is gone: they ask again
        with read_by(asked.language):
            await self._answer(connection, self._settings, asked, now)
