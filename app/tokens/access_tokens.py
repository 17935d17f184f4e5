"""Access tokens: JWTs as RFC 9068 wants them, made and checked."""

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.clock import Clock
from app.identity.clients import RegisteredClient
from app.security import jwt
from app.security.jwt import InvalidTokenError, PrivateKey
from app.security.opaque import generate_secret
from app.settings import Settings
from app.tokens.keys import KeyRing

TYP = "at+jwt"
"""RFC 9068, section 2.1: what keeps an ID token from being taken for an access token."""

REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope")

CLOCK_SKEW = 60
"""Seconds by which the clock of the worker that issued a token may be ahead of this one: of ``iat``
and, if there is one, of ``nbf`` (RFC 7519, section 4.1.5)."""

AUTHENTICATION = ("acr", "amr", "auth_time")

KEPT = 4096
"""Tokens whose signature a worker remembers to have checked."""


@dataclass(frozen=True)
class AccessToken:
    """The claims of an access token whose signature is good."""

    kid: str
    subject: str
    client_id: str
    scope: str
    scopes: frozenset[str]
    login_id: uuid.UUID | None
    """The ``sid``: the login of a user. None for a client that acts for itself."""
    audience: tuple[str, ...]
    token_id: str
    client_stamp: str
    """What the ``jti`` of a client's own token begins with: the client's stamp at that time."""
    issued_at: float
    good_from: float
    expires_at: float
    """Seconds since 1970; numbers of any kind (RFC 7519, section 2)."""
    authentication: Mapping[str, Any] = field(default_factory=dict)
    """``acr``, ``amr`` and ``auth_time``, those that it has (RFC 9068, section 2.2.1)."""

    def is_current_for(self, client: RegisteredClient) -> bool:
        """Whether it is a user's, or one that ``client`` got for itself and still has.

        Those that a client got before it was disabled, or its secret leaked, are void for good.
        """
        return self.login_id is not None or self.client_stamp == client.security_stamp


class AccessTokens:
    """Signs and verifies with the keys of the database.

    The signature and the claims of a token never change, so a worker checks them once and keeps
    the result, under the token's hash. What can change is looked at each time: the time, and
    whether the key is still published. Whether the login still goes on is for the caller to ask
    the database.
    """

    def __init__(self, settings: Settings, keys: KeyRing, clock: Clock) -> None:
        """Nothing is read yet."""
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._kept: OrderedDict[bytes, AccessToken] = OrderedDict()

    async def signing_key(self) -> PrivateKey:
        """The key to sign with. Raises :class:`~app.tokens.keys.NoSigningKeyError`."""
        return await self._keys.signing(self._settings.access_token_alg)

    def sign(
        self,
        key: PrivateKey,
        *,
        subject: str,
        client_id: str,
        scope: str,
        login_id: uuid.UUID | None,
        client_stamp: str = "",
        lifetime: int,
        audience: str | list[str] | None = None,
        more: Mapping[str, Any] | None = None,
        authentication: Mapping[str, Any] | None = None,
    ) -> str:
        """An access token (RFC 9068, section 2.2), with ``sid`` when a user logged in.

        ``lifetime`` is in seconds. ``audience`` is this server's own unless it is given. The
        ``jti`` of a token that a client gets for itself begins with the client's stamp. ``more``
        are claims beside those of the protocol, and ``authentication`` those about the login.
        """
        issued_at = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            **(more or {}),
            **(authentication or {}),
            "iss": self._settings.issuer,
            "sub": subject,
            "aud": audience or self._settings.audience,
            "exp": issued_at + lifetime,
            "iat": issued_at,
            "jti": f"{client_stamp}.{generate_secret()}" if client_stamp else generate_secret(),
            "client_id": client_id,
            "scope": scope,
        }
        if login_id is not None:
            claims["sid"] = str(login_id)
        return jwt.sign(claims, key, TYP)

    async def verify(self, token: str) -> AccessToken:
        """The claims of ``token``, which is meant for this server (RFC 9068, section 4).

        Raises :class:`InvalidTokenError`.
        """
        checked = await self.read(token)
        if self._settings.audience not in checked.audience:
            raise InvalidTokenError("it is for another resource")
        return checked

    async def read(self, token: str) -> AccessToken:
        """The claims of ``token``, whatever resource it is for. Raises :class:`InvalidTokenError`.

        For whoever only tells about it, or ends it.
        """
        public = await self._keys.public()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        checked = self._kept.get(digest)
        if checked is None:
            claims = jwt.verify(
                token,
                public,
                typ=TYP,
                issuer=self._settings.issuer,
                audience=None,
                required=REQUIRED_CLAIMS,
            )
            checked = _read(claims)
            self._kept[digest] = checked
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        elif checked.kid not in public:
            raise InvalidTokenError("its key is retired")
        now = self._clock.now().timestamp()
        if now >= checked.expires_at:
            raise InvalidTokenError("expired")
        if now < checked.good_from - CLOCK_SKEW:
            raise InvalidTokenError("issued in the future, or not good yet")
        return checked


def _audience(claim: object) -> tuple[str, ...]:
    """RFC 7519, section 4.1.3: a text, or a list of them. Raises :class:`TypeError`."""
    values = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(value, str) for value in values):
        raise TypeError
    return tuple(values)


def _read(verified: jwt.Verified) -> AccessToken:
    claims = verified.claims
    try:
        login_id = claims.get("sid")
        return AccessToken(
            kid=verified.kid,
            subject=claims["sub"],
            client_id=str(claims["client_id"]),
            scope=str(claims["scope"]),
            scopes=frozenset(str(claims["scope"]).split()),
            login_id=None if login_id is None else uuid.UUID(login_id),
            audience=_audience(claims["aud"]),
            token_id=str(claims["jti"]),
            client_stamp=str(claims["jti"]).rpartition(".")[0],
            issued_at=claims["iat"],
            good_from=max(claims["iat"], claims.get("nbf", 0)),
            expires_at=claims["exp"],
            authentication={name: claims[name] for name in AUTHENTICATION if name in claims},
        )
    except (TypeError, ValueError, AttributeError):
        raise InvalidTokenError("a claim has another type") from None
