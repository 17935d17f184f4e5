"""A request that writes, and the scene in which it is sent: see tests/test_nothing_stale.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from app.server import Server
from tests.support.factories import TestClient, TestUser

NEW_PASSWORD = "another horse battery staple"


Headers = dict[str, str]


@dataclass
class Scene:
    """Who asks, and whom and what they may change."""

    http: httpx2.AsyncClient
    server: Server
    actor: TestUser
    victim: TestUser
    console: TestClient
    service: TestClient
    other_client: TestClient
    headers: Headers = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    """Ids of what the actor has."""

    async def ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.http.request(method, path, json=body, headers=self.headers)

    async def ask_for_tokens(self, path: str) -> httpx2.Response:
        form = {
            "grant_type": "password",
            "username": self.actor.username,
            "password": self.actor.password,
            "client_id": self.console.client_id,
            "scope": "profile items:read",
        }
        return await self.http.post(path, data=form)


@dataclass(frozen=True)
class Write:
    """A request that writes, of somebody with ``scope``."""

    scope: str
    send: Callable[[Scene], Awaitable[httpx2.Response]]
    prepare: Callable[[Scene], Awaitable[None]] | None = None
    by_client: bool = False
    """A client that acts for itself may ask as well."""


def write(
    scope: str,
    method: str,
    path: str,
    body: Any = None,
    prepare: Callable[[Scene], Awaitable[None]] | None = None,
    by_client: bool | None = None,
) -> Write:
    async def send(scene: Scene) -> httpx2.Response:
        names = {"victim": str(scene.victim.id), "client": scene.other_client.client_id}
        return await scene.ask(method, path.format(**names, **scene.known), body)

    if by_client is None:
        by_client = scope.partition(":")[0] in ("users", "clients", "scopes", "resources")
    return Write(scope, send, prepare, by_client)
