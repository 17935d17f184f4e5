"""An authenticator app that keeps time with the real clock."""

import time

import pyotp


class App:
    """Its owner types no code twice: each is one after the last."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret.replace(" ", ""))
        self._last = 0

    def code(self) -> str:
        """The next code: three in half a minute are good, of which the first is a bit late."""
        self._last = max(self._last + 1, int(time.time()) // 30 - 1)
        return self._totp.generate_otp(self._last)
