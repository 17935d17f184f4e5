"""Logins without a browser: what a grant does once it knows whose password was right."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, record
from app.errors import AccessDeniedError, InvalidGrantError, LoginRefused, MfaRequiredError
from app.identity.users import find_enabled_scopes
from app.login.logins import require_parties
from app.login.notices import LoggedIn
from app.login.second_step import Prove, Proving, SecondStep, by_password
from app.login.stand_ins import StandIn
from app.login.strength import PASSWORD_ALONE
from app.oauth2.grant import TokenRequest
from app.oauth2.new_login import NewLogin, begin_login
from app.oauth2.resource import Target
from app.oauth2.tokens import SigningKeys, user_tokens


@dataclass(frozen=True, kw_only=True)
class DirectLogin:
    """Who logs in, and for what."""

    user_id: uuid.UUID
    security_stamp: str = field(repr=False)
    """Under which the password was right."""
    door: str
    """As audit events and metrics name it."""
    scope: str
    requested: str
    """The parameter ``scope`` of the first request."""
    resources: Sequence[str]
    target: Target
    """The same for the access token."""
    stand_in: StandIn | None = None
    """What was typed in place of the password. Its user is asked for no second step: software that
    can send only a name and a password has nowhere to type more."""


async def log_in_directly(
    request: TokenRequest, keys: SigningKeys, login: DirectLogin, prove: Prove = by_password
) -> dict[str, Any]:
    """Tokens for a user who has typed the right password, and shows what ``prove`` judges.

    Raises :class:`MfaRequiredError` if that is not enough, :class:`InvalidGrantError` if the user
    is not as they were any more, :class:`AccessDeniedError` if the client is not open to them, or
    what ``prove`` does.
    """

    async def begin(connection: AsyncConnection) -> NewLogin | SecondStep:
        client_id, now = request.client.client_id, request.clock.now()
        await require_parties(connection, request.client, login.user_id, login.security_stamp)
        amr = await prove(connection)
        proving = Proving(
            user_id=login.user_id,
            security_stamp=login.security_stamp,
            amr=amr,
            client_id=client_id,
            scopes=login.scope.split(),
            resources=login.resources,
            requested=login.requested,
            origin=request.origin,
        )
        stand_in = login.stand_in
        if stand_in is None:
            step = await request.find_second_step(connection, proving)
            if step is not None:
                return step
        new = await begin_login(
            connection,
            request,
            login.user_id,
            login.scope,
            amr=amr,
            ends_by=None if stand_in is None else stand_in.expires_at,
            resources=login.resources,
            after=[succeeded(request, login, amr)],
        )
        if stand_in is not None:
            await stand_in.begin(connection, new.id, now)
        # A user who lost a scope while the password was checked gets what is left next time.
        left = await find_enabled_scopes(connection, login.user_id)
        if not left.issuperset(login.scope.split()):
            raise InvalidGrantError(
                told="The user's permissions have just changed. Log in again.",
                reason="the user lost a scope in the meantime",
            )
        notice = LoggedIn(user_id=login.user_id, at=now, origin=request.origin, client_id=client_id)
        await request.notify(connection, notice)
        return new

    try:
        begun = await request.database.transact(begin)
    except (AccessDeniedError, LoginRefused) as refusal:
        await note_failure(request, login.user_id, login.door, refusal.reason)
        raise
    if isinstance(begun, SecondStep):
        # Raised outside: what was begun is committed.
        raise MfaRequiredError(told=begun.told, token=begun.token, methods=begun.methods)
    return user_tokens(
        request,
        keys,
        user_id=login.user_id,
        login_id=begun.id,
        login_expires_at=begun.expires_at,
        scope=login.scope,
        refresh_token=begun.refresh_token,
        amr=begun.amr,
        audience=login.target.audience,
        more=await request.more_claims(login.user_id, login.scope),
    )


def succeeded(request: TokenRequest, login: DirectLogin, amr: Collection[str]) -> Event:
    """The event of a login; it tells the methods if there was more than a password."""
    more = {} if amr == PASSWORD_ALONE else {"amr": list(amr)}
    of_stand_in = {} if login.stand_in is None else login.stand_in.details
    return Event(
        type="login.succeeded",
        actor=str(login.user_id),
        user_id=login.user_id,
        client_id=request.client.client_id,
        origin=request.origin,
        details={"door": login.door, **of_stand_in, **more},
    )


async def note_failure(request: TokenRequest, user_id: uuid.UUID, door: str, reason: str) -> None:
    """Write down that a login came to nothing although the password was right."""
    failed = Event(
        type="login.failed",
        user_id=user_id,
        client_id=request.client.client_id,
        origin=request.origin,
        details={"door": door, "reason": reason},
    )
    await request.database.transact(
        lambda connection: record(connection, request.clock.now(), failed)
    )
