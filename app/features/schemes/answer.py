"""What every sample route answers, and the password check that several share."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from fastapi.security import HTTPBasicCredentials
from pydantic import BaseModel, Field

from app.audit.trail import Event, Origin
from app.errors import LoginRefused
from app.identity.users import Account
from app.login.authentication import LoginContext
from app.login.strength import PASSWORD_ALONE
from app.login.user_keys import UserKey
from app.oauth2.bearer import CurrentUser
from app.server import Server
from app.web.problems import PROBLEM_RESPONSES, problem

TAG = "schemes"


class SchemeAnswer(BaseModel):
    """Who was recognised, and how."""

    scheme: str = Field(description="What the sample is of.")
    subject: str | None = Field(description="The id of the user; null for the anonymous.")
    scopes: list[str]


def answer_for(scheme: str, who: CurrentUser | Account) -> SchemeAnswer:
    """The answer for a user who was recognised."""
    return make_answer(scheme, str(who.id), who.scopes)


def answer_for_key(scheme: str, key: UserKey) -> SchemeAnswer:
    """The answer for the owner of an API key."""
    return make_answer(scheme, str(key.user.id), key.permitted)


def make_answer(scheme: str, subject: str | None, scopes: Collection[str]) -> SchemeAnswer:
    """The answer for anybody."""
    return SchemeAnswer(scheme=scheme, subject=subject, scopes=sorted(scopes))


def challenge_responses(challenge: str) -> dict[int | str, dict[str, Any]]:
    """What a route behind a scheme of that challenge can answer, for its ``responses``."""
    header = {"schema": {"type": "string"}, "example": challenge}
    unauthorized = problem("Nobody was recognised.")
    return {**PROBLEM_RESPONSES, 401: {**unauthorized, "headers": {"WWW-Authenticate": header}}}


API_KEY_RESPONSES = challenge_responses('APIKey realm="latchkey"')


async def check_password(
    server: Server, credentials: HTTPBasicCredentials, origin: Origin
) -> Account | None:
    """The user with that name and login password, or None.

    Nobody is who has to show more than a password: Basic cannot ask for it.
    """
    context = LoginContext("basic", origin)
    try:
        account = await server.authenticator.authenticate(
            credentials.username, credentials.password, context
        )
    except LoginRefused as refusal:
        if refusal.why == "wrong":
            return None
        raise
    if not await server.second_factors.shows_enough(account.id, PASSWORD_ALONE):
        refused = Event(
            type="login.failed",
            user_id=account.id,
            origin=origin,
            details={"door": context.door, "reason": "second factor"},
        )
        server.audit_batch.add(refused, server.clock.now())
        return None
    note_login(server, account.id, context)
    return account


def note_login(server: Server, user_id: UUID, context: LoginContext) -> None:
    """Write a login down that begins no session: such a client logs in with every request."""
    event = Event(
        type="login.succeeded",
        actor=str(user_id),
        user_id=user_id,
        origin=context.origin,
        details={"door": context.door},
    )
    server.audit_batch.add(event, server.clock.now())
