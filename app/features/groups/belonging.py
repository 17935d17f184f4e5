"""Managing what belongs to a group: its members, and the clients that are open to it."""

import uuid

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.groups.membership import end_shut_out_logins, renew_scopes
from app.features.groups.model import GroupClient, GroupMember
from app.features.groups.service import (
    CLIENT_ADDED,
    CLIENT_REMOVED,
    MEMBER_ADDED,
    MEMBER_REMOVED,
    GroupRecord,
    get_group,
)
from app.identity.users import hold_user
from app.management.administration import find_administered, require_administered
from app.management.authority import Actor
from app.management.clients import get_client
from app.management.users import (
    get_user,
    scopes_of,
)
from app.models import Client, Login, User


async def add_member(actor: Actor, group_id: uuid.UUID, user_id: uuid.UUID) -> bool:
    """Put a user into a group; False if they are in it. Raises a :class:`~app.errors.Problem`."""
    group = await _hold_membership(actor, group_id, user_id)
    actor.require_to_grant(group.scopes)
    if await _is_member(actor.connection, group_id, user_id):
        return False
    await actor.connection.execute(insert(GroupMember).values(group_id=group_id, user_id=user_id))
    await renew_scopes(actor.connection, User.id == user_id, actor.now)
    await actor.record(MEMBER_ADDED, user_id=user_id, group=group.name, scopes=group.scopes)
    return True


async def remove_member(actor: Actor, group_id: uuid.UUID, user_id: uuid.UUID) -> bool:
    """Take a user out of a group, and with it what they have by it, at once; False if they are
    not in it.

    Their logins end at clients that are no longer open to them. Raises a
    :class:`~app.errors.Problem`.
    """
    connection = actor.connection
    group = await _hold_membership(actor, group_id, user_id)
    if not await _is_member(connection, group_id, user_id):
        return False
    administered = await find_administered(connection)
    membership = (GroupMember.group_id == group_id) & (GroupMember.user_id == user_id)
    await connection.execute(delete(GroupMember).where(membership))
    await renew_scopes(connection, User.id == user_id, actor.now)
    await require_administered(connection, administered)
    await end_shut_out_logins(connection, Login.user_id == user_id, actor.now)
    await actor.record(MEMBER_REMOVED, user_id=user_id, group=group.name, scopes=group.scopes)
    return True


async def _hold_membership(actor: Actor, group_id: uuid.UUID, user_id: uuid.UUID) -> GroupRecord:
    """The group, and the user held, if the actor may change that user."""
    group = await get_group(actor.connection, group_id)
    await hold_user(actor.connection, user_id)
    actor.require_over(scopes_of(await get_user(actor.connection, user_id)))
    return group


async def _is_member(connection: AsyncConnection, group_id: uuid.UUID, user_id: uuid.UUID) -> bool:
    membership = (GroupMember.group_id == group_id) & (GroupMember.user_id == user_id)
    return bool(await connection.scalar(select(exists().where(membership))))


async def add_client(actor: Actor, group_id: uuid.UUID, client_id: str) -> bool:
    """Let a client be open to this group, and to those alone that it is open to; False if it is.

    The logins of all others end. Raises a :class:`~app.errors.Problem`.
    """
    connection = actor.connection
    group = await _hold_client(actor, group_id, client_id)
    if client_id in group.clients:
        return False
    await connection.execute(insert(GroupClient).values(group_id=group_id, client_id=client_id))
    await end_shut_out_logins(connection, Login.client_id == client_id, actor.now)
    await actor.record(CLIENT_ADDED, client_id=client_id, group=group.name)
    return True


async def remove_client(actor: Actor, group_id: uuid.UUID, client_id: str) -> bool:
    """Take a client from a group; False if the group does not have it.

    A client that no group has is open to everybody. Raises a :class:`~app.errors.Problem`.
    """
    connection = actor.connection
    group = await _hold_client(actor, group_id, client_id)
    if client_id not in group.clients:
        return False
    row = (GroupClient.group_id == group_id) & (GroupClient.client_id == client_id)
    await connection.execute(delete(GroupClient).where(row))
    await end_shut_out_logins(connection, Login.client_id == client_id, actor.now)
    await actor.record(CLIENT_REMOVED, client_id=client_id, group=group.name)
    return True


async def _hold_client(actor: Actor, group_id: uuid.UUID, client_id: str) -> GroupRecord:
    """The group; and nothing is issued through the client until the transaction ends."""
    group = await get_group(actor.connection, group_id)
    actor.require_over((await get_client(actor.connection, client_id)).scopes)
    held = select(Client.client_id).where(Client.client_id == client_id).with_for_update()
    await actor.connection.execute(held)
    return group


async def is_restricted(connection: AsyncConnection, client_id: str) -> bool:
    """Whether a client is open to some groups only."""
    return bool(await connection.scalar(select(exists().where(GroupClient.client_id == client_id))))
