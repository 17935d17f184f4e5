"""``/register`` and ``/invitation``: ask for a link, and make an account with one."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.errors import InvalidFieldsError, LoginRefused, NotFoundError, Problem
from app.features.authorization_code.browser import Browser, CurrentBrowser
from app.features.authorization_code.code_flow import RequestKey, read_like
from app.features.mail.links import TOO_MANY
from app.features.registration.links import Offer, find_offer
from app.features.registration.new_account import NewAccount
from app.features.registration.visitors import join, request_link
from app.identity.definition import validated
from app.languages.catalogues import translated
from app.login.second_step import SecondStep
from app.message import Message
from app.pages.errors import PageError, PageRoute, faults_in_words, say_refused, sentence
from app.pages.rendering import redirect, render
from app.security.opaque import hash_secret
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of

ASK = "register"
MAKE = "invitation"
"""What the form tokens are for."""

LABELS = {
    "username": Message("User name"),
    "name": Message("Your name"),
    "email": Message("E-mail address"),
    "password": Message("Password"),
    "token": Message("Link"),
}
"""What the form calls its fields."""

asking = APIRouter(route_class=PageRoute, include_in_schema=False)
"""Where anybody may register."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)
"""Where links lead."""


@asking.head("/register")
@asking.get("/register")
async def ask_for_address(browser: CurrentBrowser, key: RequestKey = "") -> Response:
    """Ask for an address; a pending request goes on once there is an account."""
    await read_like(browser.server, key)
    return _ask(browser, key)


@asking.post("/register")
async def send_link(browser: CurrentBrowser) -> Response:
    """The same answer whoever has the address, after the same work."""
    form = await browser.read_form()
    browser.require_shown(form, ASK)
    key, email = form.get("request", ""), form.get("email", "").strip()
    await read_like(browser.server, key)
    more = {"browser": hash_secret(browser.key), **({"request": key} if key else {})}
    try:
        await request_link(
            browser.server, email, form.get("human", ""), origin_of(browser.request), more
        )
    except Problem as refusal:
        return _ask(browser, key, email=email, error=sentence(refusal.told), status=400)
    except LoginRefused as refusal:
        page = _ask(browser, key, email=email, error=TOO_MANY, status=429)
        page.headers["Retry-After"] = str(refusal.retry_after)
        return page
    return _ask(browser, key, email=email, sent=True)


def _ask(
    browser: Browser,
    key: str,
    *,
    email: str = "",
    error: str = "",
    status: int = 200,
    sent: bool = False,
) -> Response:
    settings = browser.server.settings
    page = render(
        "registration/register.html",
        settings.look,
        status=status,
        popup=True,
        form_token=browser.form_token(ASK),
        request_key=key,
        username=browser.session.username if browser.session else "",
        email=email,
        domains=settings.registration_domains,
        error=error,
        sent=sent,
        has_mailbox=settings.smtp_server is None,
    )
    return browser.remember(page)


@router.head("/invitation")
@router.get("/invitation")
async def show_invitation(
    server: CurrentServer, browser: CurrentBrowser, token: Annotated[str, Query()] = ""
) -> Response:
    """Ask for a name and a password: a program that scans mail comes no further."""
    return _offer(browser, token, await _look_up(browser, token), {})


@router.post("/invitation")
async def make_account(server: CurrentServer, browser: CurrentBrowser) -> Response:
    """Make the account, and log in with it."""
    form = await browser.read_form()
    browser.require_shown(form, MAKE)
    token = form.get("token", "")
    offer = await _look_up(browser, token)
    try:
        wanted = validated(
            NewAccount,
            {
                "token": token,
                "username": form.get("username", "").strip(),
                "name": form.get("name", "").strip() or None,
                "email": form.get("email", "").strip() or None,
                "password": form.get("new_password", ""),
            },
        )
        account, offer = await join(server, wanted, origin_of(browser.request))
    except NotFoundError:
        raise _no_longer_good() from None
    except InvalidFieldsError as refusal:
        faults = faults_in_words(refusal).items()
        told = " ".join(
            translated(Message("{name}: {value}", name=LABELS[name], value=why))
            for name, why in faults
        )
        return _offer(browser, token, offer, form, error=told, status=400)
    except Problem as refusal:
        return _offer(browser, token, offer, form, error=sentence(refusal.told), status=400)
    except LoginRefused as refusal:
        error, status = say_refused(refusal, wrong="")
        page = _offer(browser, token, offer, form, error=error, status=status)
        page.headers["Retry-After"] = str(refusal.retry_after)
        return page
    begun = await browser.log_in(account)
    if isinstance(begun, SecondStep):
        return redirect(f"{server.settings.issuer}/{begun.page}", _waiting(browser, offer))
    return browser.set_session(_onward(browser, offer), begun.secret)


def _onward(browser: Browser, offer: Offer) -> Response:
    """To the application, if it waits in this very browser."""
    waiting = _waiting(browser, offer)
    return redirect(
        f"{browser.server.settings.issuer}/{'login' if waiting else 'account'}", waiting
    )


def _waiting(browser: Browser, offer: Offer) -> Mapping[str, str]:
    if offer.request_key and offer.browser_hash == hash_secret(browser.key):
        return {"request": offer.request_key}
    return {}


def _offer(
    browser: Browser,
    token: str,
    offer: Offer,
    form: Mapping[str, str],
    *,
    error: str = "",
    status: int = 200,
) -> Response:
    settings = browser.server.settings
    page = render(
        "registration/invitation.html",
        settings.look,
        status=status,
        popup=True,
        form_token=browser.form_token(MAKE),
        token=token,
        proven_email=offer.email or "",
        username=form.get("username", ""),
        name=form.get("name", ""),
        email=form.get("email", ""),
        min_length=settings.password_min_length,
        error=error,
    )
    return browser.remember(page)


async def _look_up(browser: Browser, token: str) -> Offer:
    """What a link is good for, in the browser of nobody. Raises :class:`PageError`."""
    server = browser.server
    async with server.database.read() as connection:
        offer = await find_offer(connection, token, server.clock.now())
    if offer is None:
        raise _no_longer_good()
    await read_like(server, offer.request_key or "")
    if browser.session is not None:
        raise PageError(
            Message("You are already logged in"),
            Message(
                "You are logged in as {username}. To create another account, log out, then open "
                "the link again.",
                username=browser.session.username,
            ),
            onward=(Message("Log out"), "logout"),
        )
    return offer


def _no_longer_good() -> PageError:
    return PageError(
        Message("This link is no longer valid"),
        Message(
            "A link is good for a while and can be used once; a newer mail replaces it. If you "
            "have made your account with it, log in."
        ),
        onward=(Message("Log in"), "login"),
    )
