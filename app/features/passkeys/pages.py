"""``/passkeys``: add one, call it something else, remove it."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFoundError, Problem
from app.features.authorization_code.account_actions import (
    WRONG,
    ActionRefusedError,
    actor_of,
    require_strong_login,
    verify_password,
)
from app.features.authorization_code.browser import (
    Browser,
    CurrentBrowser,
    LoggedOutError,
    to_login,
)
from app.features.authorization_code.browser_sessions import Session
from app.features.passkeys.ceremony import request_options
from app.features.passkeys.challenges import LOGIN, issue_challenge
from app.features.passkeys.enrolment import ask_for_new, keep_new
from app.features.passkeys.relying_party import RelyingParty
from app.features.passkeys.service import (
    NAME_MAX_LENGTH,
    PasskeyRecord,
    checked_name,
    list_passkeys,
    remove_passkey,
    rename_passkey,
)
from app.identity.users import Account, get_account, is_still_proven
from app.management.authority import Actor
from app.message import Message
from app.pages.assets import serve
from app.pages.devices import describe_device
from app.pages.errors import PageRoute, sentence
from app.pages.rendering import render
from app.server import Server
from app.web.dependencies import CurrentServer

PURPOSE = "passkeys"

LOG_IN_AGAIN = Message(
    "Log out, and log in again with a passkey. For a few minutes after that you can do this."
)
"""For whoever has no password to type: see ``LATCHKEY_REAUTHENTICATION_AGE``."""


def passkey_pages(party: RelyingParty) -> APIRouter:
    """The pages, for passkeys of that server."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)
    serve(
        router,
        "/assets/passkeys.js",
        "app.features.passkeys",
        "static/passkeys.js",
        "text/javascript",
    )

    @router.get("/passkeys/options")
    async def options(server: CurrentServer, browser: CurrentBrowser) -> Response:
        """What the login page asks a browser for."""
        now = server.clock.now()
        challenge = issue_challenge(server.settings, browser.key, LOGIN, now)
        asked = request_options(party, challenge, verification="required")
        return browser.remember(JSONResponse(asked))

    @router.head("/passkeys")
    @router.get("/passkeys")
    async def ask(
        server: CurrentServer,
        browser: CurrentBrowser,
        passkey_id: Annotated[str, Query(alias="passkey")] = "",
    ) -> Response:
        """Ask what a new passkey is called, or what is to become of one that is there."""
        session = await browser.entered()
        if session is None:
            return to_login(server)
        if not passkey_id:
            agent = browser.request.headers.get("user-agent", "")
            return await _page(browser, session, "add", name=describe_device(agent))
        passkey = await _find(server, session, passkey_id)
        if passkey is None:
            return _to_account(server)
        return await _page(browser, session, "change", passkey=passkey)

    @router.post("/passkeys")
    async def change(server: CurrentServer, browser: CurrentBrowser) -> Response:
        """Do what the form says."""
        form = await browser.read_form()
        session = await browser.entered()
        if session is None:
            return to_login(server)
        browser.require_shown(form, PURPOSE)
        try:
            match form.get("action", ""):
                case "begin":
                    return await _begin(browser, session, party, form)
                case "finish":
                    return await _finish(browser, session, party, form)
                case action:
                    return await _change(browser, session, action, form)
        except LoggedOutError:
            return to_login(server)
        except ActionRefusedError as refusal:
            error = str(refusal)
        except Problem as refusal:
            error = sentence(refusal.told)
        passkey = await _find(server, session, form.get("id", ""))
        if passkey is not None:
            return await _page(browser, session, "change", error=error, passkey=passkey)
        return await _page(browser, session, "add", error=error, name=form.get("name", ""))

    return router


async def _begin(
    browser: Browser, session: Session, party: RelyingParty, form: Mapping[str, str]
) -> Response:
    """Let whoever has typed the password have a passkey made."""
    server, name = browser.server, checked_name(form.get("name", ""))
    proven = await _confirm(browser, session, form)

    async def describe(connection: AsyncConnection, session: Session) -> str:
        await _judge(connection, browser, session, proven)
        now = server.clock.now()
        purpose = _purpose(session)
        return await ask_for_new(
            connection, server.settings, party, session.user_id, browser.key, purpose, now
        )

    options = await browser.transact(describe)
    return await _page(browser, session, "create", name=name, passkey_options=options)


async def _finish(
    browser: Browser, session: Session, party: RelyingParty, form: Mapping[str, str]
) -> Response:
    """Keep what the authenticator has made, for a challenge that took the password."""

    async def add(connection: AsyncConnection, session: Session) -> Sequence[str]:
        actor = await _judge(connection, browser, session, None)
        key, purpose = browser.key, _purpose(session)
        _, codes = await keep_new(actor, browser.server.settings, party, form, key, purpose)
        return codes

    codes = await browser.transact(add)
    return await _page(browser, session, "added", recovery_codes=codes)


async def _change(
    browser: Browser, session: Session, action: str, form: Mapping[str, str]
) -> Response:
    proven = await _confirm(browser, session, form)

    async def change(connection: AsyncConnection, session: Session) -> None:
        actor = await _judge(connection, browser, session, proven)
        passkey_id = _uuid(form.get("id", ""))
        if action == "rename":
            await rename_passkey(actor, passkey_id, form.get("name", ""))
        elif action == "remove":
            await remove_passkey(actor, passkey_id)

    await browser.transact(change)
    return _to_account(browser.server)


async def _confirm(browser: Browser, session: Session, form: Mapping[str, str]) -> Account | None:
    """The user, who has typed the password; None for one who has none and has just logged in.

    Raises :class:`ActionRefusedError`.
    """
    server = browser.server
    async with server.database.read() as connection:
        account = await get_account(connection, session.user_id)
    if account.password_hash is not None:
        return await verify_password(browser, session, form)
    longest = timedelta(seconds=server.settings.reauthentication_age)
    if server.clock.now() - session.authenticated_at > longest:
        raise ActionRefusedError(LOG_IN_AGAIN)
    return None


async def _judge(
    connection: AsyncConnection, browser: Browser, session: Session, proven: Account | None
) -> Actor:
    """The user, who may change passkeys in this transaction. Raises :class:`ActionRefusedError`."""
    if proven is not None and not await is_still_proven(connection, proven):
        raise ActionRefusedError(WRONG)  # by now
    await require_strong_login(connection, browser, session)
    return await actor_of(connection, browser, session)


def _purpose(session: Session) -> str:
    """Of the challenge for a new passkey. After another login the password is typed again."""
    return f"new {session.id}"


async def _find(server: Server, session: Session, passkey_id: str) -> PasskeyRecord | None:
    async with server.database.read() as connection:
        own = await list_passkeys(connection, session.user_id)
    return next((each for each in own if str(each.id) == passkey_id), None)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFoundError(told=Message("There is no such passkey.")) from None


def _to_account(server: Server) -> Response:
    return RedirectResponse(f"{server.settings.issuer}/account#passkeys", 303)


async def _page(
    browser: Browser, session: Session, template: str, *, error: str = "", **values: Any
) -> Response:
    server = browser.server
    async with server.database.read() as connection:
        account = await get_account(connection, session.user_id)
    page = render(
        f"passkeys/{template}.html",
        server.settings.look,
        status=400 if error else 200,
        form_token=browser.form_token(PURPOSE),
        session=session,
        has_password=account.password_hash is not None,
        name_length=NAME_MAX_LENGTH,
        error=error,
        **values,
    )
    return browser.remember(page)
