"""What an API key looks like: ``lk_``, 43 random letters and digits, and 6 of a checksum.

By the form a secret scanner finds a key that was published, and by the checksum it knows that it is
one, without asking anybody. No character of it ends a word, so a double click selects it whole.
"""

import re
import secrets
import zlib

PREFIX = "lk_"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 43
"""256 bits: 62 to the power of 43 is a little more than 2 to the power of 256."""
_CHECKSUM_LENGTH = 6
"""Enough for 32 bits."""

_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


def generate_key() -> str:
    """A new key."""
    body = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def has_form_of_key(text: str) -> bool:
    """Whether ``text`` may be a key, be it one from before keys had checksums."""
    return text.startswith(PREFIX)


def is_mistyped(key: str) -> bool:
    """Whether ``key`` has the form of a key, and the checksum of another one."""
    body = key[:-_CHECKSUM_LENGTH]
    return _FORM.fullmatch(key) is not None and key != body + _checksum(body)


def _checksum(body: str) -> str:
    """The CRC-32 of ``body``, in base 62, most significant digit first."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
