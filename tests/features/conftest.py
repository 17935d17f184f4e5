"""What tests of features share beside the fixtures of every test."""

import uuid

import pytest

from app.server import Server
from tests.support.factories import add_client
from tests.support.operators import EVERY_SCOPE, add_somebody, token_of


@pytest.fixture
async def as_admin(server: Server) -> dict[str, str]:
    """The header with a token of an administrator who has every scope."""
    console = await add_client(server, f"console-{uuid.uuid4()}", scopes=EVERY_SCOPE)
    admin = await add_somebody(server, *EVERY_SCOPE, name="admin")
    return await token_of(server, admin, *EVERY_SCOPE, client_id=console.client_id)
