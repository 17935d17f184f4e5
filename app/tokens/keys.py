"""The keys that sign tokens: made on first start, kept encrypted, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from app import NAME
from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.log import get_logger
from app.models import SigningKey
from app.security.encryption import Encryption, UndecryptableError
from app.security.jwt import (
    Algorithm,
    PrivateKey,
    PublicKey,
    parse_private_key,
    parse_public_key,
)

log = get_logger(NAME)


class NoSigningKeyError(Exception):
    """No key may sign with this algorithm now."""


def is_published(now: datetime) -> ColumnElement[bool]:
    """In a query on signing keys: those that tokens may be verified with."""
    return or_(SigningKey.retired_at.is_(None), SigningKey.retired_at > now)


@dataclass(frozen=True)
class _KeySet:
    public: Mapping[str, PublicKey]
    hinting: Mapping[str, PublicKey]
    signing: tuple[tuple[datetime, PrivateKey], ...]


class KeyRing:
    """The signing keys of the database, as of a moment ago."""

    def __init__(self, database: Database, encryption: Encryption, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._recent: Recent[str, _KeySet] = Recent(self._load, clock)
        self._public_keys: dict[str, PublicKey] = {}
        self._private_keys: dict[str, PrivateKey] = {}

    async def _load(self, _key: str) -> _KeySet:
        now = self._clock.now()
        async with self._database.read() as connection:
            rows = (
                await connection.execute(
                    select(
                        SigningKey.kid,
                        SigningKey.public_jwk,
                        SigningKey.private_key,
                        SigningKey.active_from,
                        is_published(now).label("published"),
                    )
                    .where(or_(is_published(now), SigningKey.hints_until > now))
                    .order_by(SigningKey.active_from.desc(), SigningKey.kid)
                )
            ).all()
        known = {row.kid: self._public(row.kid, row.public_jwk) for row in rows}
        published = [row for row in rows if row.published]
        private = {row.kid: self._private(row.kid, row.private_key) for row in published}
        return _KeySet(
            public={row.kid: known[row.kid] for row in published},
            hinting=known,
            signing=tuple(
                (row.active_from, key) for row in published if (key := private[row.kid]) is not None
            ),
        )

    def _public(self, kid: str, jwk: Mapping[str, str]) -> PublicKey:
        if kid not in self._public_keys:
            self._public_keys[kid] = parse_public_key(jwk)
        return self._public_keys[kid]

    def _private(self, kid: str, encrypted: str) -> PrivateKey | None:
        """The key, parsed once; None if it was encrypted under a secret that is not known here.

        Then others sign, and what it signed elsewhere can still be verified.
        """
        if kid not in self._private_keys:
            try:
                pem = self._encryption.decrypt(encrypted)
            except UndecryptableError:
                log.error("a signing key cannot be decrypted with LATCHKEY_SECRET_KEY", kid=kid)
                return None
            self._private_keys[kid] = parse_private_key(pem)[0]
        return self._private_keys[kid]

    async def public(self) -> Mapping[str, PublicKey]:
        """Every published key by its ``kid``: what a token may be verified with."""
        return (await self._recent.get("all")).public

    async def hinting(self) -> Mapping[str, PublicKey]:
        """Those, and the ones that were rotated out while logins of their time may still live.

        OpenID Connect RP-Initiated Logout 1.0, section 2: a hint may have expired long ago.
        """
        return (await self._recent.get("all")).hinting

    async def signing(self, alg: Algorithm) -> PrivateKey:
        """The key that signs with ``alg`` now: the newest whose time has come.

        Where none has, the one whose time comes first, for there is nothing else to wait for.
        Raises :class:`NoSigningKeyError`.
        """
        now = self._clock.now()
        newest_first = [
            (active_from, key)
            for active_from, key in (await self._recent.get("all")).signing
            if key.alg == alg
        ]
        if not newest_first:
            raise NoSigningKeyError(alg)
        active = (key for active_from, key in newest_first if active_from <= now)
        return next(active, newest_first[-1][1])

    def forget(self) -> None:
        """Read the keys anew at the next use, after this very worker has made one."""
        self._recent.forget()
