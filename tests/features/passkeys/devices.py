"""People with authenticators, who add passkeys and log in with them."""

import html
import json
import re
from typing import Any

import httpx2

from tests.support.authenticator import Authenticator
from tests.support.factories import PASSWORD, TestUser
from tests.support.flow import Form, Page, submit

HERE = "http://localhost:8000"

Browser = httpx2.AsyncClient

_OPTIONS = re.compile(r'data-options="([^"]+)"')


def options_in(response: httpx2.Response) -> dict[str, Any]:
    """What the page has its script ask the browser for."""
    (found,) = _OPTIONS.findall(response.text)
    options: dict[str, Any] = json.loads(html.unescape(found))
    return options


async def enter(browser: Browser, user: TestUser) -> httpx2.Response:
    """Log in with name and password."""
    form = login_form(await browser.get("/login"))
    return await submit(browser, form, {"username": user.username, "password": user.password})


def login_form(response: httpx2.Response, field: str = "password") -> Form:
    (form,) = [form for form in Page(response).forms if field in form.fields]
    return form


async def begin(browser: Browser, name: str = "laptop", password: str = PASSWORD) -> Any:
    """The page that has a passkey made."""
    form = Page(await browser.get("/passkeys")).form
    return await submit(browser, form, {"name": name, "current_password": password})


async def add(browser: Browser, device: Authenticator, name: str = "laptop") -> httpx2.Response:
    """Whoever is logged in adds a passkey of ``device``."""
    page = await begin(browser, name)
    sent = device.make(options_in(page))
    return await submit(browser, Page(page).form, {"passkey": sent})


async def asked(browser: Browser) -> dict[str, Any]:
    """What the login page asks for."""
    options: dict[str, Any] = (await browser.get("/passkeys/options")).json()
    return options


async def log_in_with(browser: Browser, sent: str) -> httpx2.Response:
    """Send what an authenticator gave for the login page."""
    return await submit(
        browser, login_form(await browser.get("/login"), "passkey"), {"passkey": sent}
    )


async def come_back(browser: Browser, device: Authenticator) -> None:
    """Log in anew with a passkey: from the first on, a login without one changes none."""
    browser.cookies.clear()
    await browser.get("/login")  # which gives it the cookie that challenges are bound to
    await log_in_with(browser, device.use(await asked(browser)))
