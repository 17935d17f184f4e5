"""Secrets that are recognised by their form: a prefix, random letters and digits, a checksum.

By the form a secret scanner finds one that was published, and by the checksum it knows that it is
one, without asking anybody. No character of it ends a word, so a double click selects it whole.
"""

import secrets
import zlib
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""Each random character is worth a little less than six bits."""

CHECKSUM_LENGTH = 6
"""Enough for 32 bits."""


@dataclass(frozen=True)
class ChecksummedForm:
    """How secrets of a kind are written."""

    prefix: str
    random_length: int
    """Characters: 22 are more than 128 bits, 43 more than 256."""

    def generate(self) -> str:
        """A new secret."""
        body = self.prefix + "".join(secrets.choice(ALPHABET) for _ in range(self.random_length))
        return body + _checksum(body)

    def fits(self, text: str) -> bool:
        """Whether ``text`` looks like a secret of this kind, whatever its checksum."""
        rest = text.removeprefix(self.prefix)
        return (
            text.startswith(self.prefix)
            and len(rest) == self.random_length + CHECKSUM_LENGTH
            and set(rest) <= set(ALPHABET)
        )

    def is_written_right(self, text: str) -> bool:
        """Whether ``text`` :meth:`fits` and has the checksum that belongs to it."""
        body = text[:-CHECKSUM_LENGTH]
        return self.fits(text) and text == body + _checksum(body)


def _checksum(body: str) -> str:
    """The CRC-32 of ``body``, in base 62, most significant digit first."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
