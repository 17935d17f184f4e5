"""Signed tokens: RFC 7515, RFC 7519, RFC 8725. The only module that knows PyJWT."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

Algorithm = Literal["ES256", "RS256", "EdDSA"]

MAX_LENGTH = 4096
"""Characters. Ours have under 800; longer ones are refused unread."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""Three parts in base64url without padding (RFC 7515, section 7.1), which PyJWT would take."""

_THUMBPRINT_MEMBERS = {
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "OKP": ("crv", "kty", "x"),
}

RSA_BITS = 2048

_DATES = ("exp", "iat", "nbf")
_LAST_DATE = 253_402_300_799
"""The end of the year 9999."""


class InvalidTokenError(Exception):
    """The token is not one of ours, or not what it was presented as. The text is for the log."""


@dataclass(frozen=True)
class PublicKey:
    """A parsed key that verifies tokens of exactly one algorithm."""

    kid: str
    alg: Algorithm
    jwk: Mapping[str, str]
    key: Any


@dataclass(frozen=True)
class PrivateKey:
    """A parsed key that signs. Parsing costs a hundred signatures, so keep it."""

    kid: str
    alg: Algorithm
    key: Any


@dataclass(frozen=True)
class Verified:
    """The claims of a token, and the key that proves them."""

    kid: str
    claims: dict[str, Any]


def generate_private_key(alg: Algorithm) -> bytes:
    """A new private key for ``alg``, as PKCS #8 PEM."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if alg == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    elif alg == "RS256":
        key = rsa.generate_private_key(65537, RSA_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def algorithm_of(key: PrivateKeyTypes) -> Algorithm:
    """The algorithm that ``key`` signs with. Raises :class:`ValueError` for any other key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= RSA_BITS:
        return "RS256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    raise ValueError("a signing key must be RSA of 2048 bits or more, P-256, or Ed25519")


def parse_private_key(pem: bytes) -> tuple[PrivateKey, dict[str, str]]:
    """The key in ``pem`` and its public JWK, with the RFC 7638 thumbprint as ``kid``.

    Raises :class:`ValueError` if it cannot be read or is of no kind that signs here.
    """
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("the private key is protected by a passphrase: remove it first") from None
    alg = algorithm_of(key)
    public = cast(Any, key).public_key()
    members = cast(dict[str, str], jwt.get_algorithm_by_name(alg).to_jwk(public, as_dict=True))
    jwk = {name: members[name] for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    kid = _thumbprint(jwk)
    return PrivateKey(kid, alg, key), {**jwk, "kid": kid, "use": "sig", "alg": alg}


def parse_public_key(jwk: Mapping[str, str]) -> PublicKey:
    """The key in a JWK made by :func:`parse_private_key`."""
    alg = cast(Algorithm, jwk["alg"])
    key = jwt.get_algorithm_by_name(alg).from_jwk(dict(jwk))
    return PublicKey(jwk["kid"], alg, jwk, key)


def _thumbprint(members: dict[str, str]) -> str:
    """RFC 7638, section 3: the required members in order, without white space."""
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def sign(claims: dict[str, Any], key: PrivateKey, typ: str) -> str:
    """``claims`` as a compact JWS with the header ``typ`` and the ``kid`` of ``key``."""
    return jwt.encode(claims, key.key, key.alg, headers={"typ": typ, "kid": key.kid})


def verify(
    token: str,
    keys: Mapping[str, PublicKey],
    *,
    typ: str,
    issuer: str,
    audience: str | None,
    required: Sequence[str],
) -> Verified:
    """The claims of ``token``, whose ``exp`` the caller still compares with its clock.

    The ``kid`` only picks one of ``keys``, and that key alone says which algorithm is right
    (RFC 8725, sections 3.1 and 3.10). ``audience`` None leaves ``aud`` for the caller to compare
    as well. The dates ``exp``, ``iat`` and ``nbf`` are numbers where they are there (RFC 7519,
    section 2). Raises :class:`InvalidTokenError`.
    """
    if len(token) > MAX_LENGTH or not _COMPACT.fullmatch(token):
        raise InvalidTokenError("too long, or no compact JWS")
    try:
        header = jwt.get_unverified_header(token)
        key = keys[header["kid"]]
        if str(header.get("typ", "")).lower().removeprefix("application/") != typ:
            raise InvalidTokenError("typ is another")
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.alg],
            issuer=issuer,
            audience=audience,
            options={
                "require": list(required),
                "verify_aud": audience is not None,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
        raise InvalidTokenError(type(error).__name__) from None
    if not all(_is_date(claims[name]) for name in _DATES if name in claims):
        raise InvalidTokenError("a date is no number")
    return Verified(key.kid, claims)


def _is_date(value: object) -> bool:
    """Whether it is a NumericDate (RFC 7519, section 2), of seconds that a calendar knows."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= _LAST_DATE
