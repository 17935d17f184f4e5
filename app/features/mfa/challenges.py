"""Logins that wait for a second factor: begun with the right password, used up when it is shown.

At ``/token`` a program goes on with the ``mfa_token``. In a browser the challenge is found by the
cookie that the browser is recognised by, so no secret is in an address.
"""

import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.audit.trail import network_of
from app.database.engines import insert_unless
from app.errors import LoginRefused
from app.features.mfa.model import MfaChallenge
from app.login.counts import count_try, forget_tries, second_factor_of
from app.login.second_step import Proving
from app.security.opaque import generate_secret, hash_secret
from app.settings import Settings

LIFETIME = timedelta(minutes=5)
LIFETIME_TO_ENROL = timedelta(minutes=30)
"""For whoever has to install an app first."""

TRIES = 5
"""Of each challenge."""

PRESSED_TWICE = timedelta(seconds=60)
"""Within which a second press of the button is answered like the first."""

USED = "the challenge was used in the meantime"


@dataclass(frozen=True)
class Challenge:
    """A login that waits."""

    key_hash: str
    id: uuid.UUID
    user_id: uuid.UUID
    security_stamp: str
    client_id: str | None
    scope: str
    requested_scope: str
    resources: Sequence[str]
    amr: Sequence[str]
    level: int
    """The least :class:`~app.login.strength.Level` that was asked for."""
    session_id: uuid.UUID | None
    """The browser session that it began, once it is used up."""


async def begin_for_client(connection: AsyncConnection, proving: Proving, now: datetime) -> str:
    """A challenge for a program; returns the ``mfa_token``, of which only the hash is stored."""
    token = generate_secret()
    await _store(connection, _hash_of_token(token), proving, now, LIFETIME)
    return token


async def begin_in_browser(
    connection: AsyncConnection, browser: str, proving: Proving, now: datetime, *, enrols: bool
) -> None:
    """A challenge for a browser, which takes the place of the one that it had."""
    lifetime = LIFETIME_TO_ENROL if enrols else LIFETIME
    await _store(connection, _hash_of_browser(browser), proving, now, lifetime)


async def _store(
    connection: AsyncConnection,
    key_hash: str,
    proving: Proving,
    now: datetime,
    lifetime: timedelta,
) -> None:
    values = {
        "id": uuid.uuid4(),
        "user_id": proving.user_id,
        "security_stamp": proving.security_stamp,
        "client_id": proving.client_id,
        "scope": " ".join(proving.scopes),
        "requested_scope": proving.requested,
        "resources": list(proving.resources),
        "network": network_of(proving.origin.address),
        "amr": list(proving.amr),
        "level": int(proving.level),
        "tries": 0,
        "created_at": now,
        "expires_at": now + lifetime,
        "used_at": None,
        "shown_hash": None,
        "session_id": None,
    }
    added = insert_unless(connection, MfaChallenge).values(key_hash=key_hash, **values)
    await connection.execute(
        added.on_conflict_do_update(index_elements=[MfaChallenge.key_hash], set_=values)
    )


def of_client(token: str, client_id: str, address: str | None) -> ColumnElement[bool]:
    """Which challenge an ``mfa_token`` is of, at that client and from there."""
    return (
        (MfaChallenge.key_hash == _hash_of_token(token))
        & (MfaChallenge.client_id == client_id)
        & (MfaChallenge.network == network_of(address))
    )


def of_browser(browser: str) -> ColumnElement[bool]:
    """Which challenge a browser has."""
    return MfaChallenge.key_hash == _hash_of_browser(browser)


async def find(
    connection: AsyncConnection, which: ColumnElement[bool], now: datetime
) -> Challenge | None:
    """The challenge, if it is good for another try."""
    return _challenge(
        (await connection.execute(select(*_COLUMNS).where(which, *_is_good(now)))).one_or_none()
    )


async def count_try_at(
    connection: AsyncConnection, settings: Settings, which: ColumnElement[bool], now: datetime
) -> Challenge | None:
    """Count a try before what was shown is looked at; None if the challenge is good for no other.

    In a transaction before that one: it counts whatever comes of what was shown. Tries are also
    counted by user, over all challenges, and wait as failed logins do. Raises
    :class:`LoginRefused`.
    """
    counted = (
        update(MfaChallenge)
        .where(which, *_is_good(now))
        .values(tries=MfaChallenge.tries + 1)
        .returning(*_COLUMNS)
    )
    challenge = _challenge((await connection.execute(counted)).one_or_none())
    if challenge is not None:
        await count_try_of(connection, settings, challenge.user_id, now)
    return challenge


async def count_try_of(
    connection: AsyncConnection, settings: Settings, user_id: uuid.UUID, now: datetime
) -> None:
    """Count a try of the user before it is looked at. Raises :class:`LoginRefused`."""
    limit = settings.login_max_failures
    await count_try(connection, settings, second_factor_of(user_id), limit, now)


async def forget_tries_of(connection: AsyncConnection, user_id: uuid.UUID) -> None:
    """The user has shown what is right."""
    await forget_tries(connection, second_factor_of(user_id))


async def use_up(
    connection: AsyncConnection, challenge: Challenge, now: datetime, shown: str = ""
) -> None:
    """Use a challenge up: of any number of simultaneous uses one succeeds.

    Call it in the transaction that begins the login; ``shown`` is what it took. Raises
    :class:`LoginRefused`.
    """
    used = await connection.execute(
        update(MfaChallenge)
        .where(
            MfaChallenge.key_hash == challenge.key_hash,
            MfaChallenge.id == challenge.id,
            MfaChallenge.used_at.is_(None),
        )
        .values(used_at=now, shown_hash=_hash_of_shown(challenge, shown))
        .returning(MfaChallenge.id)
    )
    if used.one_or_none() is None:
        raise LoginRefused("wrong", reason=USED)
    await forget_tries_of(connection, challenge.user_id)


async def note_result(
    connection: AsyncConnection, challenge: Challenge, amr: Sequence[str]
) -> None:
    """Keep what was shown in all, for :func:`find_used`."""
    this = MfaChallenge.key_hash == challenge.key_hash
    await connection.execute(update(MfaChallenge).where(this).values(amr=list(amr)))


async def note_session(
    connection: AsyncConnection, challenge: Challenge, session_id: uuid.UUID
) -> None:
    """Keep which browser session it began, for :func:`find_used`."""
    this = MfaChallenge.key_hash == challenge.key_hash
    await connection.execute(update(MfaChallenge).where(this).values(session_id=session_id))


async def find_used(
    connection: AsyncConnection, which: ColumnElement[bool], shown: str, now: datetime
) -> Challenge | None:
    """The challenge, if this very thing used it up a moment ago."""
    used = MfaChallenge.used_at > now - PRESSED_TWICE
    row = (
        await connection.execute(select(*_COLUMNS, MfaChallenge.shown_hash).where(which, used))
    ).one_or_none()
    if row is None:
        return None
    *columns, shown_hash = row
    challenge = Challenge(*columns)
    same = hmac.compare_digest(str(shown_hash), _hash_of_shown(challenge, shown))
    return challenge if shown and same else None


def _is_good(now: datetime) -> Sequence[ColumnElement[bool]]:
    unused = MfaChallenge.used_at.is_(None)
    return unused, MfaChallenge.expires_at > now, MfaChallenge.tries < TRIES


_COLUMNS: Sequence[InstrumentedAttribute[Any]] = (
    *(MfaChallenge.key_hash, MfaChallenge.id, MfaChallenge.user_id, MfaChallenge.security_stamp),
    *(MfaChallenge.client_id, MfaChallenge.scope, MfaChallenge.requested_scope),
    *(MfaChallenge.resources, MfaChallenge.amr, MfaChallenge.level),
    MfaChallenge.session_id,
)


def _challenge(row: Row[Any] | None) -> Challenge | None:
    return None if row is None else Challenge(**row._mapping)


def _hash_of_token(token: str) -> str:
    return hash_secret(f"mfa token {token}")


def _hash_of_browser(browser: str) -> str:
    return hash_secret(f"mfa browser {browser}")


def _hash_of_shown(challenge: Challenge, shown: str) -> str:
    return hash_secret(f"mfa shown {challenge.id} {shown}")
