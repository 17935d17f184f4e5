"""``/app-passwords``: make one, for the application that is chosen first."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError, Problem
from app.features.app_passwords.service import (
    NAME_MAX_LENGTH,
    create_app_password,
    get_client,
    list_clients,
)
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
from app.features.authorization_code.browser_sessions import Session
from app.identity.clients import RegisteredClient
from app.identity.users import get_account, is_still_proven
from app.management.lifetimes import USUAL_DAYS, lifetime_in_days, most_days
from app.message import Message
from app.pages.errors import PageRoute, sentence
from app.pages.rendering import render
from app.web.dependencies import CurrentServer

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "app-passwords"

_FIELD_OF_SCOPE = "scope "


@router.head("/app-passwords")
@router.get("/app-passwords")
async def ask(
    server: CurrentServer,
    browser: CurrentBrowser,
    client_id: Annotated[str, Query(alias="client")] = "",
) -> Response:
    """Ask for which application, unless there is one alone, and then what it may do."""
    session = await browser.entered()
    if session is None:
        return to_login(server)
    async with server.database.read() as connection:
        clients = await list_clients(connection, server.admits, session.user_id)
    chosen = [client for client in clients if client.client_id == client_id] or clients
    if len(chosen) != 1:
        return _page(browser, "choose", clients=clients)
    return await _form(browser, session, chosen[0])


@router.post("/app-passwords")
async def create(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Make the app password and show it this once."""
    form = await browser.read_form()
    session = await browser.entered()
    if session is None:
        return to_login(server)
    browser.require_shown(form, PURPOSE)
    client = None
    try:
        async with server.database.read() as connection:
            client = await get_client(
                connection, server.admits, session.user_id, form.get("client", "")
            )
        secret = await _create(browser, session, form)
    except LoggedOutError:
        return to_login(server)
    except ActionRefusedError as refusal:
        error = str(refusal)
    except Problem as refusal:
        error = sentence(refusal.told)
    else:
        return _page(browser, "created", client=client, secret=secret)
    if client is None:
        return _page(browser, "choose", clients=(), error=error)
    return await _form(browser, session, client, typed=form, error=error)


async def _create(browser: Browser, session: Session, form: Mapping[str, str]) -> str:
    server = browser.server
    proven = await verify_password(browser, session, form)

    async def make(connection: AsyncConnection, session: Session) -> str:
        if not await is_still_proven(connection, proven):
            raise ActionRefusedError(WRONG)  # by now
        actor = await actor_of(connection, browser, session)
        user = await get_account(connection, session.user_id)
        client = await get_client(connection, server.admits, user.id, form.get("client", ""))
        longest = server.settings.app_password_ttl
        _, secret = await create_app_password(
            actor,
            user=user,
            permitted=user.scopes,
            withheld=server.credential_scopes,
            client=client,
            name=form.get("name", ""),
            scopes=_ticked(form),
            lifetime=lifetime_in_days(form.get("days", ""), longest),
            notify=server.notify,
            password_id=_uuid(form.get("id", "")),
        )
        return secret

    return await browser.transact(make)


def _ticked(form: Mapping[str, str]) -> Sequence[str]:
    return [name.removeprefix(_FIELD_OF_SCOPE) for name in form if name.startswith(_FIELD_OF_SCOPE)]


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidError(told=Message("there is no such app password")) from None


async def _form(
    browser: Browser,
    session: Session,
    client: RegisteredClient,
    *,
    typed: Mapping[str, str] | None = None,
    error: str = "",
) -> Response:
    server = browser.server
    async with server.database.read() as connection:
        user = await get_account(connection, session.user_id)
    described = await server.scopes.all()
    most = most_days(server.settings.app_password_ttl)
    shown = typed or {}
    ticked = client.default_scopes if typed is None else _ticked(typed)
    return _page(
        browser,
        "create",
        error=error,
        client=client,
        password_id=uuid.uuid4(),
        name=shown.get("name", ""),
        name_length=NAME_MAX_LENGTH,
        scopes=[
            (scope, described.get(scope, scope), scope in ticked)
            for scope in sorted((user.scopes & client.scopes) - server.credential_scopes)
        ],
        most_days=most,
        days=shown.get("days", min(USUAL_DAYS, most)),
    )


def _page(browser: Browser, template: str, *, error: str = "", **values: Any) -> Response:
    page = render(
        f"app_passwords/{template}.html",
        browser.server.settings.look,
        status=400 if error else 200,
        form_token=browser.form_token(PURPOSE),
        session=browser.session,
        error=error,
        **values,
    )
    return browser.remember(page)
