"""Encryption at rest, under ``LATCHKEY_SECRET_KEY``."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.security.contexts import ENCRYPTION_AT_REST


class UndecryptableError(Exception):
    """The value was encrypted under a secret that is not configured here."""


class Encryption:
    """Encrypts with the newest secret and decrypts with any, so that secrets can be rotated."""

    def __init__(self, secrets: list[str]) -> None:
        """``secrets`` are the values of ``LATCHKEY_SECRET_KEY``, newest first."""
        fernets = [Fernet(_derive(secret)) for secret in secrets]
        self._newest = fernets[0]
        self._fernet = MultiFernet(fernets)

    def encrypt(self, plain: bytes) -> str:
        """``plain`` encrypted and authenticated, as text."""
        return self._fernet.encrypt(plain).decode()

    def decrypt(self, encrypted: str) -> bytes:
        """The plain bytes. Raises :class:`UndecryptableError`."""
        try:
            return self._fernet.decrypt(encrypted)
        except (InvalidToken, ValueError):
            raise UndecryptableError from None

    def is_newest(self, encrypted: str) -> bool:
        """Whether the newest secret alone decrypts this, so that the others may go."""
        try:
            self._newest.decrypt(encrypted)
        except InvalidToken:
            return False
        return True


def _derive(secret: str) -> bytes:
    key = HKDF(SHA256(), length=32, salt=None, info=ENCRYPTION_AT_REST)
    return base64.urlsafe_b64encode(key.derive(secret.encode()))
