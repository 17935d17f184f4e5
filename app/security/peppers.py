"""Peppers: secrets kept outside the database, without which its password hashes are useless."""

import hashlib
import hmac
import re

from app.security.contexts import PEPPER

PEPPERED = "$pepper$"
"""What the hashes begin with that need a pepper; behind it they say which."""

_PEPPERED_HASH = re.compile(r"(\$pepper\$[0-9a-f]{8})(\$argon2id\$.+)")


def split_mark(stored: str) -> tuple[str, str]:
    """The mark of the pepper that a hash needs, empty for none, and the hash."""
    found = _PEPPERED_HASH.fullmatch(stored)
    return (found[1], found[2]) if found else ("", stored)


class Pepper:
    """A secret that is kept apart from the database, whose hashes then tell nothing alone."""

    def __init__(self, secret: str) -> None:
        """``secret`` is one value of ``LATCHKEY_PASSWORD_PEPPER``."""
        self._key = secret.encode()
        self.mark = PEPPERED + self._mac(b"mark")[:8]
        """What stands in front of the hashes that need it, and does not give it away."""

    def add_to(self, normalised: str) -> str:
        """What is hashed in the place of a password. Raises :class:`ValueError` for no Unicode."""
        return self._mac(b"password\0" + normalised.encode())

    def _mac(self, message: bytes) -> str:
        return hmac.new(self._key, PEPPER + message, hashlib.sha256).hexdigest()
