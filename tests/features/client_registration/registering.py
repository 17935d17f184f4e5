"""An application in which clients register themselves, and what they send."""

from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend

CALLBACK = "http://127.0.0.1:3000/callback"

PATH = "/connect/register"


@pytest.fixture(scope="module")
def changes() -> dict[str, object]:
    """The settings of a module."""
    return {"client_registration": "open", "client_registration_schemes": ["cursor"]}


@pytest.fixture(scope="module")
def settings(backend: Backend, changes: dict[str, object]) -> Generator[Settings]:
    url = backend.migrated()
    yield make_settings(database_url=url, **changes)
    backend.drop(url)


@pytest.fixture(scope="module")
def app(settings: Settings, clock: TestClock) -> FastAPI:
    return create_app(settings, clock)


@pytest.fixture(autouse=True)
def an_hour_later(clock: TestClock) -> None:
    """All tests come from one network."""
    clock.advance(3601)


async def register(
    http: httpx2.AsyncClient, headers: dict[str, str] | None = None, **metadata: Any
) -> httpx2.Response:
    body = {"client_name": "Editor", "redirect_uris": [CALLBACK]} | metadata
    return await http.post(PATH, json=body, headers=headers)


async def registered(http: httpx2.AsyncClient, **metadata: Any) -> dict[str, Any]:
    response = await register(http, **metadata)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made
