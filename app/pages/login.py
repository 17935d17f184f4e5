"""The login page."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from app.identity.clients import RegisteredClient
from app.identity.profile import USERNAME_MAX_LENGTH, username_key
from app.login.authentication import AuthenticationError, Door
from app.login.throttle import TooManyFailuresError
from app.oauth2.redirect_uris import form_targets
from app.pages.authorize import load_pending, must_log_in, proceed
from app.pages.browser import Browser, CurrentBrowser
from app.pages.errors import PageRoute
from app.pages.rendering import render
from app.security.passwords import QueueFullError
from app.server import CurrentServer
from app.tokens.authorizations import Pending
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PURPOSE = "login"

WRONG = "The user name or the password is wrong."
TOO_MANY = "Too many attempts have failed. Wait a few minutes, then try again."
BUSY = "Many people log in at the moment. Try again in a few seconds."

OVERTAKEN = (
    "You have logged in or out in another tab meanwhile, or your browser refuses cookies. "
    "Log in again here."
)
SOMEBODY_ELSE = "In another tab you have logged in as {}. Log in here to be somebody else instead."

RequestKey = Annotated[str, Query(alias="request")]


@router.head("/login")
@router.get("/login")
async def login_page(
    server: CurrentServer,
    browser: CurrentBrowser,
    key: RequestKey = "",
    switch: Annotated[str, Query()] = "",
) -> Response:
    """Ask for name and password, for a pending request or for the account page.

    ``switch`` is for whoever is logged in and wants to be somebody else.
    """
    if not key:
        if browser.session is not None:
            return RedirectResponse(f"{server.settings.issuer}/account", 303)
        return _page(browser, None, None)
    pending, client = await load_pending(server, key)
    silent = "none" in pending.request.prompt
    if silent or not (switch or must_log_in(browser, pending)):
        return browser.remember(await proceed(browser, pending, client))
    return _page(browser, pending, client, username=pending.request.login_hint)


@router.post("/login")
async def log_in(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Check name and password; go on with the pending request, or to the account page."""
    form = await browser.read_form()
    pending, client = None, None
    if "request" in form:
        pending, client = await load_pending(server, form["request"])
    username = form.get("username", "")
    if not browser.was_shown(form, PURPOSE):
        return await _go_on(browser, pending, client, username)
    try:
        client_id = client.client_id if client else None
        door = Door("login", origin_of(browser.request), client_id, browser.key)
        account = await server.authenticator.authenticate(username, form.get("password", ""), door)
        logged_in, secret = await browser.log_in(account, door.client_id)
    except AuthenticationError:
        return _page(browser, pending, client, username=username, error=WRONG, status=400)
    except TooManyFailuresError as error:
        page = _page(browser, pending, client, username=username, error=TOO_MANY, status=429)
        page.headers["Retry-After"] = str(error.retry_after)
        return page
    except QueueFullError:
        return _page(browser, pending, client, username=username, error=BUSY, status=503)
    if pending is None or client is None:
        response: Response = RedirectResponse(f"{server.settings.issuer}/account", 303)
    else:
        response = await proceed(logged_in, pending, client)
    return browser.set_session(response, secret)


async def _go_on(
    browser: Browser, pending: Pending | None, client: RegisteredClient | None, username: str
) -> Response:
    """The answer to a form that was not shown to the browser as it is now.

    The password is not checked, and nothing happens that a link could not bring about: so nothing
    has to be proven. Who is logged in as the typed name by now is where they wanted to be.
    """
    session = browser.session
    if session is None:
        return _page(browser, pending, client, username=username, error=OVERTAKEN, status=400)
    possible = len(username) <= USERNAME_MAX_LENGTH
    if not possible or username_key(username) != username_key(session.username):
        error = SOMEBODY_ELSE.format(session.username)
        return _page(browser, pending, client, username=username, error=error, status=400)
    if pending is None or client is None:
        return RedirectResponse(f"{browser.server.settings.issuer}/account", 303)
    return await proceed(browser, pending, client)


def _page(
    browser: Browser,
    pending: Pending | None,
    client: RegisteredClient | None,
    *,
    username: str = "",
    error: str = "",
    status: int = 200,
) -> Response:
    page = render(
        "login.html",
        status=status,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri) if pending else (),
        form_token=browser.form_token(PURPOSE),
        request_key=pending.key if pending else "",
        client_name=client.name if client else "",
        username=username,
        error=error,
    )
    return browser.remember(page)
