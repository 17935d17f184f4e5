"""The toolkit's own routes, and one that it protects.

``POST /start`` is not measured: it hands out the tokens with which a measurement begins, like those
of the token endpoint.
"""

import os
import secrets
import uuid
from datetime import timedelta

from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.decorators import protected_resource
from oauth2_provider.models import AccessToken, Application, RefreshToken


@protected_resource(scopes=["profile"])
def me(request: HttpRequest) -> JsonResponse:
    user = request.resource_owner
    return JsonResponse({"sub": str(user.pk), "username": user.username, "email": user.email})


def issue(application: Application, user: User | None, scope: str) -> AccessToken:
    return AccessToken.objects.create(
        application=application,
        user=user,
        scope=scope,
        token=secrets.token_urlsafe(22),
        expires=timezone.now() + timedelta(days=1),
    )


@csrf_exempt
def start(_request: HttpRequest) -> JsonResponse:
    first_party = Application.objects.get(client_id="first-party")
    service = Application.objects.get(client_id=os.environ["BENCH_CLIENT_ID"])
    logins = [
        RefreshToken.objects.create(
            application=first_party,
            user=user,
            access_token=issue(first_party, user, "profile"),
            token=secrets.token_urlsafe(22),
            token_family=uuid.uuid4(),
        )
        for user in User.objects.all()
    ]
    return JsonResponse(
        {
            "access": [login.access_token.token for login in logins],
            "refresh": [login.token for login in logins],
            "introspection": issue(service, None, "introspection").token,
        }
    )


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("me", me),
    path("start", start),
]
