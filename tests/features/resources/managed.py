"""Resources of tests, and tokens for them."""

from typing import Any

import httpx2

from app.features.resources.records import NewResource, ResourceRecord, find_resource
from app.features.resources.service import change_resource, create_resource, delete_resource
from app.management.authority import operating
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestClient
from tests.support.forger import read_claims
from tests.support.lifecycle import Tokens, credentials

A_WORKER_FORGETS = 2
"""Seconds after which a change has reached every worker."""


async def add_resource(server: Server, identifier: str, **more: Any) -> ResourceRecord:
    async with operating(server.database, server.clock) as operator:
        record = await create_resource(operator, NewResource(identifier=identifier, **more))
    pass_on(server)
    return record


async def change(server: Server, identifier: str, changes: dict[str, Any]) -> None:
    async with operating(server.database, server.clock) as operator:
        resource = await find_resource(operator.connection, identifier)
        await change_resource(operator, resource.id, changes)
    pass_on(server)


async def delete(server: Server, identifier: str) -> None:
    async with operating(server.database, server.clock) as operator:
        resource = await find_resource(operator.connection, identifier)
        await delete_resource(operator, resource.id)
    pass_on(server)


def pass_on(server: Server) -> None:
    """Let a change reach the worker."""
    assert isinstance(server.clock, TestClock)
    server.clock.advance(A_WORKER_FORGETS)


def audience(answer: dict[str, Any]) -> Any:
    return read_claims(answer["access_token"])["aud"]


def assert_invalid_target(response: httpx2.Response, told: str) -> None:
    assert (response.status_code, response.json()) == (
        400,
        {"error": "invalid_target", "error_description": told},
    )


async def refresh(
    http: httpx2.AsyncClient, client: TestClient, answer: Tokens, **more: str
) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    return await http.post("/token", data=form | credentials(client) | more)
