"""``/forgot-password`` and ``/reset-password``: ask for a link, and follow it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import LoginRefused
from app.features.authorization_code.browser import Browser, CurrentBrowser
from app.features.authorization_code.code_flow import RequestKey, read_like
from app.features.mail.links import TOO_MANY, require_proof
from app.features.mail.proofs import Proof, find_proof, use_token
from app.features.mail.requests import Asked, note_request
from app.features.recovery.answer import PURPOSE
from app.features.recovery.service import set_recovered_password
from app.message import Message
from app.pages.errors import PageError, PageRoute, say_refused, sentence
from app.pages.rendering import render
from app.security.passwords import UnacceptablePasswordError
from app.server import Server
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ASK = "forgot-password"
CHOOSE = "reset-password"
"""What the form tokens are for."""

BACK = (Message("Ask for another link"), "forgot-password")


@router.head("/forgot-password")
@router.get("/forgot-password")
async def ask_for_name(browser: CurrentBrowser, key: RequestKey = "") -> Response:
    """Ask who forgot their password; a pending request goes on after a login."""
    await read_like(browser.server, key)
    return _ask(browser, key)


@router.post("/forgot-password")
async def ask_for_link(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """The same answer whoever is named, after the same work."""
    form = await browser.read_form()
    browser.require_shown(form, ASK)
    key = form.get("request", "")
    await read_like(server, key)
    asked = Asked(typed=form.get("username", ""), origin=origin_of(browser.request))

    async def note(connection: AsyncConnection) -> None:
        now = server.clock.now()
        await note_request(connection, server.settings, PURPOSE.name, asked, now)

    try:
        await server.database.transact(note)
    except LoginRefused as refusal:
        page = _ask(browser, key, error=TOO_MANY, status=429)
        page.headers["Retry-After"] = str(refusal.retry_after)
        return page
    return _ask(browser, key, sent=True)


def _ask(
    browser: Browser, key: str, *, error: str = "", status: int = 200, sent: bool = False
) -> Response:
    settings = browser.server.settings
    page = render(
        "recovery/forgot.html",
        settings.look,
        status=status,
        popup=True,
        form_token=browser.form_token(ASK),
        request_key=key,
        error=error,
        sent=sent,
        has_mailbox=settings.smtp_server is None,
    )
    return browser.remember(page)


@router.head("/reset-password")
@router.get("/reset-password")
async def show_link(
    server: CurrentServer, browser: CurrentBrowser, token: Annotated[str, Query()] = ""
) -> Response:
    """Ask for the new password: a program that scans mail comes no further."""
    return _choose(browser, token, await _look_up(server, browser, token))


@router.post("/reset-password")
async def choose_password(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Set the new password."""
    form = await browser.read_form()
    browser.require_shown(form, CHOOSE)
    token, new = form.get("token", ""), form.get("new_password", "")
    found = await _look_up(server, browser, token)  # before the work of a hash
    try:
        server.password_rules.check(new, found.username)
        password_hash = await server.passwords.hash(new)
    except UnacceptablePasswordError as refusal:
        return _choose(browser, token, found, error=sentence(str(refusal)), status=400)
    except LoginRefused as refusal:
        error, status = say_refused(refusal, wrong="")
        return _choose(browser, token, found, error=error, status=status)

    async def change(connection: AsyncConnection) -> None:
        now = server.clock.now()
        proof = await use_token(connection, PURPOSE, token, now)
        if proof is None or proof.username != found.username:  # whose rules were checked
            raise _no_longer_good()
        await set_recovered_password(
            connection, proof.user_id, password_hash, origin_of(browser.request), now, server.notify
        )

    await server.database.transact(change)
    return _choose(browser, "", found, done=True)


def _choose(
    browser: Browser,
    token: str,
    proof: Proof,
    *,
    error: str = "",
    status: int = 200,
    done: bool = False,
) -> Response:
    settings = browser.server.settings
    page = render(
        "recovery/reset.html",
        settings.look,
        status=status,
        form_token=browser.form_token(CHOOSE),
        token=token,
        username=proof.username,
        min_length=settings.password_min_length,
        error=error,
        done=done,
    )
    return browser.remember(page)


async def _look_up(server: Server, browser: Browser, token: str) -> Proof:
    """What a link is good for, in the browser of nobody else. Raises :class:`PageError`."""
    async with server.database.read() as connection:
        proof = await find_proof(connection, PURPOSE, token, server.clock.now())
    return require_proof(browser, proof, _no_longer_good())


def _no_longer_good() -> PageError:
    return PageError(
        Message("This link is no longer valid"),
        Message("A link is good for three hours and can be used once; a newer mail replaces it."),
        onward=BACK,
    )
