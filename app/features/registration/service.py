"""Invitations: what the API under ``/invitations`` and ``latchkey invitations`` do."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.audit.trail import FeatureEventType
from app.database.paging import Place, newest_first
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.mail.letter import Letter, Link
from app.features.mail.queue import mail_is_on, queue_mail
from app.features.registration.links import Maker, issue_link, too_many_links
from app.features.registration.model import Invitation
from app.identity.profile import check_email
from app.identity.scopes import require_known
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings

CREATED = FeatureEventType("invitation.created")
REVOKED = FeatureEventType("invitation.revoked")

A_WEEK = 7 * 24 * 3600
LONGEST = 90 * 24 * 3600
"""Seconds that an invitation is good for."""


class InvitationRecord(BaseModel):
    """An invitation, as those who manage users see it; its link is gone."""

    id: uuid.UUID
    email: str | None
    scopes: list[str]
    state: Literal["open", "accepted", "expired", "revoked"]
    made_by: str
    created_at: datetime
    expires_at: datetime
    user_id: uuid.UUID | None
    """Who accepted it."""


_COLUMNS: Sequence[InstrumentedAttribute[Any]] = (
    *(Invitation.id, Invitation.email, Invitation.scopes, Invitation.made_by),
    *(Invitation.created_at, Invitation.expires_at, Invitation.ended_at, Invitation.user_id),
)


def _select() -> Select[Any]:
    return select(*_COLUMNS).where(Invitation.made_by.is_not(None))


def _record(row: Row[Any], now: datetime) -> InvitationRecord:
    values = {name: row._mapping[name] for name in row._mapping if name != "ended_at"}
    values |= {"scopes": row.scopes.split(), "state": _state(row, now)}
    return InvitationRecord.model_construct(**values)


def _state(row: Row[Any], now: datetime) -> str:
    if row.user_id is not None:
        return "accepted"
    if row.ended_at is not None:
        return "revoked"
    return "open" if row.expires_at > now else "expired"


async def create_invitation(
    actor: Actor,
    settings: Settings,
    *,
    email: str | None = None,
    scopes: Collection[str] | None = None,
    lifetime: timedelta = timedelta(seconds=A_WEEK),
) -> tuple[InvitationRecord, str | None]:
    """Invite somebody, who gets ``scopes``: those of a registration unless some are given.

    With an address, the link is sent there and told to nobody else, for it proves the address.
    Without one it is returned, this once. Raises a :class:`~app.errors.Problem`.
    """
    connection, now = actor.connection, actor.now
    if settings.registration == "closed":
        raise ConflictError(
            told=Message("LATCHKEY_REGISTRATION is closed, so nobody can be invited.")
        )
    wanted = actor.grantable(settings.registration_scopes) if scopes is None else scopes
    known = await require_known(connection, wanted)
    actor.require_to_grant(known)
    if email is not None:
        check_email(email)
        if not mail_is_on(settings):
            told = Message(
                "there is no mail server: leave the address out, and hand the link over yourself"
            )
            raise InvalidError(told=told, field="email")
        if await too_many_links(connection, email, now):
            raise ConflictError(
                told=Message("Several mails went to this address already: wait an hour.")
            )
    invitation_id = uuid.uuid4()
    token = await issue_link(
        connection,
        email=email,
        maker=Maker.of(actor),
        scopes=known,
        lifetime=lifetime,
        now=now,
        invitation_id=invitation_id,
    )
    url = f"{settings.issuer}/invitation?token={token}"
    if email is not None:
        await queue_mail(
            connection,
            settings,
            _letter(settings, url),
            to=email,
            now=now,
            expires_at=now + lifetime,
        )
    await actor.record(CREATED, invitation=str(invitation_id), scopes=sorted(known))
    record = await get_invitation(connection, invitation_id, now)
    return record, None if email is not None else url


def _letter(settings: Settings, url: str) -> Letter:
    return Letter(
        kind="invitation",
        subject=Message("You are invited to {service}", service=settings.service_name),
        paragraphs=[
            Message(
                "You can create an account at {service}, with a password that nobody else knows.",
                service=settings.service_name,
            ),
        ],
        link=Link(label=Message("Create your account"), url=url),
        closing=[Message("If you do not want an account, do nothing.")],
    )


async def get_invitation(
    connection: AsyncConnection, invitation_id: uuid.UUID, now: datetime
) -> InvitationRecord:
    """The invitation of that id. Raises :class:`NotFoundError`."""
    query = _select().where(Invitation.id == invitation_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(told=Message("There is no such invitation."))
    return _record(row, now)


async def list_invitations(
    connection: AsyncConnection,
    now: datetime,
    *,
    limit: int,
    before: Place | None = None,
    only_open: bool = False,
) -> Sequence[InvitationRecord]:
    """At most ``limit`` invitations, newest first, behind the place ``before``."""
    query = _select()
    if only_open:
        query = query.where(Invitation.ended_at.is_(None), Invitation.expires_at > now)
    query = newest_first(query, Invitation.created_at, Invitation.id, limit=limit, before=before)
    return [_record(row, now) for row in await connection.execute(query)]


async def revoke_invitation(actor: Actor, invitation_id: uuid.UUID) -> None:
    """End an invitation that nobody has accepted. Raises a :class:`~app.errors.Problem`.

    The actor may give away what it gives.
    """
    record = await get_invitation(actor.connection, invitation_id, actor.now)
    actor.require_over(record.scopes)
    if record.state in ("expired", "revoked"):
        return
    ending = update(Invitation).where(Invitation.id == invitation_id, Invitation.ended_at.is_(None))
    if (await actor.connection.execute(ending.values(ended_at=actor.now))).rowcount == 0:
        raise ConflictError(
            told=Message("This invitation was accepted: disable or delete the user.")
        )
    await actor.record(REVOKED, invitation=str(invitation_id))
