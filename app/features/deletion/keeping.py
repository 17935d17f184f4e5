"""``/keep-account``: where a login leads during the days of grace."""

import uuid
from contextlib import suppress
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import lock
from app.errors import NotFoundError
from app.features.authorization_code.browser import Browser, CurrentBrowser
from app.features.authorization_code.way_back import was_led_back
from app.features.deletion.service import WAY_BACK, find_end, keep_account
from app.identity.users import Account, get_account, hold_user
from app.management.authority import MANAGEMENT_LOCK, Actor
from app.message import Message
from app.pages.errors import PageError, PageRoute
from app.pages.rendering import render
from app.server import Server
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.head(f"/{WAY_BACK}")
@router.get(f"/{WAY_BACK}")
async def ask(
    server: CurrentServer,
    browser: CurrentBrowser,
    user: Annotated[str, Query()] = "",
    proof: Annotated[str, Query()] = "",
) -> Response:
    """Say when the account will be deleted, and offer to keep it."""
    async with server.database.read() as connection:
        account = await _find(browser, connection, user, proof)
        ends_at = await find_end(connection, account.id, server.clock.now())
    if ends_at is None:
        raise _too_late()
    page = _page(server, account, ends_at=ends_at, proof=proof, token=browser.form_token(WAY_BACK))
    return browser.remember(page)


@router.post(f"/{WAY_BACK}")
async def keep(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Keep the account: its user can log in again."""
    form = await browser.read_form()
    browser.require_shown(form, WAY_BACK)

    async def enable(connection: AsyncConnection) -> Account:
        await lock(connection, MANAGEMENT_LOCK)
        user = form.get("user", "")
        with suppress(ValueError):
            await hold_user(connection, uuid.UUID(user))  # before anything is judged by them
        account = await _find(browser, connection, user, form.get("proof", ""))
        actor = Actor(
            connection=connection,
            clock=server.clock,
            subject=str(account.id),
            scopes=account.scopes,
            origin=origin_of(browser.request),
        )
        await keep_account(actor)
        return account

    try:
        account = await server.database.transact(enable)
    except NotFoundError:
        raise _too_late() from None
    return _page(server, account)


async def _find(browser: Browser, connection: AsyncConnection, user: str, proof: str) -> Account:
    """The user whose password was typed here. Raises :class:`PageError`."""
    try:
        account = await get_account(connection, uuid.UUID(user))
    except (ValueError, NotFoundError):
        raise _too_late() from None
    if not was_led_back(browser, account, proof):
        raise _too_late()
    return account


def _too_late() -> PageError:
    return PageError(
        Message("There is no account to keep"),
        Message("It may have been deleted by now, or kept already. Log in to see."),
        onward=(Message("Log in"), "login"),
    )


def _page(
    server: Server,
    account: Account,
    *,
    ends_at: datetime | None = None,
    proof: str = "",
    token: str = "",
) -> Response:
    return render(
        "deletion/keep.html",
        server.settings.look,
        user_id=str(account.id),
        username=account.username,
        ends_at=ends_at,
        proof=proof,
        form_token=token,
    )
