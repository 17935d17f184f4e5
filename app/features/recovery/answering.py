"""Answering who asked for a new password: a link goes to who has an account and reads its mail."""

import json
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import NAME
from app.audit.trail import Event, Origin, record
from app.clock import Clock
from app.database.engines import OUTAGES, Database
from app.features.mail.letter import Letter, Link, account_called
from app.features.mail.proofs import issue_proof
from app.features.mail.queue import queue_mail
from app.features.mail.sending import LOOK, PAUSE
from app.features.mail.words import what_happened
from app.features.recovery.model import RecoveryRequest
from app.features.recovery.requests import PURPOSE, REQUESTED, USEFUL_FOR
from app.identity.users import Account, find_account, find_username_by_email, get_person
from app.log import get_logger
from app.security.encryption import Encryption, UndecryptableError
from app.settings import Settings

log = get_logger(NAME)


class Answering:
    """What one worker does with the requests: it sends links to those who have an account."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        """Nothing is done yet: see :meth:`look`."""
        self._settings = settings
        self._database = database
        self._clock = clock
        self._encryption = Encryption(settings.secret_keys)
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
            log.warning("recovery waits for the database", kind=type(error).__name__)
            return PAUSE
        return LOOK

    async def _is_any(self) -> bool:
        async with self._database.read() as connection:
            return await connection.scalar(select(RecoveryRequest.id).limit(1)) is not None

    async def _answer_one(self, connection: AsyncConnection) -> None:
        """The oldest one that no other worker is at; it goes with what comes of it, or stays."""
        oldest = select(RecoveryRequest.id, RecoveryRequest.sealed, RecoveryRequest.requested_at)
        free = oldest.order_by(RecoveryRequest.requested_at).limit(1)
        row = (await connection.execute(free.with_for_update(skip_locked=True))).one_or_none()
        if row is None:
            return
        await connection.execute(delete(RecoveryRequest).where(RecoveryRequest.id == row.id))
        now = self._clock.now()
        if row.requested_at < now - USEFUL_FOR:
            return
        try:
            content = json.loads(self._encryption.decrypt(row.sealed))
        except UndecryptableError:
            return  # it was encrypted under a secret that is gone: they ask again
        account = await _find(connection, content["typed"])
        if account is None or not account.enabled or account.password_hash is None:
            return
        origin = Origin(content["address"], content["user_agent"])
        await self._send_link(connection, account, origin, now)

    async def _send_link(
        self, connection: AsyncConnection, account: Account, origin: Origin, now: datetime
    ) -> None:
        person = await get_person(connection, account.id)
        if person.profile.email is None or not person.profile.email_verified:
            return
        settings = self._settings
        issued = await issue_proof(connection, settings, PURPOSE, account.id, now)
        if issued is None:
            return
        letter = Letter(
            kind=PURPOSE.name,
            subject=f"Choose a new password for {settings.service_name}",
            paragraphs=[
                f"Somebody asked for a new password for {account_called(account.username)} at "
                f"{settings.service_name}. If it was you, choose one. The link is good for three "
                "hours.",
            ],
            link=Link(
                label="Choose a new password",
                url=f"{settings.issuer}/reset-password?token={issued.token}",
            ),
            facts=what_happened(now, origin),
            closing=["If it was not you, do nothing. Your password is still the same."],
        )
        await queue_mail(
            connection,
            settings,
            letter,
            to=person.profile.email,
            now=now,
            user_id=account.id,
            expires_at=issued.expires_at,
        )
        await record(connection, now, Event(type=REQUESTED, user_id=account.id, origin=origin))


async def _find(connection: AsyncConnection, typed: str) -> Account | None:
    """By verified address or by name, as a login with an address does."""
    if "@" in typed:
        typed = await find_username_by_email(connection, typed) or typed
    return await find_account(connection, typed)
