"""What comes next for an authorization request: the table behind the code flow, as one function.

It knows neither HTTP nor the database: the caller looks everything up, in the transaction in which
the step is performed (:mod:`app.features.authorization_code.code_flow`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.errors import AccessDeniedError
from app.features.authorization_code.authorizations import Pending
from app.features.authorization_code.browser_sessions import Session
from app.features.authorization_code.redirect_uris import is_remembering_safe
from app.identity.clients import RegisteredClient
from app.login.strength import Level, level_of

TIME_TO_CONSENT = timedelta(minutes=1)
"""For this long a login counts as new enough for the request it was made for, however short
``max_age`` is: the user needs time to read the consent page."""


@dataclass(frozen=True)
class LogIn:
    """The user has to type their password."""


@dataclass(frozen=True)
class StepUp:
    """The user is logged in, and has to show more than they did."""

    session: Session


@dataclass(frozen=True)
class AskConsent:
    """The user has to be asked whether the client gets these scopes."""

    scopes: Sequence[str]


@dataclass(frozen=True)
class ShutOut:
    """The user has to be told that the client is not open to them, and then the client."""


@dataclass(frozen=True)
class Refuse:
    """The client gets an error (RFC 6749, section 4.1.2.1; OpenID Connect Core, 3.1.2.6)."""

    error: str
    description: str
    by_user: bool = False


@dataclass(frozen=True)
class IssueCode:
    """The client gets a code for these scopes of the session's user."""

    session: Session
    scopes: Sequence[str]
    by_user: bool
    """The user allowed them just now, and not at some time before."""


Step = LogIn | StepUp | AskConsent | ShutOut | Refuse | IssueCode


@dataclass(frozen=True)
class Decision:
    """What a user answered at the consent page, and the scopes that were shown there."""

    allowed: bool
    shown: Collection[str]


def next_step(
    pending: Pending,
    session: Session | None,
    user_scopes: Collection[str],
    remembered: Collection[str],
    client: RegisteredClient,
    now: datetime,
    decision: Decision | None = None,
    *,
    admitted: bool = True,
    level: Level = Level.ANY,
    has_factor: bool = False,
) -> Step:
    """The next step of ``pending`` for the user of ``session``, who is ``admitted`` or is not.

    ``user_scopes`` are what that user has, and ``remembered`` what they have allowed to ``client``
    before. The login has to reach ``level``, and the level that the request asks for: a user who
    ``has_factor`` is asked for the factor, and any other logs in again, on the way to getting one.
    Granted are the requested scopes that the user has and the client may still have, and after a
    ``decision`` only those that were shown.
    """
    request = pending.request
    silent = "none" in request.prompt
    if session is None or _must_log_in(session, pending, now):
        return Refuse("login_required", "The user must log in.") if silent else LogIn()
    if _is_another_user(session, pending):
        return Refuse("login_required", "A different user is logged in.")
    if level_of(session.amr) < max(level, request.level):
        if silent:
            return Refuse("login_required", "The user must show more.")
        return StepUp(session) if has_factor else LogIn()
    if not admitted:
        shown = silent or decision is not None
        return Refuse("access_denied", AccessDeniedError.description) if shown else ShutOut()
    if decision is not None and not decision.allowed:
        return Refuse("access_denied", "The user denied the request.", by_user=True)
    scopes = [name for name in request.scopes if name in client.scopes and name in user_scopes]
    if decision is not None:
        scopes = [name for name in scopes if name in decision.shown]
    if not scopes:
        return Refuse("access_denied", "None of the scopes can be granted.")
    if decision is not None:
        return IssueCode(session, scopes, by_user=True)
    if (
        "consent" not in request.prompt
        and is_remembering_safe(client, request.redirect_uri)
        and set(remembered).issuperset(scopes)
    ):
        return IssueCode(session, scopes, by_user=False)
    return Refuse("consent_required", "The user must consent.") if silent else AskConsent(scopes)


def _must_log_in(session: Session, pending: Pending, now: datetime) -> bool:
    """Whether the password has to be typed for this request, although there is a session."""
    request, age = pending.request, now - session.authenticated_at
    if session.authenticated_at >= pending.created_at:
        # For this very request: it cannot be asked for again at once, whatever the max_age.
        return request.max_age is not None and age > max(
            timedelta(seconds=request.max_age), TIME_TO_CONSENT
        )
    if {"login", "select_account"}.intersection(request.prompt):
        return True
    if _is_another_user(session, pending):
        return True
    return request.max_age is not None and age > timedelta(seconds=request.max_age)


def _is_another_user(session: Session, pending: Pending) -> bool:
    """Whether the logged-in user is not the one that the request's ``id_token_hint`` names."""
    hinted = pending.request.hinted_user
    return hinted is not None and hinted != str(session.user_id)
