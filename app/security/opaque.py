"""Random secrets, and what is stored of them.

A secret of 256 random bits needs no slow hash: nobody can try 2^256 values, so SHA-256 is
enough, and every check costs a microsecond instead of a login's time (RFC 6749, section 10.10).
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

SECRET_BYTES = 32


def generate_secret() -> str:
    """256 random bits, as 43 characters that need no escaping anywhere."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """The SHA-256 of ``secret``, in hexadecimal: the only form that is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str, hashes: Sequence[str]) -> bool:
    """Whether ``secret`` is behind one of ``hashes``, compared in constant time."""
    presented = hash_secret(secret)
    return any(hmac.compare_digest(presented, stored) for stored in hashes)
