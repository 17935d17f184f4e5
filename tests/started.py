"""A started application for all tests of a module: for those that leave no traces."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI

from tests.conftest import ISSUER


@asynccontextmanager
async def started(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    """An HTTP client of ``app``, which is stopped at the end."""
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
            yield client
