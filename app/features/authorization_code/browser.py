"""The browser behind a request: its cookies, its session, the forms that it sends."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from app import IDENTIFIER
from app.audit.trail import Event, EventType, FeatureEventType, record
from app.errors import InvalidRequestError, LoginRefused
from app.features.authorization_code.browser_sessions import (
    Session,
    end_session,
    find_session,
    find_session_id,
    hold_session,
    replace_session,
    start_session,
)
from app.identity.users import Account, hold_user, is_still_proven
from app.languages.reader import reader
from app.login.notices import LoggedIn
from app.login.second_step import Prove, Proving, SecondStep, by_password
from app.login.strength import PASSWORD_ALONE, Level
from app.message import Message
from app.pages.errors import PageError
from app.security.opaque import generate_secret
from app.server import Server
from app.web.dependencies import CurrentServer
from app.web.form import read_form
from app.web.origin import origin_of

Result = TypeVar("Result")

Follow = Callable[[AsyncConnection, uuid.UUID], Awaitable[None]]
"""Follows in the transaction in which the session of that id has begun."""

BROWSER_COOKIE_LIFETIME = 400 * 24 * 3600
"""Seconds. What browsers grant at most."""


class LoggedOutError(Exception):
    """The session is over, if there was one. Nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody logs in for."""

    client_id: str | None = None
    """None for the pages of this server itself."""
    scopes: Sequence[str] = ()
    resources: Sequence[str] = ()
    level: Level = Level.ANY


ANYTHING = Wanted()


@dataclass(frozen=True)
class Browser:
    """A browser: recognised by one cookie, logged in by another."""

    server: Server
    request: Request
    key: str
    """The value of the cookie that its forms are bound to."""
    is_new: bool
    session: Session | None
    """As it was at the beginning of the request: what to show is chosen by it, and nothing more."""

    async def entered(self) -> Session | None:
        """The session of somebody who may look around; None for whoever has to log in first.

        So has a user who has to have a second factor by now, and has none.
        """
        session = self.session
        if session is None:
            return None
        lacks_one = await self.server.second_factors.lacks_factor(session.user_id, session.amr)
        return None if lacks_one else session

    def form_token(self, purpose: str) -> str:
        """The hidden field of a form that is shown to this browser, for this user."""
        return self.server.form_tokens.issue(self.key, self._bound(purpose))

    def _bound(self, purpose: str) -> str:
        return _bound(purpose, self.session.id if self.session else None)

    async def read_form(self) -> Mapping[str, str]:
        """The fields of a form from any origin. Raises :class:`PageError`."""
        try:
            return await read_form(self.request)
        except InvalidRequestError:
            raise PageError(
                Message("This form could not be read"), Message("Go back and try again.")
            ) from None

    def was_shown(self, form: Mapping[str, str], purpose: str) -> bool:
        """Whether this server showed ``form`` to this browser, for its session as it is now."""
        return self._was_shown(form, self._bound(purpose))

    async def was_shown_before(self, form: Mapping[str, str], purpose: str) -> bool:
        """Whether it showed ``form`` to this browser, for the session that is over by now.

        A login ends the session before it. A browser that drops the answer to the login, because
        somebody has pressed the button twice, goes on naming that.
        """
        secret = self.request.cookies.get(_session_cookie(self.server), "")
        if self.session is not None or not secret:
            return False
        async with self.server.database.read() as connection:
            ended = await find_session_id(connection, secret)
        return self._was_shown(form, _bound(purpose, ended))

    def _was_shown(self, form: Mapping[str, str], bound: str) -> bool:
        site = self.request.headers.get("sec-fetch-site", "same-origin")
        good = self.server.form_tokens.check(form.get("form_token", ""), self.key, bound)
        return good and site == "same-origin" and not self.is_new

    def require_shown(self, form: Mapping[str, str], purpose: str) -> None:
        """Raise :class:`PageError` unless the form may change something."""
        if not self.was_shown(form, purpose):
            raise PageError(
                Message("This form is no longer valid"),
                Message(
                    "You may have logged in or out in another tab, or your browser may be blocking "
                    "cookies. Go back to the application and start again."
                ),
            )

    async def transact(
        self, work: Callable[[AsyncConnection, Session], Awaitable[Result]]
    ) -> Result:
        """Do ``work`` in a transaction through which the session goes on and its user is held.

        Whatever a browser changes goes through here. Raises :class:`LoggedOutError`.
        """
        if self.session is None:
            raise LoggedOutError
        session_id = self.session.id

        async def work_for_session(connection: AsyncConnection) -> Result:
            session = await hold_session(connection, session_id, self.server.clock.now())
            if session is None:
                raise LoggedOutError
            return await work(connection, session)

        return await self.server.database.transact(work_for_session)

    def event(self, event_type: EventType | FeatureEventType, **more: Any) -> Event:
        """An event of the audit trail that the user of this browser brought about."""
        user_id = self.session.user_id if self.session else None
        return Event(
            type=event_type,
            actor=None if user_id is None else str(user_id),
            user_id=user_id,
            origin=origin_of(self.request),
            **more,
        )

    async def log_in(
        self,
        account: Account,
        wanted: Wanted = ANYTHING,
        prove: Prove = by_password,
        follow: Follow | None = None,
    ) -> "LoggedInBrowser | SecondStep":
        """Start a session under a new cookie, replacing the previous one.

        The password of ``account`` was right; ``prove`` judges what else was shown. If more has to
        be shown for what is ``wanted``, nothing starts, and that is returned; else ``follow`` is
        called. Raises :class:`LoginRefused` if the password that was checked is no longer theirs,
        and what ``prove`` and ``follow`` do.
        """
        lifetime = timedelta(seconds=self.server.settings.session_ttl)

        async def begin(connection: AsyncConnection) -> tuple[Session | None, str] | SecondStep:
            now = self.server.clock.now()
            users = {account.id} if self.session is None else {account.id, self.session.user_id}
            for user_id in sorted(users):  # one order, or two who change places are a deadlock
                await hold_user(connection, user_id)
            if not await is_still_proven(connection, account):
                raise LoginRefused(
                    "wrong", reason="disabled or given another password in the meantime"
                )
            amr = await prove(connection)
            proving = self.proving(account.id, account.security_stamp, amr, wanted)
            step = await self.server.second_factors.find(connection, proving)
            if step is not None:
                return step
            secret = await start_session(
                connection,
                user_id=account.id,
                origin=origin_of(self.request),
                now=now,
                expires_at=now + lifetime,
                amr=amr,
            )
            session = await find_session(connection, secret, now)
            if self.session is not None and session is not None:
                if self.session.user_id == session.user_id:
                    await replace_session(connection, self.session.id, session.id, now)
                else:
                    await end_session(connection, self.session.id, now)
                    await record(connection, now, self.event("session.ended"))
            if follow is not None and session is not None:
                await follow(connection, session.id)
            succeeded = Event(
                type="login.succeeded",
                actor=str(account.id),
                user_id=account.id,
                client_id=wanted.client_id,
                origin=origin_of(self.request),
                details={"door": "login", **({} if amr == PASSWORD_ALONE else {"amr": list(amr)})},
            )
            await record(connection, now, succeeded)
            notice = LoggedIn(
                user_id=account.id,
                at=now,
                origin=succeeded.origin,
                client_id=wanted.client_id,
                device=self.key,
            )
            await self.server.notify(connection, notice)
            return session, secret

        begun = await self.server.database.transact(begin)
        if isinstance(begun, SecondStep):
            return begun
        session, secret = begun
        return LoggedInBrowser(replace(self, session=session), secret)

    def proving(
        self, user_id: uuid.UUID, security_stamp: str, amr: Sequence[str], wanted: Wanted
    ) -> Proving:
        """What the user has proven in this browser, and what for."""
        return Proving(
            user_id=user_id,
            security_stamp=security_stamp,
            amr=amr,
            client_id=wanted.client_id,
            scopes=wanted.scopes,
            resources=wanted.resources,
            level=wanted.level,
            origin=origin_of(self.request),
            browser=self.key,
        )

    def remember(self, response: Response) -> Response:
        """Give the browser the cookie that forms are bound to, if it has none."""
        if self.is_new:
            self._set(response, _browser_cookie(self.server), self.key, BROWSER_COOKIE_LIFETIME)
        return response

    def set_session(self, response: Response, secret: str) -> Response:
        """Give the browser the cookie of a session."""
        cookie = _session_cookie(self.server)
        self._set(response, cookie, secret, self.server.settings.session_ttl)
        return response

    def forget_session(self, response: Response) -> Response:
        """Take the cookie of the session away."""
        response.delete_cookie(
            _session_cookie(self.server),
            httponly=True,
            secure=_is_https(self.server),
            samesite="lax",
        )
        return response

    def _set(self, response: Response, name: str, value: str, max_age: int) -> None:
        response.set_cookie(
            name, value, max_age, httponly=True, secure=_is_https(self.server), samesite="lax"
        )


@dataclass(frozen=True)
class LoggedInBrowser:
    """A browser whose session has just begun."""

    browser: Browser
    secret: str
    """For its cookie."""


def _bound(purpose: str, session_id: uuid.UUID | None) -> str:
    return f"{purpose} {session_id or '-'}"


def _is_https(server: Server) -> bool:
    return server.settings.issuer.startswith("https:")


def _session_cookie(server: Server) -> str:
    return _cookie(server, "session")


def _browser_cookie(server: Server) -> str:
    return _cookie(server, "browser")


def _cookie(server: Server, use: str) -> str:
    # The prefix makes the browser insist on https, on this very host, on the whole path.
    return f"__Host-{IDENTIFIER}_{use}" if _is_https(server) else f"{IDENTIFIER}_{use}"


async def _find_session(request: Request, server: Server) -> Session | None:
    secret = request.cookies.get(_session_cookie(server), "")
    if not secret:
        return None
    async with server.database.read() as connection:
        return await find_session(connection, secret, server.clock.now())


async def find_visitor(server: Server, request: Request) -> uuid.UUID | None:
    """The id of the user who is logged in in the browser of a request."""
    session = await _find_session(request, server)
    return session.user_id if session else None


async def _current_browser(request: Request, server: CurrentServer) -> Browser:
    key = request.cookies.get(_browser_cookie(server), "")
    session = await _find_session(request, server)
    if session is not None:
        reader().note(locale=session.locale or "")
    return Browser(server, request, key or generate_secret(), not key, session)


CurrentBrowser = Annotated[Browser, Depends(_current_browser)]


def to_login(server: Server) -> Response:
    """The way of whoever is not logged in to where they can be."""
    return RedirectResponse(f"{server.settings.issuer}/login", 303)
