"""A Flask resource server that verifies access tokens by Authlib, with the keys of the issuer.

pip install -r requirements.txt
ISSUER=http://127.0.0.1:8000 flask run --port 8001
"""

import os
import time

import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
# Where this process finds the issuer, if that is not where browsers do, as among containers.
JWKS_URL = os.environ.get("JWKS_URL", f"{ISSUER}/.well-known/jwks.json")
KEYS_GOOD_FOR = 300
KEYS_ASKED_AGAIN_AFTER = 10


class IssuerTokens(JWTBearerTokenValidator):
    """Access tokens of the issuer (RFC 9068, section 4), whose keys change now and then."""

    def __init__(self) -> None:
        """No key is known yet."""
        super().__init__(ISSUER, AUDIENCE)
        self._keys: dict = {}
        self._read_at = float("-inf")

    def get_jwks(self) -> dict:
        """The keys, at most KEYS_GOOD_FOR seconds old."""
        return self._read(KEYS_GOOD_FOR)

    def _read(self, at_most: float) -> dict:
        if time.monotonic() - self._read_at > at_most:
            response = requests.get(JWKS_URL, timeout=5)
            response.raise_for_status()
            self._keys, self._read_at = response.json(), time.monotonic()
        return self._keys

    def authenticate_token(self, token_string: str):
        """The claims. A token of a key that is not known yet makes it read the keys again."""
        try:
            return self._claims(token_string)
        except InvalidTokenError:
            if self._read(KEYS_GOOD_FOR) is self._read(KEYS_ASKED_AGAIN_AFTER):
                raise
            return self._claims(token_string)

    def _claims(self, token_string: str):
        try:
            return super().authenticate_token(token_string)
        except ValueError:  # what is no JWT at all
            raise InvalidTokenError from None


require_oauth = ResourceProtector()
require_oauth.register_token_validator(IssuerTokens())
app = Flask(__name__)


@app.get("/orders")
@require_oauth("orders:read")
def orders() -> dict:
    """The orders of whoever asks: ``sub`` is the id of a user, or of a client for itself."""
    return {"subject": current_token["sub"], "orders": ["a book", "a pen"]}
