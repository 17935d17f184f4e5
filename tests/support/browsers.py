"""A real browser before a real server.

Playwright's synchronous API keeps an event loop running in this thread. So nothing here is
asynchronous, and the browser is closed before the next package's tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from app.database.engines import Database
from tests.support.databases import Backend
from tests.support.docs_page import Docs, fresh_context
from tests.support.live_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page
    from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@pytest.fixture(scope="package")
def chromium() -> str:
    """The path of the browser; every test that needs one is skipped where there is none."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is missing: pip install playwright"
    )
    found = shutil.which("chromium")
    if found is None:
        with api.sync_playwright() as playwright:
            found = str(playwright.chromium.executable_path)
    if not os.path.exists(found):
        pytest.skip("Chromium is missing: apt-get install chromium, or playwright install chromium")
    return found


@pytest.fixture(scope="package")
def live_database_url(chromium: str, sqlite: Backend) -> str:
    """A database with the demo data."""
    url = sqlite.seeded()
    return url


@pytest.fixture(scope="package")
def live(live_database_url: str) -> Generator[str]:
    """The base URL of a server on that database."""
    with serving(live_database_url) as url:
        yield url


@pytest.fixture(scope="package")
def browser(chromium: str, live: str) -> Generator[Browser]:
    """Started after the server, whose migrations need an event loop of their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def context(browser: Browser) -> Generator[BrowserContext]:
    """Shared by tests that leave nothing in it: the scripts of Swagger UI are fetched once."""
    with fresh_context(browser) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Generator[Page]:
    with context.new_page() as page:
        yield page


@pytest.fixture
def docs(page: Page, live: str) -> Docs:
    """Swagger UI, loaded."""
    docs = Docs(page, live)
    docs.load()
    return docs


class InDatabase(Protocol):
    def __call__(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result: ...


@pytest.fixture(scope="package")
def in_database(live_database_url: str) -> InDatabase:
    """Runs work on the server's database; in a thread, for the browser's loop runs in this one."""

    def run(work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        async def main() -> Result:
            database = Database(live_database_url)
            try:
                async with database.transaction() as connection:
                    return await work(connection)
            finally:
                await database.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(main())).result()

    return run
