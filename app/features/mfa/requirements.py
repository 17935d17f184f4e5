"""Who has to show more than a password, or for what: what an operator says."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.audit.trail import FeatureEventType
from app.database.engines import insert_unless
from app.errors import NotFoundError
from app.features.mfa.model import AppendingClient, MfaRequirement
from app.identity.clients import find_client
from app.identity.scopes import require_known
from app.identity.users import find_account, hold_user
from app.login.endings import end_other_logins
from app.login.strength import ACR, Level
from app.management.authority import Actor
from app.models import User

REQUIRED = FeatureEventType("mfa.required")
WAIVED = FeatureEventType("mfa.waived")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What logins have to reach: those of one user, at one client, or with one scope."""

    user: str | None = None
    client: str | None = None
    scope: str | None = None
    acr: str | None = None
    """None if nothing is required of them in particular."""


async def list_requirements(connection: AsyncConnection) -> Sequence[Requirement]:
    """All there are: of users, then of clients, then of scopes."""
    rows = await connection.execute(
        select(User.username, MfaRequirement.client_id, MfaRequirement.scope, MfaRequirement.level)
        .outerjoin(User, User.id == MfaRequirement.user_id)
        .order_by(
            MfaRequirement.scope.is_not(None),
            MfaRequirement.client_id.is_not(None),
            User.username,
            MfaRequirement.client_id,
            MfaRequirement.scope,
        )
    )
    return [
        Requirement(user=username, client=client, scope=scope, acr=ACR[Level(level)])
        for username, client, scope, level in rows
    ]


async def require_level(actor: Actor, requirement: Requirement, level: Level) -> None:
    """Require that level of logins that the requirement speaks of.

    Of a user, all that goes on ends: what begins again reaches it. Raises :class:`NotFoundError`.
    """
    column, value, user_id = await _named(actor.connection, requirement)
    if user_id is not None:
        await hold_user(actor.connection, user_id)
        await end_other_logins(actor.connection, user_id, None, actor.now)
    added = insert_unless(actor.connection, MfaRequirement).values(
        id=uuid.uuid4(), level=int(level), **{column.key: value}
    )
    await actor.connection.execute(
        added.on_conflict_do_update(index_elements=[column], set_={"level": int(level)})
    )
    await actor.record(
        REQUIRED,
        user_id=user_id,
        client_id=requirement.client,
        acr=ACR[level],
        **({"scope": requirement.scope} if requirement.scope else {}),
    )


async def waive(actor: Actor, requirement: Requirement) -> None:
    """Require nothing in particular any more. Raises :class:`NotFoundError`."""
    column, value, user_id = await _named(actor.connection, requirement)
    gone = await actor.connection.execute(delete(MfaRequirement).where(column == value))
    if gone.rowcount == 0:
        raise NotFoundError(told="nothing was required there")
    await actor.record(
        WAIVED,
        user_id=user_id,
        client_id=requirement.client,
        **({"scope": requirement.scope} if requirement.scope else {}),
    )


async def append_codes(actor: Actor, client_id: str, *, appended: bool) -> None:
    """Say whether users type the code behind the password at a client that can send no other.

    Raises :class:`NotFoundError`.
    """
    if await find_client(actor.connection, client_id) is None:
        raise NotFoundError(told=f"there is no client {client_id!r}")
    if appended:
        added = insert_unless(actor.connection, AppendingClient).values(client_id=client_id)
        await actor.connection.execute(added.on_conflict_do_nothing())
    else:
        this = AppendingClient.client_id == client_id
        await actor.connection.execute(delete(AppendingClient).where(this))
    await actor.record("client.changed", client_id=client_id, mfa_codes_appended=appended)


async def list_appending(connection: AsyncConnection) -> Sequence[str]:
    """The ids of those clients."""
    query = select(AppendingClient.client_id).order_by(AppendingClient.client_id)
    return (await connection.scalars(query)).all()


async def _named(
    connection: AsyncConnection, requirement: Requirement
) -> tuple[InstrumentedAttribute[object], object, uuid.UUID | None]:
    """The column that says of what, its value, and the user if it is one."""
    if requirement.user is not None:
        account = await find_account(connection, requirement.user)
        if account is None:
            raise NotFoundError(told=f"there is no user {requirement.user!r}")
        return MfaRequirement.user_id, account.id, account.id
    if requirement.client is not None:
        if await find_client(connection, requirement.client) is None:
            raise NotFoundError(told=f"there is no client {requirement.client!r}")
        return MfaRequirement.client_id, requirement.client, None
    (scope,) = await require_known(connection, [str(requirement.scope)])
    return MfaRequirement.scope, scope, None
