"""What is next for an authorization request, without HTTP and without a database."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.audit.trail import Origin
from app.features.authorization_code.authorizations import AuthorizationRequest, Pending
from app.features.authorization_code.browser_sessions import Session
from app.features.authorization_code.next_step import (
    TIME_TO_CONSENT,
    AskConsent,
    Decision,
    IssueCode,
    LogIn,
    Refuse,
    Step,
    StepUp,
    next_step,
)
from app.identity.clients import RegisteredClient
from app.login.strength import Level

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ALICE = uuid.UUID(int=1)
BOTH = ["profile", "email"]

REQUEST = AuthorizationRequest(
    client_id="web",
    redirect_uri="https://app.example.com/callback",
    redirect_uri_given=True,
    scopes=BOTH,
    code_challenge=None,
)
CLIENT = RegisteredClient(
    client_id="web",
    name="A web application",
    is_public=False,
    grant_types=frozenset({"authorization_code"}),
    auth_methods=frozenset({"client_secret_basic"}),
    scopes=frozenset(BOTH),
    default_scopes=(),
    redirect_uris=(REQUEST.redirect_uri,),
    post_logout_redirect_uris=(),
    id_token_alg="RS256",
    id_token_claims=False,
    require_pkce=True,
    introspect="own",
    enabled=True,
    self_registered=False,
    security_stamp="",
    secrets=(),
)

HOUR_OLD = Session(ALICE, ALICE, "alice", None, NOW - timedelta(hours=1), Origin(None, None))
"""From before the request."""

ALLOW = Decision(allowed=True, shown=BOTH)
DENY = Decision(allowed=False, shown=BOTH)

MUST_LOG_IN = Refuse("login_required", "The user must log in.")
ANOTHER_USER = Refuse("login_required", "A different user is logged in.")
MUST_SHOW_MORE = Refuse("login_required", "The user must show more.")
MUST_CONSENT = Refuse("consent_required", "The user must consent.")
NOTHING_LEFT = Refuse("access_denied", "None of the scopes can be granted.")
SAID_NO = Refuse("access_denied", "The user denied the request.", by_user=True)


def logged_in(ago: timedelta) -> Session:
    return replace(HOUR_OLD, authenticated_at=NOW - ago)


JUST_NOW = logged_in(timedelta(0))
WITH_CODE = replace(HOUR_OLD, amr=("pwd", "otp", "mfa"))


def granted(*scopes: str, by_user: bool, session: Session = HOUR_OLD) -> IssueCode:
    return IssueCode(session, list(scopes), by_user=by_user)


def step(
    *,
    session: Session | None = HOUR_OLD,
    user_scopes: list[str] = BOTH,
    remembered: list[str] = BOTH,
    decision: Decision | None = None,
    public: bool = False,
    client_scopes: list[str] = BOTH,
    level: Level = Level.ANY,
    asked_level: Level = Level.ANY,
    has_factor: bool = True,
    **request: Any,
) -> Step:
    client = replace(CLIENT, is_public=public, scopes=frozenset(client_scopes))
    pending = Pending(replace(REQUEST, level=asked_level, **request), NOW - timedelta(minutes=5))
    return next_step(
        pending,
        session,
        user_scopes,
        remembered,
        client,
        NOW,
        decision,
        level=level,
        has_factor=has_factor,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # Who has to log in
        ({"session": None}, LogIn()),
        ({"session": None, "decision": ALLOW}, LogIn()),
        ({"session": None, "prompt": ["none"]}, MUST_LOG_IN),
        ({"prompt": ["login"]}, LogIn()),
        ({"prompt": ["select_account"], "decision": ALLOW}, LogIn()),
        (
            {"prompt": ["login"], "session": JUST_NOW},
            granted(*BOTH, by_user=False, session=JUST_NOW),
        ),
        # Whose login is too old
        ({"max_age": 3600}, granted(*BOTH, by_user=False)),
        ({"max_age": 3599}, LogIn()),
        ({"max_age": 3599, "prompt": ["none"]}, MUST_LOG_IN),
        ({"max_age": 3599, "decision": ALLOW}, LogIn()),
        (
            {"max_age": 0, "session": logged_in(TIME_TO_CONSENT)},
            granted(*BOTH, by_user=False, session=logged_in(TIME_TO_CONSENT)),
        ),
        (
            {"max_age": 0, "session": logged_in(TIME_TO_CONSENT + timedelta(seconds=1))},
            LogIn(),
        ),
        # Who is somebody else
        ({"hinted_user": str(ALICE)}, granted(*BOTH, by_user=False)),
        ({"hinted_user": "bob"}, LogIn()),
        ({"hinted_user": "bob", "prompt": ["none"]}, MUST_LOG_IN),
        ({"hinted_user": "bob", "session": JUST_NOW}, ANOTHER_USER),
        ({"hinted_user": "bob", "session": JUST_NOW, "decision": DENY}, ANOTHER_USER),
        # Whose login is too weak
        ({"level": Level.FACTOR}, StepUp(HOUR_OLD)),
        ({"asked_level": Level.FACTOR}, StepUp(HOUR_OLD)),
        ({"level": Level.FACTOR, "decision": ALLOW}, StepUp(HOUR_OLD)),
        ({"level": Level.FACTOR, "has_factor": False}, LogIn()),
        ({"level": Level.FACTOR, "prompt": ["none"]}, MUST_SHOW_MORE),
        ({"level": Level.FACTOR, "max_age": 3599}, LogIn()),
        ({"level": Level.FACTOR, "hinted_user": "bob", "session": JUST_NOW}, ANOTHER_USER),
        (
            {"level": Level.FACTOR, "session": WITH_CODE},
            granted(*BOTH, by_user=False, session=WITH_CODE),
        ),
        ({"level": Level.PASSKEY, "session": WITH_CODE}, StepUp(WITH_CODE)),
        # What can be granted
        ({"user_scopes": ["email"]}, granted("email", by_user=False)),
        ({"client_scopes": ["profile"]}, granted("profile", by_user=False)),
        ({"user_scopes": ["email"], "client_scopes": ["profile"]}, NOTHING_LEFT),
        ({"user_scopes": [], "prompt": ["none"]}, NOTHING_LEFT),
        # Who has to be asked
        ({"remembered": ["profile"]}, AskConsent(BOTH)),
        (
            {"remembered": ["profile"], "user_scopes": ["profile"]},
            granted("profile", by_user=False),
        ),
        ({"remembered": [], "prompt": ["none"]}, MUST_CONSENT),
        ({"prompt": ["consent"]}, AskConsent(BOTH)),
        ({"public": True}, granted(*BOTH, by_user=False)),
        ({"public": True, "redirect_uri": "http://127.0.0.1/callback"}, AskConsent(BOTH)),
        ({"public": True, "redirect_uri": "com.example.app:/callback"}, AskConsent(BOTH)),
        ({"redirect_uri": "http://127.0.0.1/callback"}, granted(*BOTH, by_user=False)),
        # What they answered
        ({"remembered": [], "decision": ALLOW}, granted(*BOTH, by_user=True)),
        ({"prompt": ["consent"], "decision": ALLOW}, granted(*BOTH, by_user=True)),
        (
            {"decision": Decision(allowed=True, shown=["email", "admin"])},
            granted("email", by_user=True),
        ),
        ({"decision": Decision(allowed=True, shown=[])}, NOTHING_LEFT),
        ({"user_scopes": [], "decision": ALLOW}, NOTHING_LEFT),
        ({"decision": DENY}, SAID_NO),
        ({"user_scopes": [], "decision": DENY}, SAID_NO),
    ],
)
def test_the_next_step_follows_from_what_is_known(given: dict[str, Any], expected: Step) -> None:
    assert step(**given) == expected
