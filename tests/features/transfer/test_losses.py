"""What a client loses by an import, and keeps."""

from datetime import timedelta

import httpx2
import pytest

from app.features.transfer.exporting import TransferDocument, TransferredSecret, export_document
from app.features.transfer.importing import import_document
from app.management.authority import operating
from app.management.clients import rotate_secret
from app.security.opaque import hash_secret
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestClient, add_client
from tests.support.lifecycle import KNOWN_EVERYWHERE, add_resource_server, is_active, own_token


@pytest.fixture
async def shop(server: Server) -> TestClient:
    grants = ("client_credentials",)
    return await add_client(server, "shop", grant_types=grants, default_scopes=("items:read",))


async def rotate(server: Server, client: TestClient, overlap: timedelta) -> TestClient:
    async with operating(server.database, server.clock) as operator:
        secret, _ = await rotate_secret(operator, client.client_id, overlap)
    return TestClient(client.client_id, secret)


async def import_client(server: Server, **changes: object) -> None:
    """Bring the shop to what an export of it says, with ``changes``."""
    async with operating(server.database, server.clock) as operator:
        document = await export_document(operator.connection, server.clock.now(), with_hashes=True)
        (shop,) = [client for client in document.clients if client.client_id == "shop"]
        imported = TransferDocument(clients=[shop.model_copy(update=changes)])
        await import_document(operator, imported, server.at_password_reset)


async def test_its_own_tokens_are_void_when_an_import_replaces_its_secret(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, shop: TestClient
) -> None:
    api = await add_resource_server(server)
    token = await own_token(http, shop)
    await import_client(server, secrets=[TransferredSecret(secret_hash=hash_secret("another"))])
    clock.advance(KNOWN_EVERYWHERE)
    assert not await is_active(http, api, token)


async def test_its_own_tokens_stay_good_when_an_import_brings_what_is_there(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, shop: TestClient
) -> None:
    api = await add_resource_server(server)
    shop = await rotate(server, shop, timedelta(seconds=10))
    clock.advance(10)
    token = await own_token(http, shop)
    await import_client(server)
    clock.advance(KNOWN_EVERYWHERE)
    assert await is_active(http, api, token)
