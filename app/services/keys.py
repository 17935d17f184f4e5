"""The keys that sign tokens: made on first start, kept encrypted, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database import Database, lock
from app.models import SigningKey
from app.recent import Recent
from app.security.encryption import Encryption
from app.security.jwt import (
    Algorithm,
    PrivateKey,
    PublicKey,
    generate_private_key,
    parse_private_key,
    parse_public_key,
)


class NoSigningKeyError(Exception):
    """No key may sign with this algorithm now."""


@dataclass(frozen=True)
class _KeySet:
    public: Mapping[str, PublicKey]
    signing: tuple[tuple[datetime, PrivateKey], ...]


class KeyRing:
    """The signing keys of the database, as of a moment ago."""

    def __init__(self, database: Database, encryption: Encryption, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._recent: Recent[str, _KeySet] = Recent(self._load, clock)
        self._parsed: dict[str, tuple[PublicKey, PrivateKey]] = {}

    async def _load(self, _key: str) -> _KeySet:
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(
                        SigningKey.kid,
                        SigningKey.public_jwk,
                        SigningKey.private_key,
                        SigningKey.active_from,
                    )
                    .where(
                        or_(
                            SigningKey.retired_at.is_(None),
                            SigningKey.retired_at > self._clock.now(),
                        )
                    )
                    .order_by(SigningKey.active_from.desc(), SigningKey.kid)
                )
            ).all()
        for row in rows:
            if row.kid not in self._parsed:
                pem = self._encryption.decrypt(row.private_key)
                self._parsed[row.kid] = parse_public_key(row.public_jwk), parse_private_key(pem)[0]
        return _KeySet(
            public={row.kid: self._parsed[row.kid][0] for row in rows},
            signing=tuple((row.active_from, self._parsed[row.kid][1]) for row in rows),
        )

    async def public(self) -> Mapping[str, PublicKey]:
        """Every published key by its ``kid``: what a token may be verified with."""
        return (await self._recent.get("all")).public

    async def signing(self, alg: Algorithm) -> PrivateKey:
        """The key that signs with ``alg`` now. Raises :class:`NoSigningKeyError`."""
        now = self._clock.now()
        for active_from, key in (await self._recent.get("all")).signing:
            if key.alg == alg and active_from <= now:
                return key
        raise NoSigningKeyError(alg)


async def create_key(
    connection: AsyncConnection,
    encryption: Encryption,
    alg: Algorithm,
    *,
    now: datetime,
    active_from: datetime,
) -> str:
    """Make and store a key; return its ``kid``."""
    pem = generate_private_key(alg)
    key, jwk = parse_private_key(pem)
    await connection.execute(
        insert(SigningKey).values(
            kid=key.kid,
            alg=alg,
            public_jwk=jwk,
            private_key=encryption.encrypt(pem),
            created_at=now,
            active_from=active_from,
        )
    )
    return key.kid


async def ensure_signing_key(
    database: Database, encryption: Encryption, alg: Algorithm, clock: Clock
) -> None:
    """Make the first key for ``alg`` if there is none. Several workers may start at once."""
    async with database.transaction() as connection:
        await lock(connection, "signing_keys")
        now = clock.now()
        found = await connection.scalar(
            select(SigningKey.kid).where(
                SigningKey.alg == alg,
                SigningKey.active_from <= now,
                or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > now),
            )
        )
        if found is None:
            await create_key(connection, encryption, alg, now=now, active_from=now)
