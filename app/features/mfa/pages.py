"""``/second-factor``: the page between the password and the login, and where one is set up."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InvalidError, LoginRefused
from app.features.authorization_code import ACCOUNT
from app.features.authorization_code.browser import Browser, CurrentBrowser, LoggedInBrowser
from app.features.authorization_code.browser_sessions import hold_session, replace_session
from app.features.authorization_code.code_flow import RequestKey
from app.features.authorization_code.login import ASKING, NextPage, go_on, onward_to
from app.features.authorization_code.redirect_uris import form_targets
from app.features.mfa import challenges
from app.features.mfa.policy import PAGE, starter
from app.features.mfa.qr import draw
from app.features.mfa.service import confirm_enrolment, describe_secret
from app.features.mfa.showing import WRONG, Showing, note_failure
from app.features.mfa.waiting import (
    Onward,
    Waiting,
    find_waiting,
    over,
    purpose_of,
    read_onward,
    wanted_by,
)
from app.identity.users import get_account
from app.login.second_step import WRONG_CODE, SecondStep, Shown
from app.management.authority import Actor
from app.message import Message
from app.pages.errors import PageError, PageRoute, say_refused, sentence
from app.pages.rendering import redirect, render
from app.server import Server
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

DOOR = "login"


@router.head(f"/{PAGE}")
@router.get(f"/{PAGE}")
async def ask(
    server: CurrentServer, browser: CurrentBrowser, key: RequestKey = "", next_page: NextPage = ""
) -> Response:
    """Ask for a factor, or show what to set one up with."""
    onward = await read_onward(server, key, next_page)
    waiting = await find_waiting(browser)
    if waiting is None:
        return redirect(f"{server.settings.issuer}/login", onward.parameters)
    if waiting.lacks_passkey:
        raise PageError(
            Message("This application takes a passkey"),
            Message("Log in to your account, add a passkey there, and come back."),
            403,
            onward=ACCOUNT,
        )
    return _page(browser, waiting, onward)


@router.post(f"/{PAGE}")
async def show(
    server: CurrentServer,
    browser: CurrentBrowser,
    next_page: Annotated[str, Query(alias="next")] = "",
) -> Response:
    """Judge what was shown, and go on."""
    form = await browser.read_form()
    onward = await read_onward(server, form.get("request", ""), next_page)
    waiting = await find_waiting(browser)
    if waiting is None or waiting.lacks_passkey:
        return await _press_twice(browser, onward, form)
    browser.require_shown(form, purpose_of(waiting.challenge))
    try:
        counted = await server.database.transact(
            lambda connection: challenges.count_try_at(
                connection,
                server.settings,
                challenges.of_browser(browser.key),
                server.clock.now(),
            )
        )
        if counted is None or counted.id != waiting.challenge.id:
            return await _press_twice(browser, onward, form)
        if not waiting.factors:
            return await _set_up(browser, waiting, onward, form)
        begun = await _log_in(browser, waiting, onward, form)
    except InvalidError as refusal:  # of a code that sets up an app
        return await _again(browser, onward, sentence(refusal.told), 400)
    except LoginRefused as refusal:
        if refusal.reason == challenges.USED:
            return await _press_twice(browser, onward, form)
        return await _refused(browser, waiting, onward, form, refusal)
    _count(server, "succeeded")
    return await go_on(browser, begun, onward.pending, onward.client, next_page)


async def _log_in(
    browser: Browser, waiting: Waiting, onward: Onward, form: Mapping[str, str]
) -> LoggedInBrowser | SecondStep:
    shown = [factor for factor in waiting.factors if form.get(factor.method)]
    if not shown:
        raise LoginRefused("wrong", reason=WRONG)
    server = browser.server
    showing = Showing(
        challenge=waiting.challenge,
        factor=shown[0],
        fields=form,
        settings=server.settings,
        clock=server.clock,
        notify=server.notify,
        origin=origin_of(browser.request),
        browser=browser.key,
    )

    async def note(connection: AsyncConnection, session_id: uuid.UUID) -> None:
        await challenges.note_session(connection, waiting.challenge, session_id)

    wanted = wanted_by(waiting.challenge)
    return await browser.log_in(waiting.account, wanted, showing.prove, note)


async def _press_twice(browser: Browser, onward: Onward, form: Mapping[str, str]) -> Response:
    """Answer the second press like the first, whose answer the browser has dropped.

    So has it the cookie in it: it gets another session, which takes the place of the first one and
    of nothing else. Once that is over, by a logout here or elsewhere, so is the login. Raises
    :class:`PageError` for anything else.
    """
    server, now = browser.server, browser.server.clock.now()
    which = challenges.of_browser(browser.key)
    shown = next(
        (form[each.method] for each in server.second_factors.factors if form.get(each.method)), ""
    )
    async with server.database.read() as connection:
        used = await challenges.find_used(connection, which, shown, now)
        if used is None or used.session_id is None:
            raise over(onward)
        account = await get_account(connection, used.user_id)
    proven = replace(account, security_stamp=used.security_stamp)  # as the password was right
    purpose, first = purpose_of(used), used.session_id
    if not (browser.was_shown(form, purpose) or await browser.was_shown_before(form, purpose)):
        raise over(onward)

    async def prove(connection: AsyncConnection) -> Sequence[str]:
        nonlocal first
        again = await challenges.find_used(connection, which, shown, now)
        if again is None or again.id != used.id or again.session_id is None:
            raise over(onward)
        if await hold_session(connection, again.session_id, now) is None:
            raise over(onward)
        first = again.session_id  # or of another press meanwhile
        return again.amr

    async def take_over(connection: AsyncConnection, session_id: uuid.UUID) -> None:
        await replace_session(connection, first, session_id, now)
        await challenges.note_session(connection, used, session_id)

    try:
        begun = await browser.log_in(proven, wanted_by(used), prove, take_over)
    except LoginRefused:
        raise over(onward) from None
    return await go_on(browser, begun, onward.pending, onward.client, onward.next_page)


async def _set_up(
    browser: Browser, waiting: Waiting, onward: Onward, form: Mapping[str, str]
) -> Response:
    """Let the new factor count, log in, and show the recovery codes: they are seen this once."""
    server, enrolment = browser.server, waiting.enrolment
    codes: list[str] = []

    async def prove(connection: AsyncConnection) -> Sequence[str]:
        await challenges.use_up(connection, waiting.challenge, server.clock.now())
        if enrolment is not None:
            shown = Shown(
                connection=connection,
                settings=server.settings,
                user_id=waiting.account.id,
                fields=form,
                client_id=waiting.challenge.client_id,
                origin=origin_of(browser.request),
                clock=server.clock,
                notify=server.notify,
                browser=browser.key,
            )
            enrolled = await enrolment.confirm(shown)
            codes[:] = enrolled.recovery_codes
            return tuple(dict.fromkeys([*waiting.challenge.amr, *enrolled.amr]))
        if await server.second_factors.has_factor(connection, waiting.account.id):
            raise over(onward)  # it was set up elsewhere meanwhile: a login has to show it
        actor = Actor(
            connection=connection,
            clock=server.clock,
            subject=str(waiting.account.id),
            scopes=waiting.account.scopes,
            origin=origin_of(browser.request),
            login=starter(browser.key),
            notify=server.notify,
        )
        codes[:] = await confirm_enrolment(actor, server.settings, form.get("otp", ""))
        return (*waiting.challenge.amr, "otp", "mfa")

    begun = await browser.log_in(waiting.account, wanted_by(waiting.challenge), prove)
    if isinstance(begun, SecondStep) or not codes:
        return await go_on(browser, begun, onward.pending, onward.client, onward.next_page)
    page = render(
        "mfa/enrolled.html",
        server.settings.look,
        popup=True,
        recovery_codes=codes,
        onward=_address_after(server, onward),
    )
    return browser.set_session(page, begun.secret)


def _address_after(server: Server, onward: Onward) -> str:
    """Where a link leads on to: a request that waits is answered from the login page."""
    if onward.pending is None:
        return onward_to(server, onward.next_page).headers["location"]
    return redirect(f"{server.settings.issuer}/login", onward.parameters).headers["location"]


async def _refused(
    browser: Browser,
    waiting: Waiting,
    onward: Onward,
    form: Mapping[str, str],
    refusal: LoginRefused,
) -> Response:
    server = browser.server
    shown = [factor.wrong for factor in waiting.factors if form.get(factor.method)]
    if refusal.why == "wrong":
        origin, reason = origin_of(browser.request), refusal.reason
        await note_failure(server.database, server.clock, waiting.challenge, origin, DOOR, reason)
    _count(server, "throttled" if refusal.why == "wait" else refusal.reason)
    error, status = say_refused(refusal, wrong=shown[0] if shown else WRONG_CODE)
    page = await _again(browser, onward, error, status)
    if refusal.why == "wait":
        page.headers["Retry-After"] = str(refusal.retry_after)
    return page


async def _again(browser: Browser, onward: Onward, error: str, status: int) -> Response:
    """The page once more, if the login is good for another try."""
    waiting = await find_waiting(browser)
    if waiting is None:
        raise over(onward)
    return _page(browser, waiting, onward, error=error, status=status)


def _page(
    browser: Browser, waiting: Waiting, onward: Onward, *, error: str = "", status: int = 200
) -> Response:
    settings = browser.server.settings
    pending, client = onward.pending, onward.client
    new, template = None, "mfa/second_factor.html"
    if waiting.enrolment is not None:
        template = waiting.enrolment.template
    elif waiting.secret is not None:
        template = "mfa/enrol.html"
        new = describe_secret(settings, waiting.account.username, waiting.secret)
    page = render(
        template,
        settings.look,
        status=status,
        popup=True,
        form_targets=form_targets(pending.request.redirect_uri) if pending else (),
        form_token=browser.form_token(purpose_of(waiting.challenge)),
        request_key=pending.key if pending else "",
        has_next=onward.next_page in ASKING,
        username=waiting.account.username,
        client_name=client.name if client else "",
        error=error,
        parts=[factor.template for factor in waiting.factors],
        new_secret=new.secret if new else "",
        qr_code=draw(new.uri) if new else "",
        **waiting.loaded,
    )
    return browser.remember(page)


def _count(server: Server, outcome: str) -> None:
    if server.metrics is not None:
        server.metrics.login("mfa", outcome)
