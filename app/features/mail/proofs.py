"""Links and codes in mails: whoever has one reads the mail of the address it was sent to.

A token is random, stored as a hash, and good once, for a while, for one user, one address and one
purpose. A newer one for the same user and purpose ends the older ones. A code is short enough to
type, so it is good for a few tries, and only for somebody who is known to be the user otherwise.
"""

import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.features.mail.model import MailProof
from app.identity.users import hold_user
from app.models import User
from app.security.contexts import MAIL_CODE
from app.security.opaque import generate_secret, hash_secret
from app.settings import Settings

CODE_DIGITS = 8
TRIES = 5
"""With eight digits and five codes in an hour, a year of guessing finds one in four hundred."""

WINDOW = timedelta(hours=1)
"""In which links to a user, and to an address, are counted."""


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a link is for."""

    name: str
    lifetime: timedelta
    most: int
    """Links in an hour, to a user and to an address: nobody's mailbox is filled through here."""
    has_code: bool = False
    ends_with_password: bool = False
    """Whether another password ends it."""


@dataclass(frozen=True)
class Issued:
    """What goes into the mail, and nowhere else."""

    token: str = field(repr=False)
    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Proof:
    """A link that is good."""

    user_id: uuid.UUID
    username: str
    email: str


async def issue_proof(
    connection: AsyncConnection,
    settings: Settings,
    purpose: Purpose,
    user_id: uuid.UUID,
    now: datetime,
) -> Issued | None:
    """A link and a code to send to the user's address, which end those of before.

    None if there were too many of late, or there is no address. Holds the user.
    """
    await hold_user(connection, user_id)
    query = select(User.email_key, User.security_stamp).where(User.id == user_id)
    user = (await connection.execute(query)).one_or_none()
    if user is None or user.email_key is None:
        return None
    email_hash = hash_secret(user.email_key)
    for which in (MailProof.user_id == user_id, MailProof.email_hash == email_hash):
        lately = which & (MailProof.created_at > now - WINDOW)
        count = select(func.count()).where(lately, MailProof.purpose == purpose.name)
        if (await connection.scalar(count) or 0) >= purpose.most:
            return None
    await _end(connection, purpose, user_id, now)
    token, code = generate_secret(), f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    expires_at = now + purpose.lifetime
    await connection.execute(
        insert(MailProof).values(
            token_hash=hash_secret(token),
            user_id=user_id,
            purpose=purpose.name,
            email_hash=email_hash,
            security_stamp=user.security_stamp if purpose.ends_with_password else None,
            code_mac=_mac(settings.secret_keys[0], hash_secret(token), code)
            if purpose.has_code
            else None,
            tries_left=TRIES,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return Issued(token, f"{code[:4]} {code[4:]}" if purpose.has_code else "", expires_at)


async def _end(
    connection: AsyncConnection, purpose: Purpose, user_id: uuid.UUID, now: datetime
) -> None:
    mine = (MailProof.user_id == user_id) & (MailProof.purpose == purpose.name)
    going_on = update(MailProof).where(mine, MailProof.ended_at.is_(None))
    await connection.execute(going_on.values(ended_at=now))


_COLUMNS: Sequence[InstrumentedAttribute[Any]] = (
    *(MailProof.token_hash, MailProof.email_hash, MailProof.code_mac, MailProof.tries_left),
    *(MailProof.security_stamp, User.id, User.username, User.email, User.email_key),
    User.disabled_at,
)


def _select(purpose: Purpose, now: datetime) -> Select[Any]:
    return (
        select(*_COLUMNS, User.security_stamp.label("present_stamp"))
        .join(User, User.id == MailProof.user_id)
        .where(
            MailProof.purpose == purpose.name,
            MailProof.ended_at.is_(None),
            MailProof.expires_at > now,
        )
    )


def _proof(row: Row[Any] | None) -> Proof | None:
    """The proof of a row, if the user is still as they were when it was made."""
    if row is None or row.email is None or row.disabled_at is not None:
        return None
    same_address = hmac.compare_digest(row.email_hash, hash_secret(row.email_key))
    same_password = row.security_stamp in (None, row.present_stamp)
    return Proof(row.id, row.username, row.email) if same_address and same_password else None


async def find_proof(
    connection: AsyncConnection, purpose: Purpose, token: str, now: datetime
) -> Proof | None:
    """What a link is good for. Looking changes nothing: programs that scan mail open links."""
    query = _select(purpose, now).where(MailProof.token_hash == hash_secret(token))
    return _proof((await connection.execute(query)).one_or_none())


async def use_token(
    connection: AsyncConnection, purpose: Purpose, token: str, now: datetime
) -> Proof | None:
    """Use a link up, and every other of the same user and purpose. Holds the user; None if it is
    not good.
    """
    found = await find_proof(connection, purpose, token, now)
    if found is None:
        return None
    await hold_user(connection, found.user_id)
    proof = await find_proof(connection, purpose, token, now)  # as it is now that nobody else can
    if proof is not None:
        await _end(connection, purpose, proof.user_id, now)
    return proof


async def use_code(
    connection: AsyncConnection,
    settings: Settings,
    purpose: Purpose,
    user_id: uuid.UUID,
    code: str,
    now: datetime,
) -> Proof | None:
    """The same for the code, typed by whom the caller knows to be the user.

    None for a wrong one, which costs a try: then too the caller has to commit.
    """
    await hold_user(connection, user_id)
    newest = _select(purpose, now).where(MailProof.user_id == user_id, MailProof.tries_left > 0)
    row = (await connection.execute(newest)).one_or_none()  # of several, all but one have ended
    proof = _proof(row)
    if row is None or proof is None or row.code_mac is None:
        return None
    digits = re.sub(r"[\s-]", "", code)
    good = [_mac(secret, row.token_hash, digits) for secret in settings.secret_keys]
    if not any(hmac.compare_digest(row.code_mac, mac) for mac in good):
        left = update(MailProof).where(MailProof.token_hash == row.token_hash)
        await connection.execute(left.values(tries_left=MailProof.tries_left - 1))
        return None
    await _end(connection, purpose, user_id, now)
    return proof


def _mac(secret: str, token_hash: str, code: str) -> str:
    """Not a hash alone: whoever has the database could try every code."""
    message = MAIL_CODE + f"\0{token_hash}\0{code}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
