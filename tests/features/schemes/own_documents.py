"""What an application publishes of itself, where the OpenID Connect drop-in fetches it."""

from io import BytesIO
from urllib.request import Request

import httpx2
import pytest

from app.features.schemes.dropin import issuer_keys
from tests.conftest import ISSUER


async def publish_own_documents(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer the drop-in with the documents of now: there is no socket to fetch them from."""
    documents = {
        ISSUER + path: (await http.get(path)).content
        for path in ("/.well-known/openid-configuration", "/.well-known/jwks.json")
    }

    def fetch(request: Request, timeout: float) -> BytesIO:
        return BytesIO(documents[request.full_url])

    monkeypatch.setattr(issuer_keys, "_open", fetch)
