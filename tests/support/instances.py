"""Servers on one database, from one LATCHKEY_SECRET_KEY to the next."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.started import started

OLD = "the old secret of 32 bytes or more"
NEW = "the new secret of 32 bytes or more"

STEPS = ([OLD], [OLD, NEW], [NEW, OLD], [NEW])
"""What LATCHKEY_SECRET_KEY is, from one restart to the next."""


class Instances:
    """Servers on one database, with secrets of their own."""

    def __init__(self, url: str, clock: TestClock, stack: AsyncExitStack) -> None:
        self._url = url
        self._clock = clock
        self._stack = stack

    async def start(self, secrets: Sequence[str]) -> tuple[FastAPI, httpx2.AsyncClient]:
        settings = make_settings(database_url=self._url, secret_key=list(secrets))
        app = create_app(settings, self._clock)
        return app, await self._stack.enter_async_context(started(app))


@pytest.fixture
async def instances(database_url: str, clock: TestClock) -> AsyncGenerator[Instances]:
    async with AsyncExitStack() as stack:
        yield Instances(database_url, clock, stack)
