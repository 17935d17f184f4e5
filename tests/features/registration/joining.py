"""What somebody without an account does, as the tests of registration do it."""

import httpx2

from app.features.mail.answering import Answering
from app.features.registration.asking import PURPOSE, answer
from app.server import Server
from tests.features.mail.sent import link_in, mails
from tests.support.flow import Page, submit
from tests.support.writes import NEW_PASSWORD

ADAS = "ada@example.com"

TYPED = {"username": "ada", "name": "Ada Lovelace", "new_password": NEW_PASSWORD}


async def answer_all(server: Server) -> None:
    """Let a worker look at who asked for a link."""
    await Answering(server.settings, server.database, server.clock, PURPOSE, answer).look()


async def ask(browser: httpx2.AsyncClient, email: str = ADAS, key: str = "") -> httpx2.Response:
    """Ask for a link at the page."""
    page = Page(await browser.get("/register", params={"request": key} if key else {}))
    return await submit(browser, page.form, {"email": email})


async def link_for(browser: httpx2.AsyncClient, server: Server, email: str = ADAS) -> str:
    """The link that somebody asks for and gets."""
    await ask(browser, email)
    await answer_all(server)
    server.clock.advance(1)  # type: ignore[attr-defined]
    return link_in((await mails(server, email))[-1])


async def make(browser: httpx2.AsyncClient, link: str, **typed: str) -> httpx2.Response:
    """Follow a link, and make an account with it."""
    page = Page(response := await browser.get(link))
    if not page.forms:
        return response
    return await submit(browser, page.form, TYPED | typed)
