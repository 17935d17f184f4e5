"""The consent page: what an application wants, in words, and a button for yes and for no."""

from fastapi import APIRouter, Response

from app.audit.trail import record
from app.oauth2.redirect_uris import form_targets, is_remembering_safe, shown_target
from app.pages.authorize import (
    grant,
    grantable_scopes,
    is_settled,
    load_pending,
    proceed,
    refuse,
)
from app.pages.browser import CurrentBrowser
from app.pages.errors import PageRoute
from app.pages.login import RequestKey
from app.pages.rendering import render
from app.server import CurrentServer
from app.tokens.consents import remember

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "consent"


@router.get("/consent")
async def consent_page(
    server: CurrentServer, browser: CurrentBrowser, key: RequestKey = ""
) -> Response:
    """Show what the application asks for. Only its scopes that the user has are shown."""
    pending, client = await load_pending(server, key)
    session = browser.session
    if session is None or not is_settled(browser, pending):
        return browser.remember(await proceed(browser, pending, client))
    names = await grantable_scopes(server, session, pending.request, client)
    if not names:
        return await proceed(browser, pending, client)
    described = await server.scopes.all()
    page = render(
        "consent.html",
        server.settings,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri),
        form_token=browser.form_token(PURPOSE),
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
    """Take the answer back to the application. Whoever is logged out by now logs in first."""
    form = await browser.read_form()
    pending, client = await load_pending(server, form.get("request", ""))
    session = browser.session
    if session is None:
        return await proceed(browser, pending, client)
    browser.require_shown(form, PURPOSE)
    if not is_settled(browser, pending):
        return await proceed(browser, pending, client)
    if form.get("decision") != "allow":
        denied = browser.event("consent.denied", client_id=client.client_id)
        return await refuse(server, pending, "access_denied", "The user said no.", denied)
    scopes = await grantable_scopes(server, session, pending.request, client)
    if not scopes:
        return await proceed(browser, pending, client)
    now = server.clock.now()
    granted = browser.event(
        "consent.granted", client_id=client.client_id, details={"scope": " ".join(scopes)}
    )
    async with server.database.transaction() as connection:
        await record(connection, now, granted)
        if is_remembering_safe(client, pending.request.redirect_uri):
            await remember(connection, session.user_id, client.client_id, scopes, now)
    return await grant(server, session, pending, scopes)
