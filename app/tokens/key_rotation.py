"""Making, rotating, importing and retiring signing keys.

A new key is published first and signs later, when every verifier can know it; the old one stays
published until the last token that it signed is over.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Row, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database, lock
from app.errors import ConflictError, InvalidError, NotFoundError
from app.models import Client, SigningKey
from app.security.encryption import Encryption, UndecryptableError
from app.security.jwt import Algorithm, generate_private_key, parse_private_key
from app.settings import Settings
from app.tokens.keys import is_published

DEFAULT_ID_TOKEN_ALGORITHM: Algorithm = "RS256"
"""What every client must understand (OpenID Connect Core, section 15.1)."""

PROPAGATION = 600
"""Seconds from publishing a key to signing with it: longer than verifiers keep the JWKS."""

KNOWN_EVERYWHERE = 2
"""Seconds in which every worker has learned of a change."""

KEYS_LOCK = "signing_keys"

Renew = Callable[[AsyncConnection, Encryption], Awaitable[None]]
"""Encrypt something else under the newest secret."""


@dataclass(frozen=True)
class Succession:
    """When a new key takes over, and when the old one goes."""

    active_from: datetime
    old_retires_at: datetime
    hints_until: datetime
    """Until then an ID token that the old one signed can come back as a hint."""


def plan_succession(now: datetime, settings: Settings, *, at_once: bool) -> Succession:
    """The new key is published before it signs; the old one stays until its last token is over.

    At once still means two seconds: in that time every worker has learned of the key and publishes
    it.
    """
    active_from = now + timedelta(seconds=KNOWN_EVERYWHERE if at_once else PROPAGATION)
    over = active_from + timedelta(seconds=KNOWN_EVERYWHERE)
    return Succession(
        active_from,
        old_retires_at=over + timedelta(seconds=settings.longest_token_ttl),
        hints_until=over + timedelta(seconds=settings.longest_login_ttl),
    )


async def algorithms_in_use(
    connection: AsyncConnection, settings: Settings
) -> frozenset[Algorithm]:
    """What access tokens are signed with, and the ID tokens of each client."""
    of_clients = await connection.scalars(select(Client.id_token_alg).distinct())
    return frozenset(
        {
            settings.access_token_alg,
            DEFAULT_ID_TOKEN_ALGORITHM,
            *(cast(Algorithm, alg) for alg in of_clients),
        }
    )


async def find_old_keys(
    connection: AsyncConnection, now: datetime, age: timedelta
) -> frozenset[Algorithm]:
    """The algorithms whose newest published key has been signing for longer than ``age``."""
    newest = select(SigningKey.alg).where(is_published(now)).group_by(SigningKey.alg)
    old = newest.having(func.max(SigningKey.active_from) < now - age)
    return frozenset(cast(Algorithm, alg) for alg in await connection.scalars(old))


async def rotate_keys(
    connection: AsyncConnection,
    encryption: Encryption,
    algs: Iterable[Algorithm],
    clock: Clock,
    settings: Settings,
    *,
    at_once: bool,
) -> tuple[Mapping[Algorithm, str], Succession]:
    """Make keys that take over as :func:`plan_succession` says; return each ``kid``, and when.

    A key that waits for its time already is not replaced, but takes over sooner if it can.
    Raises :class:`ConflictError` if there is nothing to do for any of ``algs``.
    """
    await _lock(connection, encryption)
    now = clock.now()  # only now: waiting for the lock must not use up the time that workers need
    succession = plan_succession(now, settings, at_once=at_once)
    kids: dict[Algorithm, str] = {}
    pending = []
    for alg in sorted(algs):
        waiting = await _find_waiting(connection, alg, now)
        if waiting is None:
            pem = generate_private_key(alg)
            kids[alg], _ = await _add(connection, encryption, pem, now, succession.active_from)
        elif succession.active_from < waiting.active_from:
            kids[alg] = waiting.kid
            await connection.execute(
                update(SigningKey)
                .where(SigningKey.kid == waiting.kid)
                .values(active_from=succession.active_from)
            )
        else:
            pending.append(waiting.kid)
            continue
        await _retire_older(connection, alg, kids[alg], succession)
    if not kids:
        raise ConflictError(told=_WAITING.format(pending[0]))
    return kids, succession


async def import_key(
    connection: AsyncConnection,
    encryption: Encryption,
    pem: bytes,
    clock: Clock,
    settings: Settings,
    *,
    at_once: bool,
) -> tuple[str, Succession]:
    """Store a key that was made elsewhere; it takes over as :func:`plan_succession` says.

    Returns its ``kid`` and when. Raises :class:`InvalidError` for a key that cannot sign here,
    :class:`ConflictError` for one that is here already, or while another one waits.
    """
    await _lock(connection, encryption)
    now = clock.now()
    succession = plan_succession(now, settings, at_once=at_once)
    kid, alg = await _add(connection, encryption, pem, now, succession.active_from)
    if waiting := await _find_waiting(connection, alg, now, other_than=kid):
        raise ConflictError(told=_WAITING.format(waiting.kid))
    await _retire_older(connection, alg, kid, succession)
    return kid, succession


async def _lock(connection: AsyncConnection, encryption: Encryption) -> None:
    """Lock the keys, and make sure that the workers will be able to read what is added.

    Raises :class:`ConflictError` if the secret in use here is not theirs.
    """
    await lock(connection, KEYS_LOCK)
    try:
        for encrypted in await connection.scalars(select(SigningKey.private_key)):
            encryption.decrypt(encrypted)
    except UndecryptableError:
        raise ConflictError(
            told="LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with"
        ) from None


_WAITING = "the key {} is already pending: `keys rotate --now` makes it sign at once"


async def _add(
    connection: AsyncConnection,
    encryption: Encryption,
    pem: bytes,
    now: datetime,
    active_from: datetime,
) -> tuple[str, Algorithm]:
    try:
        key, jwk = parse_private_key(pem)
    except ValueError as error:
        raise InvalidError(told=f"the key cannot be used: {error}") from None
    if await connection.scalar(select(exists().where(SigningKey.kid == key.kid))):
        raise ConflictError(told=f"the key {key.kid} already exists")
    await connection.execute(
        insert(SigningKey).values(
            kid=key.kid,
            alg=key.alg,
            public_jwk=jwk,
            private_key=encryption.encrypt(pem),
            created_at=now,
            active_from=active_from,
        )
    )
    return key.kid, key.alg


async def _find_waiting(
    connection: AsyncConnection, alg: Algorithm, now: datetime, other_than: str = ""
) -> Row[str, datetime] | None:
    return (
        await connection.execute(
            select(SigningKey.kid, SigningKey.active_from).where(
                SigningKey.alg == alg,
                SigningKey.kid != other_than,
                SigningKey.active_from > now,
                is_published(now),
            )
        )
    ).first()


async def _retire_older(
    connection: AsyncConnection, alg: Algorithm, kid: str, succession: Succession
) -> None:
    """Stop publishing the other keys of ``alg`` then, unless they stop sooner anyway."""
    retired_at = succession.old_retires_at
    later = or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > retired_at)
    await connection.execute(
        update(SigningKey)
        .where(SigningKey.alg == alg, SigningKey.kid != kid, later)
        .values(retired_at=retired_at, hints_until=succession.hints_until)
    )


async def retire_key(
    connection: AsyncConnection, kid: str, now: datetime, needed: Collection[str]
) -> None:
    """Stop publishing a key now: every token that it signed is refused from then on, as a hint too.

    Where its successor takes over within two seconds, the key stays for those.
    Raises :class:`NotFoundError`, or :class:`ConflictError` if its algorithm is ``needed`` and no
    other key would go on signing.
    """
    await lock(connection, KEYS_LOCK)
    key = (
        await connection.execute(
            select(SigningKey.alg).where(SigningKey.kid == kid, is_published(now))
        )
    ).one_or_none()
    if key is None:
        raise NotFoundError(told=f"there is no published key {kid}")
    another_signs_from = await connection.scalar(
        select(func.min(SigningKey.active_from)).where(
            SigningKey.alg == key.alg,
            SigningKey.kid != kid,
            SigningKey.active_from <= now + timedelta(seconds=KNOWN_EVERYWHERE),
            SigningKey.retired_at.is_(None),
        )
    )
    if key.alg in needed and another_signs_from is None:
        raise ConflictError(told="no other key could sign: run `keys rotate --now` first")
    retired_at = max(now, another_signs_from or now)
    await connection.execute(
        update(SigningKey)
        .where(SigningKey.kid == kid)
        .values(retired_at=retired_at, hints_until=None)
    )


@dataclass(frozen=True)
class KeyState:
    """A key, as an operator sees it."""

    kid: str
    alg: str
    state: str
    """``pending``, ``signing``, ``published`` or ``retired``."""
    created_at: datetime
    active_from: datetime
    retired_at: datetime | None


async def list_keys(connection: AsyncConnection, now: datetime) -> list[KeyState]:
    """Every key, newest first."""
    rows = await connection.execute(
        select(
            SigningKey.kid,
            SigningKey.alg,
            SigningKey.created_at,
            SigningKey.active_from,
            SigningKey.retired_at,
        ).order_by(SigningKey.active_from.desc(), SigningKey.kid)
    )
    signing: set[str] = set()
    states = []
    for row in rows:
        if row.retired_at is not None and row.retired_at <= now:
            state = "retired"
        elif row.active_from > now:
            state = "pending"
        else:
            state = "published" if row.alg in signing else "signing"
            signing.add(row.alg)
        states.append(
            KeyState(row.kid, row.alg, state, row.created_at, row.active_from, row.retired_at)
        )
    return states


async def ensure_signing_key(
    database: Database, encryption: Encryption, alg: Algorithm, clock: Clock
) -> None:
    """Make the first key for ``alg`` if there is none. Several workers may start at once."""
    now = clock.now()
    signing = exists().where(
        SigningKey.alg == alg, SigningKey.active_from <= now, is_published(now)
    )
    async with database.transaction() as connection:
        await lock(connection, KEYS_LOCK)
        if await connection.scalar(select(signing)):
            return
        if waiting := await _find_waiting(connection, alg, now):
            await connection.execute(
                update(SigningKey).where(SigningKey.kid == waiting.kid).values(active_from=now)
            )
        else:
            pem = generate_private_key(alg)
            await _add(connection, encryption, pem, now, now)


async def renew_encryption(
    database: Database, encryption: Encryption, others: Iterable[Renew]
) -> None:
    """Encrypt the keys, and what ``others`` do, under the newest secret.

    Then the older ones can be taken away.

    Raises :class:`~app.security.encryption.UndecryptableError` if a key can no longer be read.
    """
    async with database.transaction() as connection:
        await lock(connection, KEYS_LOCK)
        keys = (await connection.execute(select(SigningKey.kid, SigningKey.private_key))).all()
        for row in keys:
            if not encryption.is_newest(row.private_key):
                renewed = encryption.encrypt(encryption.decrypt(row.private_key))
                await connection.execute(
                    update(SigningKey).where(SigningKey.kid == row.kid).values(private_key=renewed)
                )
        for renew in others:
            await renew(connection, encryption)
