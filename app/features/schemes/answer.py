"""What every sample route answers, and the API key and password checks that several share."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from fastapi.security import HTTPBasicCredentials
from pydantic import BaseModel, Field

from app.audit.trail import Event, Origin
from app.errors import AnsweredError, LoginRefused, Problem
from app.features.api_keys.service import KeyHolder, find_key_holder
from app.identity.users import Account
from app.login.authentication import LoginContext
from app.oauth2.bearer import CurrentUser
from app.server import Server
from app.web.problems import PROBLEM_RESPONSES, problem

TAG = "schemes"


class SchemeAnswer(BaseModel):
    """Who was recognised, and how."""

    scheme: str = Field(description="What the sample is of.")
    subject: str | None = Field(description="The id of the user; null for the anonymous.")
    scopes: list[str]


def answer_for(scheme: str, who: CurrentUser | Account | KeyHolder) -> SchemeAnswer:
    """The answer for a user who was recognised."""
    subject = who.user_id if isinstance(who, KeyHolder) else who.id
    return make_answer(scheme, str(subject), who.scopes)


def make_answer(scheme: str, subject: str | None, scopes: Collection[str]) -> SchemeAnswer:
    """The answer for anybody."""
    return SchemeAnswer(scheme=scheme, subject=subject, scopes=sorted(scopes))


def challenge_responses(challenge: str) -> dict[int | str, dict[str, Any]]:
    """What a route behind a scheme of that challenge can answer, for its ``responses``."""
    header = {"schema": {"type": "string"}, "example": challenge}
    unauthorized = problem("Nobody was recognised.")
    return {**PROBLEM_RESPONSES, 401: {**unauthorized, "headers": {"WWW-Authenticate": header}}}


class InvalidApiKeyError(AnsweredError):
    """No API key, or one that is not good. ``APIKey`` is no registered scheme; FastAPI's word."""

    status = 401
    media_type = "application/problem+json"

    def content(self) -> dict[str, Any]:
        """The same for every reason."""
        return Problem(told="A valid API key is needed.", status=401).content()

    def headers(self, realm: str) -> dict[str, str]:
        """The challenge."""
        return {"WWW-Authenticate": f'APIKey realm="{realm}"'}


API_KEY_RESPONSES = challenge_responses('APIKey realm="latchkey"')


async def check_api_key(server: Server, key: str | None) -> KeyHolder:
    """The holder of ``key``. Raises :class:`InvalidApiKeyError`."""
    holder = await find_key_holder(server.database, key, server.clock.now()) if key else None
    if holder is None:
        raise InvalidApiKeyError(
            reason="no API key" if key is None else "an API key that is not good"
        )
    return holder


def refuse_repeated(keys: Sequence[str]) -> None:
    """Raise :class:`InvalidApiKeyError` if there are several: which one counts nobody knows."""
    if len(keys) > 1:
        raise InvalidApiKeyError(reason="several API keys")


async def check_password(
    server: Server, credentials: HTTPBasicCredentials, origin: Origin
) -> Account | None:
    """The user with that name and login password, or None."""
    context = LoginContext("basic", origin)
    try:
        account = await server.authenticator.authenticate(
            credentials.username, credentials.password, context
        )
    except LoginRefused as refusal:
        if refusal.why == "wrong":
            return None
        raise
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
