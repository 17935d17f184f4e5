"""ID tokens: OpenID Connect Core 1.0, section 2."""

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.clock import Clock
from app.database.engines import Database
from app.security import jwt
from app.security.encryption import Encryption
from app.security.jwt import Algorithm, PrivateKey
from app.settings import Settings
from app.tokens.key_rotation import ensure_signing_key
from app.tokens.keys import KeyRing, NoSigningKeyError

TYP = "jwt"

_HALF_OF = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
"""The hash of ``at_hash``, by the algorithm of the ID token; Ed25519 has SHA-512."""


class IdTokens:
    """Signs ID tokens."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        encryption: Encryption,
        keys: KeyRing,
        clock: Clock,
    ) -> None:
        """Nothing is read yet."""
        self._settings = settings
        self._database = database
        self._encryption = encryption
        self._keys = keys
        self._clock = clock

    async def signing_key(self, alg: Algorithm) -> PrivateKey:
        """The key to sign with, made now if nobody needed one for ``alg`` before."""
        try:
            return await self._keys.signing(alg)
        except NoSigningKeyError:
            await ensure_signing_key(self._database, self._encryption, alg, self._clock)
            self._keys.forget()
            return await self._keys.signing(alg)

    def sign(
        self,
        key: PrivateKey,
        *,
        subject: str,
        client_id: str,
        login_id: uuid.UUID,
        access_token: str,
        auth_time: datetime,
        acr: str,
        amr: Sequence[str],
        nonce: str | None,
        lifetime: int,
        about_user: Mapping[str, Any] | None = None,
    ) -> str:
        """A signed ID token for the client, bound to the access token beside it.

        ``lifetime`` is in seconds. ``about_user`` are claims that say who the user is; none is one
        of the protocol's.
        """
        issued_at = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            **(about_user or {}),
            "iss": self._settings.issuer,
            "sub": subject,
            "aud": client_id,
            "exp": issued_at + lifetime,
            "iat": issued_at,
            "auth_time": int(auth_time.timestamp()),
            "acr": acr,
            "amr": list(amr),
            "at_hash": _half_hash(access_token, key.alg),
            "sid": str(login_id),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.sign(claims, key, TYP.upper())


def _half_hash(access_token: str, alg: Algorithm) -> str:
    """OpenID Connect Core, section 3.1.3.6: the left half, base64url without padding."""
    digest = _HALF_OF[alg](access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
