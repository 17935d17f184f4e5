"""Passkeys of users: added, listed, renamed, removed, and what one proves when it is used."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError, LoginRefused, NotFoundError
from app.features.passkeys.ceremony import (
    Assertion,
    BadResponseError,
    Credential,
    descriptor,
    read_assertion,
    verify_use,
)
from app.features.passkeys.challenges import use_challenge
from app.features.passkeys.model import Passkey
from app.features.passkeys.relying_party import RelyingParty
from app.identity.names import has_unseen
from app.identity.users import hold_user
from app.login.conditions import USER_ID
from app.login.notices import CredentialAdded, FactorChanged
from app.management.authority import Actor
from app.message import Message
from app.security.opaque import hash_secret
from app.settings import Settings

ADDED = FeatureEventType("passkey.added")
REMOVED = FeatureEventType("passkey.removed")

NAME_MAX_LENGTH = 100

MOST = 50
"""Of one user: all are in the list that a browser is sent."""


@dataclass(frozen=True)
class PasskeyRecord:
    """A passkey as its user sees it."""

    id: uuid.UUID
    name: str
    synced: bool
    created_at: datetime
    last_used_at: datetime | None


async def list_passkeys(connection: AsyncConnection, user_id: uuid.UUID) -> list[PasskeyRecord]:
    """The passkeys of a user, oldest first."""
    columns = Passkey.id, Passkey.name, Passkey.synced, Passkey.created_at, Passkey.last_used_at
    own = select(*columns).where(Passkey.user_id == user_id)
    rows = await connection.execute(own.order_by(Passkey.created_at, Passkey.id))
    return [PasskeyRecord(*row) for row in rows]


HAS_PASSKEYS = exists().where(Passkey.user_id == USER_ID)
"""The user has one."""


async def describe_passkeys(
    connection: AsyncConnection, user_id: uuid.UUID
) -> Sequence[Mapping[str, Any]]:
    """The user's credentials for a browser, which shows nobody else's to whoever asks."""
    own = select(Passkey.credential_id, Passkey.transports).where(Passkey.user_id == user_id)
    return [descriptor(*row) for row in await connection.execute(own.order_by(Passkey.created_at))]


def checked_name(name: str) -> str:
    """What a passkey is called. Raises :class:`InvalidError`."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX_LENGTH:
        raise InvalidError(
            told=Message("a passkey has a name of 1 to {most} characters", most=NAME_MAX_LENGTH)
        )
    if has_unseen(name):
        raise InvalidError(told=Message("a passkey has no control characters in its name"))
    return name


async def add_passkey(actor: Actor, name: str, credential: Credential) -> PasskeyRecord:
    """Add a passkey of the user who acts, who is held.

    Raises :class:`ConflictError` for too many, or for one that somebody has already, or
    :class:`InvalidError`.
    """
    connection, now, user_id = actor.connection, actor.now, uuid.UUID(actor.subject)
    count = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    if (await connection.scalar(count) or 0) >= MOST:
        raise ConflictError(told=Message("you have {most} passkeys: remove one first", most=MOST))
    record = PasskeyRecord(uuid.uuid4(), checked_name(name), credential.synced, now, None)
    await insert_new(
        connection,
        Message("this passkey was added before"),
        insert(Passkey).values(
            id=record.id,
            user_id=user_id,
            name=record.name,
            credential_hash=hash_secret(credential.credential_id),
            credential_id=credential.credential_id,
            public_key=credential.public_key,
            sign_count=credential.sign_count,
            synced=credential.synced,
            transports=list(credential.transports),
            created_at=now,
        ),
    )
    await actor.record(ADDED, user_id=user_id, passkey=str(record.id), synced=record.synced)
    notice = CredentialAdded(
        user_id=user_id, at=now, origin=actor.origin, what=Message("A passkey")
    )
    await actor.notify(connection, notice)
    return record


async def rename_passkey(actor: Actor, passkey_id: uuid.UUID, name: str) -> None:
    """Call a passkey of the user who acts something else.

    Raises :class:`NotFoundError` or :class:`InvalidError`.
    """
    own = and_(Passkey.id == passkey_id, Passkey.user_id == uuid.UUID(actor.subject))
    renamed = update(Passkey).where(own).values(name=checked_name(name)).returning(Passkey.id)
    if (await actor.connection.execute(renamed)).one_or_none() is None:
        raise NotFoundError(told=Message("There is no such passkey."))


async def remove_passkey(actor: Actor, passkey_id: uuid.UUID) -> None:
    """Remove a passkey of the user who acts. Raises :class:`NotFoundError`."""
    user_id = uuid.UUID(actor.subject)
    await hold_user(actor.connection, user_id)
    own = and_(Passkey.id == passkey_id, Passkey.user_id == user_id)
    removed = await actor.connection.execute(delete(Passkey).where(own).returning(Passkey.id))
    if removed.one_or_none() is None:
        raise NotFoundError(told=Message("There is no such passkey."))
    await actor.record(REMOVED, user_id=user_id, client_id=actor.client_id, passkey=str(passkey_id))
    notice = FactorChanged(user_id=user_id, at=actor.now, origin=actor.origin, what="removed")
    await actor.notify(actor.connection, notice)


async def forget_passkeys(connection: AsyncConnection, user_id: uuid.UUID) -> bool:
    """Delete all passkeys of a user, who is held; False if there were none."""
    gone = await connection.execute(delete(Passkey).where(Passkey.user_id == user_id))
    return gone.rowcount > 0


# Using one


async def find_owner(connection: AsyncConnection, sent: str) -> uuid.UUID:
    """Whose credential was used, if what a browser sent says the truth.

    Raises :class:`LoginRefused`.
    """
    _, user_id, _, _ = await _find(connection, _read(sent))
    return user_id


def _read(sent: str) -> Assertion:
    try:
        return read_assertion(sent)
    except BadResponseError as error:
        raise LoginRefused("wrong", reason=str(error)) from error


async def _find(
    connection: AsyncConnection, assertion: Assertion
) -> Row[uuid.UUID, uuid.UUID, bytes, bool]:
    """Raises :class:`LoginRefused`."""
    columns = Passkey.id, Passkey.user_id, Passkey.public_key, Passkey.synced
    known = select(*columns).where(Passkey.credential_hash == hash_secret(assertion.credential_id))
    row = (await connection.execute(known)).one_or_none()
    if row is None:
        raise LoginRefused("wrong", reason="an unknown passkey")
    return row


async def use_passkey(
    connection: AsyncConnection,
    settings: Settings,
    party: RelyingParty,
    sent: str,
    *,
    user_id: uuid.UUID,
    browser: str,
    purpose: str,
    by_itself: bool,
    now: datetime,
) -> Sequence[str]:
    """What is proven, by the names of RFC 8176, by what ``browser`` sent of a passkey of that user.

    The transaction holds the user; the challenge, which was for that ``purpose``, is used up in it.
    A passkey that opens an account ``by_itself`` has to verify its user. Raises
    :class:`LoginRefused`, also for a counter that went back, because somebody may have copied the
    authenticator (WebAuthn level 2, section 6.1.1), and for a passkey that can be copied now and
    could not when it was made, or the other way round (level 3, section 7.2): its ``amr`` tells.
    """
    assertion = _read(sent)
    row = await _find(connection, assertion)
    handle = assertion.user_handle
    if row.user_id != user_id or handle not in (None, user_id.bytes):
        raise LoginRefused("wrong", reason="a passkey of another user")
    if by_itself and handle is None:
        raise LoginRefused("wrong", reason="a passkey that does not say whose it is")
    try:
        use = verify_use(assertion, party, row.public_key, require_verified_user=by_itself)
    except BadResponseError as error:
        raise LoginRefused("wrong", reason=str(error)) from error
    if use.synced != row.synced:
        raise LoginRefused("wrong", reason="a passkey that can be copied now, or no longer can be")
    if not await use_challenge(connection, settings, assertion.challenge, browser, purpose, now):
        raise LoginRefused("wrong", reason="a challenge that is over, used or not for this browser")
    count = use.sign_count
    goes_on = Passkey.sign_count < count if count else Passkey.sign_count == 0
    went_on = await connection.execute(
        update(Passkey)
        .where(Passkey.id == row.id, goes_on)
        .values(sign_count=count, last_used_at=now)
        .returning(Passkey.id)
    )
    if went_on.one_or_none() is None:
        raise LoginRefused("wrong", reason="the counter of a passkey went back")
    return methods_of(synced=row.synced, user_verified=use.user_verified)


def methods_of(*, synced: bool, user_verified: bool) -> Sequence[str]:
    """What a passkey proves, by the names of RFC 8176, section 2."""
    key = "swk" if synced else "hwk"
    return (key, "user", "mfa") if user_verified else (key, "mfa")
