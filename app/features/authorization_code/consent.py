"""The consent page: what an application wants, in words, and a button for yes and for no."""

from fastapi import APIRouter, Response

from app.features.authorization_code.authorizations import Pending
from app.features.authorization_code.browser import Browser, CurrentBrowser
from app.features.authorization_code.browser_sessions import Session
from app.features.authorization_code.code_flow import (
    FinishedError,
    RequestKey,
    answer_again,
    load_pending,
    look_ahead,
    proceed,
)
from app.features.authorization_code.next_step import AskConsent, Decision, ShutOut
from app.features.authorization_code.redirect_uris import (
    form_targets,
    is_remembering_safe,
    shown_target,
)
from app.identity.clients import RegisteredClient
from app.pages.errors import PageRoute
from app.pages.rendering import render
from app.web.dependencies import CurrentServer

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/consent")
async def consent_page(
    server: CurrentServer, browser: CurrentBrowser, key: RequestKey = ""
) -> Response:
    """Show what the application asks for. Only its scopes that the user has are shown."""
    pending, client = await load_pending(server, key)
    step = await look_ahead(browser, pending, client)
    if browser.session is not None and isinstance(step, ShutOut):
        return browser.remember(_shut_out(browser, browser.session, pending, client))
    if browser.session is None or not isinstance(step, AskConsent):
        return browser.remember(await proceed(browser, pending, client))
    scope = " ".join(step.scopes)
    described = await server.scopes.all()
    known = (await server.resources.of_client(client)).values()
    page = render(
        "consent.html",
        server.settings.look,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri),
        form_token=browser.form_token(_purpose(scope)),
        shown=scope,
        request_key=pending.key,
        client_name=client.name,
        username=browser.session.username,
        self_registered=client.self_registered,
        described_at=client.described_at,
        target=shown_target(pending.request.redirect_uri),
        scopes=[described.get(name, name) for name in step.scopes],
        resources=[each for each in known if each.identifier in pending.request.resources],
        remembered=is_remembering_safe(client, pending.request.redirect_uri),
    )
    return browser.remember(page)


def _shut_out(
    browser: Browser, session: Session, pending: Pending, client: RegisteredClient
) -> Response:
    """The page for somebody to whom the application is not open; its only answer is to go back."""
    return render(
        "shut_out.html",
        browser.server.settings.look,
        status=403,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri),
        form_token=browser.form_token(_purpose("")),
        request_key=pending.key,
        client_name=client.name,
        username=session.username,
        target=shown_target(pending.request.redirect_uri),
    )


@router.post("/consent")
async def decide(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Take the answer back to the application. Whoever is logged out by now logs in first.

    What is granted is what was shown: the form names it, and is not believed with another list.
    """
    form = await browser.read_form()
    key, shown = form.get("request", ""), form.get("shown", "")
    try:
        pending, client = await load_pending(server, key)
        if browser.session is None:
            return await proceed(browser, pending, client)
        browser.require_shown(form, _purpose(shown))
        decision = Decision(form.get("decision") == "allow", shown.split())
        return await proceed(browser, pending, client, decision)
    except FinishedError:
        # The second press of a button is answered like the first, whichever it was.
        again = None
        if browser.was_shown(form, _purpose(shown)):
            again = await answer_again(browser, key)
        if again is None:
            raise
        return again


def _purpose(shown: str) -> str:
    return f"consent {shown}"
