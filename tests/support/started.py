"""A started application for all tests of a module, which leave no traces or have their own users.

A module that imports these fixtures has them in place of those with one application for each test.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.shared import quiet_features


@asynccontextmanager
async def started(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client of ``app``, which is stopped at the end."""
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
            yield client


@pytest.fixture(scope="module")
def clock() -> TestClock:
    return TestClock()


@pytest.fixture(scope="module")
def settings(backend: Backend) -> Generator[Settings]:
    url = backend.migrated()
    yield make_settings(database_url=url)
    backend.drop(url)


@pytest.fixture(scope="module")
def app(settings: Settings, clock: TestClock) -> FastAPI:
    return create_app(settings, clock, quiet_features())


@pytest.fixture(scope="module")
async def http(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    async with started(app) as client:
        yield client


@pytest.fixture(scope="module")
def server(app: FastAPI, http: httpx2.AsyncClient) -> Server:
    found: Server = app.state.server
    return found
