"""The account page: browsers, logins of applications, what they may do, address and password."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from app.database.paging import Place
from app.features.authorization_code import browser_sessions as sessions
from app.features.authorization_code import consents
from app.features.authorization_code.account_actions import ActionRefusedError, action_for
from app.features.authorization_code.activity import list_activity, words_of
from app.features.authorization_code.browser import (
    Browser,
    CurrentBrowser,
    LoggedOutError,
    to_login,
)
from app.features.authorization_code.browser_sessions import LiveSession, Session
from app.features.authorization_code.signed_in import list_signed_in
from app.identity.users import get_person
from app.login.logins import LiveLogin
from app.message import Message
from app.pages.errors import PageRoute
from app.pages.rendering import render, with_parameters
from app.server import Server
from app.web.cursors import ROW_CURSOR, page, row_place_at, row_place_of
from app.web.dependencies import CurrentServer

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "account"

SHOWN = 50
"""Browsers on a page, and applications with logins."""

NOTICES = {
    "password": Message(
        "Your password has been changed. You have been logged out everywhere else."
    ),
    "profile": Message("Your profile has been saved."),
    "email": Message("Your e-mail address has been changed."),
    "session": Message("The application has been logged out."),
    "sessions": Message("The application has been logged out everywhere."),
    "browser": Message("That browser has been logged out."),
    "elsewhere": Message("You have been logged out everywhere else."),
    "application": Message("The application no longer has access to your account."),
}


@dataclass(frozen=True)
class _Lists:
    """Where the lists of the page begin, if not with the newest."""

    browsers: str = ""
    logins: str = ""
    activity: str = ""


_NEWEST = _Lists()


@router.head("/account")
@router.get("/account")
async def account_page(
    server: CurrentServer,
    browser: CurrentBrowser,
    done: Annotated[str, Query()] = "",
    proof: Annotated[str, Query()] = "",
    browsers: Annotated[str, Query()] = "",
    logins: Annotated[str, Query()] = "",
    activity: Annotated[str, Query()] = "",
) -> Response:
    """Show the account, or the login page first.

    ``done`` is believed with a ``proof`` alone: no link from elsewhere can say what was done.
    ``browsers``, ``logins`` and ``activity`` are where their lists begin, if not with the newest.
    """
    session = await browser.entered()
    if session is None:
        return to_login(server)
    proven = server.form_tokens.check(proof, browser.key, f"done {done}")
    notice = _notices(server).get(done, "") if proven else ""
    lists = _Lists(browsers, logins, activity)
    return await _page(browser, session, notice=notice, lists=lists)


@router.post("/account")
async def change_account(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Do what one of the forms of the page asks for. Whoever is logged out logs in first."""
    form = await browser.read_form()
    session = await browser.entered()
    if session is None:
        return to_login(server)
    browser.require_shown(form, PURPOSE)
    action = form.get("action", "")
    shown = None
    try:
        if (act := action_for(server, action)) is not None:
            shown = await act(browser, session, form)
    except LoggedOutError:
        return to_login(server)
    except ActionRefusedError as refusal:
        return await _page(browser, session, refusal=refusal, refused=action, typed=form)
    if shown:  # which a redirect would lose
        return await _page(browser, session, shown=shown)
    proof = server.form_tokens.issue(browser.key, f"done {action}")
    told = {"done": action, "proof": proof}
    return RedirectResponse(with_parameters(f"{server.settings.issuer}/account", told), 303)


def _notices(server: Server) -> Mapping[str, str]:
    notices: dict[str, str] = dict(NOTICES)
    for section in server.account_sections:
        notices |= {name: action.notice for name, action in section.actions.items()}
    return notices


async def _page(
    browser: Browser,
    session: Session,
    *,
    notice: str = "",
    refusal: ActionRefusedError | None = None,
    refused: str = "",
    typed: Mapping[str, str] | None = None,
    shown: Mapping[str, Any] | None = None,
    lists: _Lists = _NEWEST,
) -> Response:
    server = browser.server
    async with server.database.read() as connection:
        now = server.clock.now()
        others = await sessions.list_sessions(
            connection,
            session.user_id,
            now,
            limit=SHOWN + 1,
            but=session.id,
            before=_place_at(lists.browsers),
        )
        signed_in = await list_signed_in(
            connection, session.user_id, now, limit=SHOWN + 1, before=_place_at(lists.logins)
        )
        allowed = await consents.list_allowed(connection, session.user_id)
        words = words_of(server.features)
        activity, older = await list_activity(connection, words, session.user_id, lists.activity)
        profile = (await get_person(connection, session.user_id)).profile
        added: dict[str, Any] = {}
        for section in server.account_sections:
            added |= await section.load(connection, server.settings, session.user_id, now)
    described = await server.scopes.all()
    rendered = render(
        "account.html",
        server.settings.look,
        status=400 if refusal else 200,
        form_token=browser.form_token(PURPOSE),
        session=session,
        min_length=server.settings.password_min_length,
        browsers=others[:SHOWN],
        older_browsers=_behind(others),
        signed_in=signed_in[:SHOWN],
        older_logins=_behind([each.newest for each in signed_in]),
        applications=[
            (client, [described.get(scope, scope) for scope in client.scopes]) for client in allowed
        ],
        activity=activity,
        older_activity=older,
        notice=notice,
        error=str(refusal or ""),
        refused=refused,
        faults=refusal.faults if refusal else {},
        typed=typed or {},
        profile=profile,
        sections=[section.template for section in server.account_sections],
        **added | dict(shown or {}),
    )
    return browser.remember(rendered)


def _place_at(cursor: str) -> Place | None:
    """None for what is no cursor: then the list begins with the newest."""
    return row_place_at(cursor) if re.fullmatch(ROW_CURSOR, cursor) else None


def _behind(listed: Sequence[LiveLogin | LiveSession]) -> str | None:
    """Where the next page begins, if there is one."""
    _, cursor = page(listed, SHOWN, lambda row: row_place_of(row.created_at, row.id))
    return cursor
