"""What comes of asking for a new password: a link for whoever has an account and reads its mail."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, record
from app.features.mail.letter import Letter, Link, account_fact
from app.features.mail.proofs import Purpose, issue_proof
from app.features.mail.queue import queue_mail
from app.features.mail.requests import Asked
from app.features.mail.words import what_happened
from app.identity.users import Account, find_account, find_username_by_email, get_person
from app.message import Message
from app.settings import Settings

REQUESTED = FeatureEventType("recovery.requested")

PURPOSE = Purpose(
    name="reset-password", lifetime=timedelta(hours=3), most=3, ends_with_password=True
)
"""Longer than a mail server is usually away."""


async def answer(
    connection: AsyncConnection, settings: Settings, asked: Asked, now: datetime
) -> None:
    """Send a link to the account with that name or address, if its own address is verified."""
    account = await _find(connection, asked.typed)
    if account is None or not account.enabled or account.password_hash is None:
        return
    person = await get_person(connection, account.id)
    if person.profile.email is None or not person.profile.email_verified:
        return
    issued = await issue_proof(connection, settings, PURPOSE, account.id, now)
    if issued is None:
        return
    letter = Letter(
        kind=PURPOSE.name,
        subject=Message("Choose a new password for {service}", service=settings.service_name),
        paragraphs=[
            Message(
                "Somebody asked for a new password for your account at {service}. If it was you, "
                "choose one. The link is good for three hours.",
                service=settings.service_name,
            ),
        ],
        link=Link(
            label=Message("Choose a new password"),
            url=f"{settings.issuer}/reset-password?token={issued.token}",
        ),
        facts={**account_fact(account.username), **what_happened(now, asked.origin)},
        closing=[Message("If it was not you, do nothing. Your password is still the same.")],
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
    await record(connection, now, Event(type=REQUESTED, user_id=account.id, origin=asked.origin))


async def _find(connection: AsyncConnection, typed: str) -> Account | None:
    """By verified address or by name, as a login with an address does."""
    if "@" in typed:
        typed = await find_username_by_email(connection, typed) or typed
    return await find_account(connection, typed)
