"""Proof that a form was filled in where it was shown: against cross-site request forgery.

A browser gets a random cookie; each form carries an HMAC of it and of what the form is for. Another
site can make the browser send the cookie, but cannot know the HMAC.
"""

import hashlib
import hmac

from app.security.contexts import FORM_TOKEN


class FormTokens:
    """Makes and checks the hidden field of a form."""

    def __init__(self, secrets: list[str]) -> None:
        """``secrets`` are the values of ``LATCHKEY_SECRET_KEY``, newest first."""
        self._secrets = [secret.encode() for secret in secrets]

    def issue(self, browser: str, purpose: str) -> str:
        """The token of a form for ``purpose``, shown to the browser with that cookie."""
        return _token(self._secrets[0], browser, purpose)

    def check(self, token: str, browser: str, purpose: str) -> bool:
        """Whether ``token`` was issued for this browser and purpose."""
        return any(
            hmac.compare_digest(token.encode(), _token(secret, browser, purpose).encode())
            for secret in self._secrets
        )


def _token(secret: bytes, browser: str, purpose: str) -> str:
    message = FORM_TOKEN + f"\0{browser}\0{purpose}".encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
