"""What is recorded when a user logs in through a client."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event
from app.database.together import Rows, insert_together
from app.errors import AccessDeniedError, InvalidTargetError
from app.identity.clients import keep_for_a_while
from app.login.logins import login_row
from app.login.strength import PASSWORD_ALONE
from app.models import AuditEvent, Login, RefreshToken
from app.oauth2.grant import TokenRequest
from app.tokens.refresh_tokens import first_refresh_token


@dataclass(frozen=True)
class NewLogin:
    """A login that was just recorded, and its first refresh token if its client may refresh."""

    id: uuid.UUID
    amr: Sequence[str]
    expires_at: datetime
    refresh_token: str | None = field(repr=False)


async def begin_login(
    connection: AsyncConnection,
    request: TokenRequest,
    user_id: uuid.UUID,
    scope: str,
    *,
    session_id: uuid.UUID | None = None,
    auth_time: datetime | None = None,
    amr: Sequence[str] = PASSWORD_ALONE,
    id_token_claims: Sequence[str] = (),
    ends_by: datetime | None = None,
    resources: Sequence[str] = (),
    after: Sequence[Event] = (),
) -> NewLogin:
    """Record that a user logged in through the request's client.

    The transaction holds both, by :func:`~app.login.logins.require_parties`. The login ends by
    ``ends_by`` at the latest, however long its client may refresh. ``amr`` are the methods of
    RFC 8176 with which the user logged in, and its tokens will be for ``resources``. The events
    that it comes ``after`` are recorded with its own. Raises :class:`AccessDeniedError` if the
    client is not open to the user, or :class:`InvalidTargetError`.
    """
    if not await request.admits(connection, user_id, request.client.client_id):
        raise AccessDeniedError(reason="the client is not open to this user")
    named = [each for each in resources if each != request.settings.issuer]
    if named and not await request.resources.hold(connection, request.client.client_id, named):
        raise InvalidTargetError(reason="the client lost a resource in the meantime")
    lifetimes = request.client.lifetimes(request.settings)
    refreshable = "refresh_token" in request.client.grant_types
    # A family that ends sooner than its access token would ends that one, too.
    lifetime = lifetimes.refresh_token if refreshable else lifetimes.access_token
    now = request.clock.now()
    expires_at = now + timedelta(seconds=lifetime)
    if ends_by is not None:
        expires_at = min(expires_at, ends_by)
    login = login_row(
        user_id=user_id,
        client_id=request.client.client_id,
        scope=scope,
        origin=request.origin,
        now=now,
        expires_at=expires_at,
        session_id=session_id,
        auth_time=auth_time,
        amr=amr,
        resources=resources,
        id_token_claims=id_token_claims,
    )
    written: list[Rows] = [(Login, [login])]
    refresh_token = None
    if refreshable:
        refresh_token, row = first_refresh_token(login["id"], now)
        written.append((RefreshToken, [row]))
    event = Event(
        type="token.issued",
        actor=str(user_id),
        user_id=user_id,
        client_id=request.client.client_id,
        origin=request.origin,
        details={
            "grant": request.grant_type,
            "scope": scope,
            "session": str(login["id"]),
            **({"resources": list(resources)} if resources else {}),
        },
    )
    events = [each.row(now) for each in (*after, event)]
    await insert_together(connection, *written, (AuditEvent, events))
    if request.client.self_registered:
        await keep_for_a_while(connection, request.client.client_id, now)
    return NewLogin(login["id"], amr, expires_at, refresh_token)
