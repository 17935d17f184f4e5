"""A browser that is known, where failed logins are throttled."""

import httpx2
import pytest
from fastapi import FastAPI

from app.settings import Settings
from tests.conftest import ISSUER
from tests.support.factories import TestClient, TestUser
from tests.support.flow import Page, submit
from tests.support.throttled import LIMIT, fail, throttled


@pytest.fixture
def settings(database_url: str) -> Settings:
    return throttled(database_url)


async def log_in_with_a_browser(
    app: FastAPI, user: TestUser, address: str, cookies: httpx2.Cookies | None = None
) -> httpx2.Response:
    """Through the login page."""
    transport = httpx2.ASGITransport(app=app, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER, cookies=cookies) as browser:
        form = Page(await browser.get("/login")).form
        filled = {"username": user.username, "password": user.password}
        response = await submit(browser, form, filled)
        if cookies is not None:
            browser.cookies.delete("latchkey_session")
            cookies.update(browser.cookies)
        return response


async def test_a_browser_that_logged_in_is_known_at_every_address(
    app: FastAPI, http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    hers = httpx2.Cookies()
    assert (await log_in_with_a_browser(app, alice, "192.0.2.1", hers)).status_code == 303
    await fail(http, web, LIMIT, "alice", "203.0.113.9")
    assert (await log_in_with_a_browser(app, alice, "198.51.100.7")).status_code == 429
    assert (await log_in_with_a_browser(app, alice, "198.51.100.7", hers)).status_code == 303
