"""The consent page: what an application wants, in words, and a button for yes and for no."""

from fastapi import APIRouter, Response

from app.oauth2.redirect_uris import form_targets, is_remembering_safe, shown_target
from app.pages.authorize import (
    Decision,
    grantable_scopes,
    is_another_user,
    load_pending,
    must_log_in,
    proceed,
)
from app.pages.browser import CurrentBrowser
from app.pages.errors import PageRoute
from app.pages.login import RequestKey
from app.pages.rendering import render
from app.server import CurrentServer

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/consent")
async def consent_page(
    server: CurrentServer, browser: CurrentBrowser, key: RequestKey = ""
) -> Response:
    """Show what the application asks for. Only its scopes that the user has are shown."""
    pending, client = await load_pending(server, key)
    session = browser.session
    if session is None or must_log_in(session, pending, server.clock.now()):
        return browser.remember(await proceed(browser, pending, client))
    if is_another_user(session, pending):
        return await proceed(browser, pending, client)
    async with server.database.read() as connection:
        names = await grantable_scopes(connection, session, pending.request, client)
    if not names:
        return await proceed(browser, pending, client)
    described = await server.scopes.all()
    page = render(
        "consent.html",
        server.settings,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri),
        form_token=browser.form_token(_purpose(" ".join(names))),
        shown=" ".join(names),
        request_key=pending.key,
        client_name=client.name,
        username=session.username,
        target=shown_target(pending.request.redirect_uri),
        scopes=[described.get(name, name) for name in names],
        remembered=is_remembering_safe(client, pending.request.redirect_uri),
    )
    return browser.remember(page)


@router.post("/consent")
async def decide(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Take the answer back to the application. Whoever is logged out by now logs in first.

    What is granted is what was shown: the form names it, and is not believed with another list.
    """
    form = await browser.read_form()
    pending, client = await load_pending(server, form.get("request", ""))
    if browser.session is None:
        return await proceed(browser, pending, client)
    shown = form.get("shown", "")
    browser.require_shown(form, _purpose(shown))
    decision = Decision(form.get("decision") == "allow", shown.split())
    return await proceed(browser, pending, client, decision)


def _purpose(shown: str) -> str:
    return f"consent {shown}"
