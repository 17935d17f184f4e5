"""An API with django-oauth-toolkit as a resource server, which asks the issuer about its tokens.

    latchkey clients create Orders --client-id orders-api --introspect any
    latchkey resources create http://127.0.0.1:8001/orders --server orders-api --client ...
    ISSUER=http://127.0.0.1:8000 CLIENT_ID=orders-api CLIENT_SECRET=... python api.py

The toolkit compares the beginning of its own address with ``aud``. That ``orders-api`` serves the
resource is what makes the issuer tell it of no other tokens.
"""

import os
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
CREDENTIALS = os.environ.get("CLIENT_ID", "orders-api"), os.environ["CLIENT_SECRET"]
SCOPE = os.environ.get("SCOPE", "orders:read")

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY=os.environ.get("SECRET_KEY", "for trying out"),
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("STORE", "orders.db"),
        }
    },
    OAUTH2_PROVIDER={
        "RESOURCE_SERVER_INTROSPECTION_URL": f"{ISSUER}/introspect",
        "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS": CREDENTIALS,
        "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": 10,  # a revoked token is good for so long
        "SCOPES": {SCOPE: "Read your orders"},
    },
)
django.setup()

from oauth2_provider.decorators import protected_resource  # noqa: E402 - needs the settings


@protected_resource(scopes=[SCOPE])
def orders(request: HttpRequest) -> JsonResponse:
    """The orders of whoever asks."""
    return JsonResponse({"of": request.resource_owner.username, "orders": ["a book", "a pen"]})


urlpatterns = [path("orders", orders)]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    port = int(os.environ.get("PORT", "8001"))
    make_server("127.0.0.1", port, get_wsgi_application()).serve_forever()
