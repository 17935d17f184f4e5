"""Codes of an authenticator app: RFC 6238, with SHA-1, six digits and steps of thirty seconds.

Apps understand nothing else reliably. SHA-1 is sound in HMAC, which is all that it is used for.
"""

import hmac
import uuid
from contextlib import suppress
from datetime import datetime, timedelta

import pyotp
from sqlalchemy import CursorResult, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.features.mfa.model import TotpSecret
from app.login.conditions import USER_ID
from app.security.encryption import Encryption, UndecryptableError
from app.security.opaque import hash_secret
from app.settings import Settings

DIGITS = 6
DRIFT = 1
"""Steps by which the clock of a telephone may be wrong: what RFC 6238, section 5.2, allows."""

TIME_TO_CONFIRM = timedelta(minutes=15)
"""Within which the first code of a new secret has to come."""


HAS_TOTP = exists().where(TotpSecret.user_id == USER_ID, TotpSecret.confirmed_at.is_not(None))
"""The user has an app whose codes count."""


async def confirmed_since(connection: AsyncConnection, user_id: uuid.UUID) -> datetime | None:
    """Since when the codes of the user's app count; None if they do not."""
    own = select(TotpSecret.confirmed_at).where(TotpSecret.user_id == user_id)
    return await connection.scalar(own)


async def start(
    connection: AsyncConnection, settings: Settings, user_id: uuid.UUID, by: str, now: datetime
) -> bool:
    """Make a secret that waits for its first code; False if the user has one that counts.

    ``by`` is the login or the browser that is shown it. It takes the place of one that another was
    shown: a code of that is not taken any more.
    """
    secret = pyotp.random_base32()
    encrypted = Encryption(settings.secret_keys).encrypt(secret.encode())
    added = insert_unless(connection, TotpSecret).values(
        user_id=user_id, secret=encrypted, started_by=_hash(by), created_at=now
    )
    waiting = added.on_conflict_do_update(
        index_elements=[TotpSecret.user_id],
        set_={"secret": encrypted, "started_by": _hash(by), "created_at": now},
        where=TotpSecret.confirmed_at.is_(None),
    )
    made = await connection.execute(waiting.returning(TotpSecret.user_id))
    return made.one_or_none() is not None


async def waiting_secret(
    connection: AsyncConnection, settings: Settings, user_id: uuid.UUID, by: str, now: datetime
) -> str | None:
    """The secret that waits for its first code, if one was made of late, and for ``by``.

    Nobody else is shown it: they would have what the user's app will count with.
    """
    stored = await connection.scalar(
        select(TotpSecret.secret).where(
            TotpSecret.user_id == user_id,
            TotpSecret.confirmed_at.is_(None),
            TotpSecret.started_by == _hash(by),
            TotpSecret.created_at > now - TIME_TO_CONFIRM,
        )
    )
    return None if stored is None else _decrypted(settings, stored)


async def confirm(
    connection: AsyncConnection,
    settings: Settings,
    user_id: uuid.UUID,
    by: str,
    code: str,
    now: datetime,
) -> bool:
    """Let the secret that waits for ``by`` count from now on, if ``code`` is of it."""
    secret = await waiting_secret(connection, settings, user_id, by, now)
    step = None if secret is None else _step_of(secret, code, now, after=None)
    if step is None:
        return False
    confirmed: CursorResult[object] = await connection.execute(
        update(TotpSecret)
        .where(TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_(None))
        .values(confirmed_at=now, last_step=step, started_by=None)
    )
    return confirmed.rowcount > 0


async def use_code(
    connection: AsyncConnection, settings: Settings, user_id: uuid.UUID, code: str, now: datetime
) -> bool:
    """Use a code up, if it is right: it counts once (RFC 6238, section 5.2), and none before it.

    A secret that cannot be decrypted has no right codes.
    """
    row = (
        await connection.execute(
            select(TotpSecret.secret, TotpSecret.last_step).where(
                TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None)
            )
        )
    ).one_or_none()
    secret = None if row is None else _decrypted(settings, row.secret)
    if row is None or secret is None:
        return False
    step = _step_of(secret, code, now, after=row.last_step)
    if step is None:
        return False
    unused = or_(TotpSecret.last_step.is_(None), TotpSecret.last_step < step)
    used: CursorResult[object] = await connection.execute(
        update(TotpSecret).where(TotpSecret.user_id == user_id, unused).values(last_step=step)
    )
    return used.rowcount > 0


def _step_of(secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
    """The time step of which ``code`` is, among those that count."""
    totp = pyotp.TOTP(secret, digits=DIGITS)
    typed = "".join(code.split()).encode()
    present = totp.timecode(now)
    matching = [
        step
        for step in range(present - DRIFT, present + DRIFT + 1)
        if hmac.compare_digest(totp.generate_otp(step).encode(), typed)
    ]
    return next((step for step in matching if after is None or step > after), None)


async def remove(connection: AsyncConnection, user_id: uuid.UUID) -> bool:
    """Forget the user's secret; False if none counted."""
    gone = await connection.execute(
        delete(TotpSecret).where(TotpSecret.user_id == user_id).returning(TotpSecret.confirmed_at)
    )
    return any(row.confirmed_at is not None for row in gone)


def provisioning_uri(settings: Settings, username: str, secret: str) -> str:
    """What the QR code says: the ``otpauth`` URI that authenticator apps read."""
    totp = pyotp.TOTP(secret, digits=DIGITS)
    return totp.provisioning_uri(name=username, issuer_name=settings.service_name)


async def renew_totp_secrets(connection: AsyncConnection, encryption: Encryption) -> None:
    """Encrypt them under the newest secret. One that cannot be read stays as it is."""
    rows = (await connection.execute(select(TotpSecret.user_id, TotpSecret.secret))).all()
    for row in rows:
        if encryption.is_newest(row.secret):
            continue
        with suppress(UndecryptableError):
            renewed = encryption.encrypt(encryption.decrypt(row.secret))
            await connection.execute(
                update(TotpSecret).where(TotpSecret.user_id == row.user_id).values(secret=renewed)
            )


def _hash(by: str) -> str:
    return hash_secret(f"totp for {by}")


def _decrypted(settings: Settings, stored: str) -> str | None:
    try:
        return Encryption(settings.secret_keys).decrypt(stored).decode()
    except UndecryptableError:
        return None
