"""Verifying an e-mail address: what is sent to it, and what its link or code brings about."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, Origin, record
from app.features.mail.letter import Letter, Link, account_fact
from app.features.mail.proofs import Proof, Purpose, issue_proof
from app.features.mail.queue import mail_is_on, queue_mail
from app.features.mail.words import what_happened
from app.identity.addresses import require_not_verified_elsewhere
from app.message import Message
from app.models import User
from app.settings import Settings

VERIFIED = FeatureEventType("email.verified")

PURPOSE = Purpose(name="verify-email", lifetime=timedelta(days=1), most=5, has_code=True)


async def send_verification(
    connection: AsyncConnection,
    settings: Settings,
    user_id: uuid.UUID,
    origin: Origin,
    now: datetime,
) -> bool:
    """Send a link and a code to the address of a user, if it is not verified yet.

    For a change of the address, a registration, or whoever asks again; ``origin`` is told in the
    mail. False if nothing is sent, such as after too many.
    """
    if not mail_is_on(settings):
        return False
    query = select(User.username, User.email, User.email_verified).where(User.id == user_id)
    user = (await connection.execute(query)).one_or_none()
    if user is None or user.email is None or user.email_verified:
        return False
    issued = await issue_proof(connection, settings, PURPOSE, user_id, now)
    if issued is None:
        return False
    letter = Letter(
        kind=PURPOSE.name,
        subject=Message("Confirm your e-mail address for {service}", service=settings.service_name),
        paragraphs=[
            Message(
                "This address was entered for an account at {service}. If it was you, confirm it. "
                "The link is good for one day.",
                service=settings.service_name,
            ),
        ],
        link=Link(
            label=Message("Confirm this address"),
            url=f"{settings.issuer}/verify-email?token={issued.token}",
        ),
        code=issued.code,
        code_hint=Message("Or type this code at your account page:"),
        facts={**account_fact(user.username), **what_happened(now, origin)},
        closing=[
            Message(
                "If it was not you, do nothing. Nobody can use this address until it is confirmed."
            ),
        ],
    )
    return await queue_mail(
        connection,
        settings,
        letter,
        to=user.email,
        now=now,
        user_id=user_id,
        expires_at=issued.expires_at,
    )


async def verify_email(
    connection: AsyncConnection, proof: Proof, origin: Origin, now: datetime, *, by: str
) -> None:
    """The address counts from now on; ``by`` is what was used, for the audit trail.

    The proof was used up in this transaction. Raises :class:`~app.errors.ConflictError` if another
    account has the address verified: whoever proved it may know.
    """
    await require_not_verified_elsewhere(connection, proof.email, proof.user_id)
    verified = update(User).where(User.id == proof.user_id)
    await connection.execute(verified.values(email_verified=True, updated_at=now))
    event = Event(
        type=VERIFIED,
        actor=str(proof.user_id),
        user_id=proof.user_id,
        origin=origin,
        details={"by": by},
    )
    await record(connection, now, event)
