"""The section of the account page with the download, and the download."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.feature import AccountSection
from app.features.authorization_code import ACCOUNT
from app.features.authorization_code.account import PURPOSE
from app.features.authorization_code.account_actions import ActionRefusedError, require_strong_login
from app.features.authorization_code.browser import CurrentBrowser, LoggedOutError
from app.features.authorization_code.browser_sessions import Session
from app.features.export.document import EXPORTED, export_account
from app.message import Message
from app.pages.errors import PageError, PageRoute
from app.settings import Settings
from app.web.dependencies import CurrentServer

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HEADERS = {"Content-Disposition": 'attachment; filename="account.json"'}


@router.post("/export-account")
async def download(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """The document, as a file, and a line about it in the trail."""
    form = await browser.read_form()

    async def note(connection: AsyncConnection, session: Session) -> uuid.UUID:
        await require_strong_login(connection, browser, session)
        await record(connection, server.clock.now(), browser.event(EXPORTED))
        return session.user_id

    try:
        if browser.session is not None:
            browser.require_shown(form, PURPOSE)
        user_id = await browser.transact(note)
    except LoggedOutError:
        return RedirectResponse(f"{server.settings.issuer}/login", 303)
    except ActionRefusedError as refusal:
        title = Message("One more step")
        raise PageError(title, str(refusal), 403, onward=ACCOUNT) from None
    async with server.database.read() as connection:
        content = await export_account(connection, server, user_id)
    return Response(content, media_type="application/json", headers=HEADERS)


async def _load(
    _connection: AsyncConnection, _settings: Settings, _user_id: uuid.UUID, _now: datetime
) -> Mapping[str, Any]:
    return {}


SECTION = AccountSection(template="export/account.html", load=_load, actions={})
