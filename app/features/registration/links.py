"""Links with which accounts are made: issuing one, and what one is good for."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.registration.model import Invitation
from app.identity.addresses import email_key
from app.identity.clients import find_client, hold_client
from app.identity.users import find_enabled_scopes, hold_user
from app.management.authority import Actor
from app.models import Client, Scope
from app.security.opaque import generate_secret, hash_secret

WINDOW = timedelta(hours=1)
MOST = 5
"""Links in an hour to one address: nobody's mailbox is filled through here."""

NEEDED = "users:write"
"""What the maker of an invitation has, when it is made and when it is used."""


@dataclass(frozen=True)
class Maker:
    """Who made an invitation."""

    kind: Literal["user", "client", "operator"]
    subject: str

    @classmethod
    def of(cls, actor: Actor) -> "Maker":
        """The actor."""
        if actor.scopes is None:
            return cls("operator", actor.subject)
        return cls("client" if actor.subject == actor.client_id else "user", actor.subject)

    async def hold(self, connection: AsyncConnection) -> None:
        """Keep them as they are until the transaction ends."""
        if self.kind == "user":
            await hold_user(connection, uuid.UUID(self.subject))
        elif self.kind == "client":
            await hold_client(connection, self.subject)

    async def may_give(
        self, connection: AsyncConnection, scopes: Collection[str], since: datetime
    ) -> bool:
        """Whether they may still give away what an invitation of that time gives."""
        if self.kind == "operator":
            return True
        if self.kind == "user":
            has = await find_enabled_scopes(connection, uuid.UUID(self.subject))
        else:
            client = await find_client(connection, self.subject)
            made = await connection.scalar(
                select(Client.created_at).where(Client.client_id == self.subject)
            )
            same = client is not None and client.enabled and made is not None and made <= since
            has = client.scopes if client is not None and same else frozenset()
        return has.issuperset({NEEDED, *scopes})


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A link that is good."""

    id: uuid.UUID
    email: str | None
    """None if whoever uses it may name any."""
    maker: Maker | None
    """None if somebody asked for it."""
    scopes: frozenset[str]
    browser_hash: str | None
    request_key: str | None
    created_at: datetime


async def too_many_links(connection: AsyncConnection, email: str, now: datetime) -> bool:
    """Whether no more mail is to be sent to this address for now."""
    lately = Invitation.created_at > now - WINDOW
    count = select(func.count()).where(Invitation.email_hash == _hash(email), lately)
    return (await connection.scalar(count) or 0) >= MOST


async def issue_link(
    connection: AsyncConnection,
    *,
    email: str | None,
    maker: Maker | None,
    scopes: Collection[str],
    lifetime: timedelta,
    now: datetime,
    browser_hash: str | None = None,
    request_key: str | None = None,
    good: bool = True,
    invitation_id: uuid.UUID | None = None,
) -> str:
    """A token to send, which ends those of before that were asked for by the same address.

    One that is not ``good`` opens nothing, and counts among those that were sent.
    """
    token, invitation_id = generate_secret(), invitation_id or uuid.uuid4()
    if email is not None and maker is None:
        older = update(Invitation).where(
            Invitation.email_hash == _hash(email),
            Invitation.made_by.is_(None),
            Invitation.ended_at.is_(None),
        )
        await connection.execute(older.values(ended_at=now, email=None))
    await connection.execute(
        insert(Invitation).values(
            id=invitation_id,
            token_hash=hash_secret(token),
            email=email if good else None,
            email_hash=None if email is None else _hash(email),
            made_by=None if maker is None else maker.subject,
            maker=None if maker is None else maker.kind,
            browser_hash=browser_hash,
            request_key=request_key,
            scopes=" ".join(sorted(scopes)),
            created_at=now,
            expires_at=now + lifetime,
            ended_at=None if good else now,
        )
    )
    return token


def _hash(email: str) -> str:
    return hash_secret(email_key(email))


async def find_offer(connection: AsyncConnection, token: str, now: datetime) -> Offer | None:
    """What a link is good for. Looking changes nothing: programs that scan mail open links."""
    found = select(
        Invitation.id,
        Invitation.email,
        Invitation.maker,
        Invitation.made_by,
        Invitation.browser_hash,
        Invitation.request_key,
        Invitation.scopes,
        Invitation.created_at,
    ).where(Invitation.token_hash == hash_secret(token), _is_good(now))
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        return None
    maker = None if row.maker is None else Maker(row.maker, row.made_by)
    scopes = await existing(connection, row.scopes.split())
    if maker is not None and not await maker.may_give(connection, scopes, row.created_at):
        return None
    return Offer(
        id=row.id,
        email=row.email,
        maker=maker,
        scopes=scopes,
        browser_hash=row.browser_hash,
        request_key=row.request_key,
        created_at=row.created_at,
    )


async def existing(connection: AsyncConnection, scopes: Collection[str]) -> frozenset[str]:
    """Those that nobody has deleted since."""
    known = select(Scope.name).where(Scope.name.in_(scopes))
    return frozenset(await connection.scalars(known))


def _is_good(now: datetime) -> ColumnElement[bool]:
    return Invitation.ended_at.is_(None) & (Invitation.expires_at > now)


async def use_link(connection: AsyncConnection, token: str, now: datetime) -> Offer | None:
    """Use a link up; None if it is not good. Holds whoever made it."""
    found = await find_offer(connection, token, now)
    if found is None:
        return None
    if found.maker is not None:
        await found.maker.hold(connection)
    used = update(Invitation).where(Invitation.id == found.id, _is_good(now))
    if (await connection.execute(used.values(ended_at=now))).rowcount == 0:
        return None  # somebody else was first
    maker, scopes = found.maker, found.scopes
    if maker is not None and not await maker.may_give(connection, scopes, found.created_at):
        return None  # not any more, now that they stay as they are
    return found
