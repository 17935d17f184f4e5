"""``/delete-account``: what ends, and the password once more."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import lock
from app.errors import ConflictError
from app.features.authorization_code.account_actions import (
    WRONG,
    ActionRefusedError,
    actor_of,
    verify_password,
)
from app.features.authorization_code.browser import (
    Browser,
    CurrentBrowser,
    LoggedOutError,
    to_login,
)
from app.features.authorization_code.browser_sessions import hold_session
from app.features.deletion.service import close_account
from app.identity.users import is_still_proven
from app.management.authority import MANAGEMENT_LOCK
from app.pages.errors import PageRoute, sentence
from app.pages.rendering import render
from app.web.dependencies import CurrentServer

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "delete-account"


@router.head("/delete-account")
@router.get("/delete-account")
async def ask(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Say what ends, and ask for the password."""
    return to_login(server) if await browser.entered() is None else _page(browser)


@router.post("/delete-account")
async def delete_account(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Close the account, or delete it at once where no days of grace are given."""
    form = await browser.read_form()
    session = await browser.entered()
    if session is None:
        return to_login(server)
    browser.require_shown(form, PURPOSE)
    grace = timedelta(days=server.settings.account_deletion_grace)
    try:
        account = await verify_password(browser, session, form)

        async def close(connection: AsyncConnection) -> datetime:
            # In the order of whoever manages users, or the two could wait for each other.
            await lock(connection, MANAGEMENT_LOCK)
            held = await hold_session(connection, session.id, server.clock.now())
            if held is None:
                raise LoggedOutError
            if not await is_still_proven(connection, account):
                raise ActionRefusedError(WRONG)
            actor = await actor_of(connection, browser, held)
            return await close_account(actor, grace, server.notify)

        ends_at = await server.database.transact(close)
    except LoggedOutError:
        return to_login(server)
    except ActionRefusedError as refusal:
        return _page(browser, error=str(refusal))
    except ConflictError as refusal:  # the last administrator
        return _page(browser, error=sentence(refusal.told))
    page = render(
        "deletion/deleted.html",
        server.settings.look,
        username=session.username,
        ends_at=ends_at if grace else None,
    )
    return browser.forget_session(page)


def _page(browser: Browser, *, error: str = "") -> Response:
    settings = browser.server.settings
    page = render(
        "deletion/delete.html",
        settings.look,
        status=400 if error else 200,
        form_token=browser.form_token(PURPOSE),
        session=browser.session,
        grace=settings.account_deletion_grace,
        error=error,
    )
    return browser.remember(page)
