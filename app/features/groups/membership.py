"""What membership is worth: scopes, and the clients that are open to some groups only."""

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, delete, exists, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.groups.model import Group, GroupClient, GroupMember, GroupScope
from app.login.conditions import CLIENT_ID, USER_ID
from app.models import Login, User, UserScope

VIA = "groups"
"""The ``via`` of the scopes that users have by their groups: the name of the feature."""


async def hold_members(connection: AsyncConnection, group_id: uuid.UUID) -> None:
    """Keep all members as they are until the transaction ends, in the one order of their ids."""
    members = select(GroupMember.user_id).where(GroupMember.group_id == group_id)
    held = select(User.id).where(User.id.in_(members)).order_by(User.id)
    await connection.execute(held.with_for_update(key_share=True))


async def renew_scopes(
    connection: AsyncConnection, users: ColumnElement[bool], now: datetime
) -> None:
    """Let users have by their groups what these give them now, and nothing else.

    ``users`` is a condition on :class:`User`, and the users are held. Theirs is another version of
    the record then.
    """
    chosen = select(User.id).where(users)
    by_groups = (UserScope.via == VIA) & UserScope.user_id.in_(chosen)
    await connection.execute(delete(UserScope).where(by_groups))
    given = (
        select(GroupMember.user_id, GroupScope.scope, literal(VIA))
        .join(GroupScope, GroupScope.group_id == GroupMember.group_id)
        .where(GroupMember.user_id.in_(chosen))
        .distinct()
    )
    await connection.execute(insert(UserScope).from_select(["user_id", "scope", "via"], given))
    await connection.execute(update(User).where(users).values(updated_at=now))


_OPEN_TO_SOME = exists().where(GroupClient.client_id == CLIENT_ID)
_OPEN_TO_THE_USER = exists().where(
    GroupClient.client_id == CLIENT_ID,
    GroupMember.group_id == GroupClient.group_id,
    GroupMember.user_id == USER_ID,
)

ADMITS = ~_OPEN_TO_SOME | _OPEN_TO_THE_USER
"""The client is open to everybody, or to a group of the user."""


async def end_shut_out_logins(
    connection: AsyncConnection, which: ColumnElement[bool], now: datetime
) -> None:
    """End those logins that their client would not admit any more: they are not to be refreshed.

    ``which`` is a condition on :class:`Login`. The users, or the client, are held.
    """
    open_to_some = exists().where(GroupClient.client_id == Login.client_id)
    open_to_the_user = exists().where(
        GroupClient.client_id == Login.client_id,
        GroupMember.group_id == GroupClient.group_id,
        GroupMember.user_id == Login.user_id,
    )
    await connection.execute(
        update(Login)
        .where(which, Login.ended_at.is_(None), open_to_some, ~open_to_the_user)
        .values(ended_at=now)
    )


_GROUPS_OF_USER = (
    select(Group.name)
    .join(GroupMember, GroupMember.group_id == Group.id)
    .where(GroupMember.user_id == bindparam("user_id"))
    .order_by(Group.name)
)


async def find_groups(connection: AsyncConnection, user_id: uuid.UUID) -> list[str]:
    """The names of a user's groups, in order."""
    return sorted(await connection.scalars(_GROUPS_OF_USER, {"user_id": user_id}))


async def find_scopes_of_members(
    connection: AsyncConnection, group_ids: Collection[uuid.UUID]
) -> frozenset[str]:
    """All that any member has, however they have it."""
    members = select(GroupMember.user_id).where(GroupMember.group_id.in_(group_ids))
    scopes = select(UserScope.scope).where(UserScope.user_id.in_(members)).distinct()
    return frozenset(await connection.scalars(scopes))
