"""The API under test, which trusts the server that the plugin of ``latchkey`` starts."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from latchkey.testing import AuthorizationServer

from app.main import AUDIENCE, create_app

Ask = Callable[[str], int]


@pytest.fixture
def ask(latchkey: AuthorizationServer) -> Ask:
    """The status of ``GET /orders`` with a token, from an API that has just been started."""
    client = TestClient(create_app(latchkey.issuer, cooldown=0))

    def status(token: str) -> int:
        response = client.get("/orders", headers={"Authorization": f"Bearer {token}"})
        return response.status_code

    return status


@pytest.fixture
def token(latchkey: AuthorizationServer) -> Callable[..., str]:
    """Make a token for this API, of a user who may read orders."""
    alice = latchkey.add_user("alice", scopes=["orders:read"])

    def make(**wishes: object) -> str:
        return latchkey.access_token(
            alice, **{"scopes": ["orders:read"], "audience": AUDIENCE} | wishes
        )

    return make
