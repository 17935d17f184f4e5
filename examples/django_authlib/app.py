"""A Django resource server, in one file, that verifies access tokens by Authlib.

    pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8000 python app.py runserver 8001

In a project of yours, `IssuerTokens` and `require_oauth` go into a module beside the views.
"""

import os
import sys
import time

import requests
from authlib.integrations.django_oauth2 import ResourceProtector
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
# Where this process finds the issuer, if that is not where browsers do, as among containers.
JWKS_URL = os.environ.get("JWKS_URL", f"{ISSUER}/.well-known/jwks.json")
KEYS_GOOD_FOR = 300
KEYS_ASKED_AGAIN_AFTER = 10

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1", "localhost"])


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


@require_GET
@require_oauth("orders:read")
def orders(request: HttpRequest) -> JsonResponse:
    """The orders of whoever asks: ``sub`` is the id of a user, or of a client for itself."""
    return JsonResponse({"subject": request.oauth_token["sub"], "orders": ["a book", "a pen"]})


urlpatterns = [path("orders", orders)]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
