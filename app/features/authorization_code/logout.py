"""Logging out: OpenID Connect RP-Initiated Logout 1.0."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import record
from app.errors import InvalidRequestError
from app.features.authorization_code.browser import Browser, CurrentBrowser, LoggedOutError
from app.features.authorization_code.browser_sessions import Session, end_session
from app.features.authorization_code.id_token_hint import read_hint
from app.features.authorization_code.redirect_uris import form_targets
from app.languages.reader import reader
from app.message import Message
from app.pages.errors import PageError, PageRoute
from app.pages.rendering import redirect, render
from app.server import Server
from app.web.dependencies import CurrentServer
from app.web.form import parse_pairs, read_pairs

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "logout"

PASSED_ON = ("post_logout_redirect_uri", "state", "client_id", "id_token_hint", "ui_locales")


@dataclass(frozen=True)
class LogoutRequest:
    """What a client wants, as far as it may be believed."""

    parameters: Mapping[str, str]
    hinted_user: str | None
    """The ``sub`` of a valid ``id_token_hint`` that was issued to the client."""
    return_uri: str | None
    """Where the client registered that its users may be sent."""

    @property
    def return_parameters(self) -> Mapping[str, str]:
        """What goes along."""
        return {"state": self.parameters["state"]} if "state" in self.parameters else {}


@router.get("/logout")
async def logout_page(request: Request, server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Log out at once if a hint names the user who is logged in; else ask them first."""
    try:
        parameters = dict(parse_pairs(request.scope["query_string"]))
    except InvalidRequestError:
        parameters = {}
    reader().note(ui_locales=parameters.get("ui_locales", ""))
    wanted = await _read(server, parameters)
    if browser.session is None:
        return _done(server, wanted)
    if wanted.hinted_user == str(browser.session.user_id):
        return await _end(server, browser, wanted)
    page = render(
        "logout.html",
        server.settings.look,
        form_targets=form_targets(wanted.return_uri) if wanted.return_uri else (),
        form_token=browser.form_token(PURPOSE),
        username=browser.session.username,
        parameters={name: parameters[name] for name in PASSED_ON if name in parameters},
    )
    return browser.remember(page)


@router.post("/logout")
async def log_out(request: Request, server: CurrentServer, browser: CurrentBrowser) -> Response:
    """The answer to that question; or a client's own form, which is asked like a GET.

    A client's form comes from another site, so the browser has sent no cookies with it.
    """
    try:
        pairs = dict(await read_pairs(request))
    except InvalidRequestError:
        raise PageError(
            Message("This form could not be read"), Message("Go back and try again.")
        ) from None
    if "form_token" not in pairs:
        parameters = {name: pairs[name] for name in PASSED_ON if name in pairs}
        return redirect(f"{server.settings.issuer}/logout", parameters)
    form = await browser.read_form()
    reader().note(ui_locales=form.get("ui_locales", ""))
    if browser.session is not None:
        browser.require_shown(form, PURPOSE)
    return await _end(server, browser, await _read(server, form))


async def _read(server: Server, parameters: Mapping[str, str]) -> LogoutRequest:
    hint = await read_hint(server, parameters.get("id_token_hint", ""))
    client_id = parameters.get("client_id") or (hint[1] if hint else "")
    client = await server.clients.find(client_id) if client_id.isprintable() else None
    agreed = hint is None or hint[1] == client_id
    uri = parameters.get("post_logout_redirect_uri")
    registered = client is not None and uri in client.post_logout_redirect_uris
    return LogoutRequest(
        parameters,
        hinted_user=hint[0] if hint and agreed else None,
        return_uri=uri if agreed and registered else None,
    )


async def _end(server: Server, browser: Browser, wanted: LogoutRequest) -> Response:
    async def end(connection: AsyncConnection, session: Session) -> None:
        now = server.clock.now()
        await end_session(connection, session.id, now)
        await record(connection, now, browser.event("session.ended"))

    with suppress(LoggedOutError):  # what the user wanted is so
        await browser.transact(end)
    return browser.forget_session(_done(server, wanted))


def _done(server: Server, wanted: LogoutRequest) -> Response:
    if wanted.return_uri is not None:
        return redirect(wanted.return_uri, wanted.return_parameters)
    return render("logged_out.html", server.settings.look)
