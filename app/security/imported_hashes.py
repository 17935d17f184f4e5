"""Hashes of passwords as other programs write them: brought to the form that passlib reads."""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any

from passlib.hash import django_bcrypt_sha256

_DJANGO_PREFIXES = {"argon2$argon2": "$argon2", "bcrypt$$2": "$2"}
"""Django puts the name of the scheme in front of a hash that says it already."""

_WERKZEUG_SCRYPT = re.compile(r"scrypt:(\d+):(\d+):(\d+)\$([^$]+)\$([0-9a-f]{128})")
_WERKZEUG_PBKDF2 = re.compile(r"pbkdf2:(sha256|sha512):(\d+)\$([^$]+)\$([0-9a-f]+)")
_DJANGO_SCRYPT = re.compile(r"scrypt\$([^$]+)\$(\d+)\$(\d+)\$(\d+)\$([A-Za-z0-9+/]{86}==)")

_SCRYPT_BYTES = 32
"""How many passlib keeps. The longer hashes of others begin with them (RFC 7914, section 6)."""


def translated(imported: str) -> str:
    """The hash as passlib writes it, if it is one of Django's or Werkzeug's; else as it is.

    Raises :class:`ValueError` for what has their form and is none.
    """
    for prefix, bare in _DJANGO_PREFIXES.items():
        if imported.startswith(prefix):
            return bare + imported.removeprefix(prefix)
    if found := _WERKZEUG_SCRYPT.fullmatch(imported):
        cost, block_size, parallelism, salt, checksum = found.groups()
        return _scrypt(cost, block_size, parallelism, salt, bytes.fromhex(checksum))
    if found := _DJANGO_SCRYPT.fullmatch(imported):
        salt, cost, block_size, parallelism, checksum = found.groups()
        return _scrypt(cost, block_size, parallelism, salt, base64.b64decode(checksum))
    if found := _WERKZEUG_PBKDF2.fullmatch(imported):
        digest, rounds, salt, checksum = found.groups()
        try:
            key = bytes.fromhex(checksum)
        except ValueError:
            raise ValueError("malformed") from None
        return f"$pbkdf2-{digest}${int(rounds)}${_ab64(salt.encode())}${_ab64(key)}"
    return imported


def _scrypt(cost: str, block_size: str, parallelism: str, salt: str, key: bytes) -> str:
    rounds = int(cost).bit_length() - 1
    if int(cost) != 1 << rounds:
        raise ValueError("malformed")
    settings = f"ln={rounds},r={int(block_size)},p={int(parallelism)}"
    return f"$scrypt${settings}${_b64(salt.encode())}${_b64(key[:_SCRYPT_BYTES])}"


def _b64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").decode()


def _ab64(raw: bytes) -> str:
    return _b64(raw).replace("+", ".")


class wordpress_bcrypt(django_bcrypt_sha256):  # noqa: N801 - as passlib
    """bcrypt of an HMAC of the password, as WordPress writes it since 6.8."""

    name = "wordpress_bcrypt"
    django_prefix = "$wp"

    def _calc_checksum(self, secret: str | bytes) -> Any:
        plain = secret.encode() if isinstance(secret, str) else secret
        keyed = hmac.new(b"wp-sha384", plain.strip(b" \t\n\r\0\x0b"), hashlib.sha384)
        # Past the wrapper whose place this takes, to bcrypt itself.
        return super(django_bcrypt_sha256, self)._calc_checksum(  # type: ignore[misc]
            base64.b64encode(keyed.digest())
        )
