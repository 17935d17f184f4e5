"""Managing groups: what the API under ``/groups`` and ``latchkey groups`` do.

Whoever puts a user into a group gives them what its members have, and whoever changes a group
changes its members: so the rules about users hold (:mod:`app.management.authority`).
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, delete, exists, func, insert, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.groups.membership import (
    find_scopes_of_members,
    hold_members,
    renew_scopes,
)
from app.features.groups.model import Group, GroupClient, GroupMember, GroupScope
from app.identity.definition import STRICT, Changes, partial, rule, validated
from app.identity.names import has_unseen
from app.identity.scopes import require_known
from app.management.administration import find_administered, require_administered
from app.management.authority import Actor
from app.management.scopes import MANAGEMENT
from app.management.versions import ANY_VERSION, Versions
from app.models import User
from app.models.base import ScopeSet

CREATED = FeatureEventType("group.created")
CHANGED = FeatureEventType("group.changed")
DELETED = FeatureEventType("group.deleted")
MEMBER_ADDED = FeatureEventType("group.member_added")
MEMBER_REMOVED = FeatureEventType("group.member_removed")
CLIENT_ADDED = FeatureEventType("group.client_added")
CLIENT_REMOVED = FeatureEventType("group.client_removed")

EVENT_TYPES = (
    CREATED,
    CHANGED,
    DELETED,
    MEMBER_ADDED,
    MEMBER_REMOVED,
    CLIENT_ADDED,
    CLIENT_REMOVED,
)

NAME_MAX_LENGTH = 100

CLAIM_SCOPE = "groups"
"""The scope behind which the claim is."""


def _check_name(name: str) -> None:
    if name != name.strip() or has_unseen(name):
        raise InvalidError(
            told="a group name cannot contain control characters, or start or end with a space"
        )


def _check_description(description: str) -> None:
    if has_unseen(description):
        raise InvalidError(told="a group description cannot contain control characters")


def _check_scopes(scopes: Collection[str]) -> None:
    if MANAGEMENT in scopes:
        raise InvalidError(
            told=f"{MANAGEMENT} cannot come from a group: whoever has it gets every scope that is "
            "added"
        )


class GroupDefinition(BaseModel):
    """What can be set of a group."""

    model_config = STRICT

    name: Annotated[
        str, Field(min_length=1, max_length=NAME_MAX_LENGTH, examples=["staff"]), rule(_check_name)
    ]
    description: Annotated[str, Field(max_length=255), rule(_check_description)] = ""
    scopes: Annotated[
        list[str],
        Field(
            max_length=100,
            description="What every member has; if left out: `groups`, which brings the claim, if "
            "the caller has it.",
        ),
        rule(_check_scopes),
    ] = [CLAIM_SCOPE]


@partial
class GroupChanges(GroupDefinition):
    """The fields of a group that can be changed."""


class GroupRecord(BaseModel):
    """A group, as those who manage see it."""

    id: uuid.UUID
    name: str
    description: str
    scopes: list[str]
    clients: list[str] = Field(
        description="Those that are open to the members of this group, and of the others that "
        "have them, and to nobody else."
    )
    member_count: int
    created_at: datetime
    updated_at: datetime


def _select() -> Select[Any]:
    scopes = (
        select(type_coerce(func.aggregate_strings(GroupScope.scope, " "), ScopeSet))
        .where(GroupScope.group_id == Group.id)
        .scalar_subquery()
    )
    # A client's id may have spaces, but no line end.
    clients = (
        select(func.aggregate_strings(GroupClient.client_id, "\n"))
        .where(GroupClient.group_id == Group.id)
        .scalar_subquery()
    )
    members = (
        select(func.count())
        .select_from(GroupMember)
        .where(GroupMember.group_id == Group.id)
        .scalar_subquery()
    )
    return select(
        Group.id,
        Group.name,
        Group.description,
        scopes.label("scopes"),
        clients.label("clients"),
        members.label("member_count"),
        Group.created_at,
        Group.updated_at,
    )


def _record(row: Row[Any]) -> GroupRecord:
    lists = {
        "scopes": sorted(row.scopes),
        "clients": sorted(row.clients.split("\n")) if row.clients else [],
    }
    return GroupRecord.model_construct(**{**row._mapping, **lists})


async def get_group(connection: AsyncConnection, group_id: uuid.UUID) -> GroupRecord:
    """The group of that id. Raises :class:`NotFoundError`."""
    row = (await connection.execute(_select().where(Group.id == group_id))).one_or_none()
    if row is None:
        raise NotFoundError(told="There is no such group.")
    return _record(row)


async def find_group(connection: AsyncConnection, name: str) -> GroupRecord | None:
    """The group of that name."""
    row = (await connection.execute(_select().where(Group.name == name))).one_or_none()
    return None if row is None else _record(row)


async def get_group_by_name(connection: AsyncConnection, name: str) -> GroupRecord:
    """The group of that name. Raises :class:`NotFoundError`."""
    group = await find_group(connection, name)
    if group is None:
        raise NotFoundError(told=f"there is no group {name!r}")
    return group


async def list_groups(
    connection: AsyncConnection, *, limit: int, after: str | None = None
) -> Sequence[GroupRecord]:
    """At most ``limit`` groups by name, beginning behind the name ``after``."""
    query = _select().order_by(Group.name).limit(limit)
    if after is not None:
        query = query.where(Group.name > after)
    return [_record(row) for row in await connection.execute(query)]


class Member(BaseModel):
    """A user in a group."""

    id: uuid.UUID
    username: str


async def list_members(
    connection: AsyncConnection,
    group_id: uuid.UUID,
    *,
    limit: int,
    after: uuid.UUID | None = None,
) -> Sequence[Member]:
    """At most ``limit`` members, by id, beginning behind the user ``after``."""
    query = (
        select(User.id, User.username)
        .join(GroupMember, GroupMember.user_id == User.id)
        .where(GroupMember.group_id == group_id)
        .order_by(User.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(User.id > after)
    return [Member(**row) for row in (await connection.execute(query)).mappings()]


async def create_group(actor: Actor, definition: GroupDefinition) -> GroupRecord:
    """Add a group without members. Raises a :class:`~app.errors.Problem`."""
    connection, now = actor.connection, actor.now
    wanted = definition.scopes
    if "scopes" not in definition.model_fields_set:
        wanted = actor.grantable(wanted)
    scopes = await require_known(connection, wanted)
    actor.require_to_grant(scopes)
    await _require_free(connection, definition.name)
    group_id = uuid.uuid4()
    await insert_new(
        connection,
        f"a group named {definition.name!r} already exists",
        insert(Group).values(
            id=group_id,
            name=definition.name,
            description=definition.description,
            created_at=now,
            updated_at=now,
        ),
    )
    await _insert_scopes(connection, group_id, scopes)
    await actor.record(CREATED, group=definition.name, scopes=sorted(scopes))
    return await get_group(connection, group_id)


async def _require_free(connection: AsyncConnection, name: str) -> None:
    if await connection.scalar(select(exists().where(Group.name == name))):
        raise ConflictError(told=f"a group named {name!r} already exists")


async def _insert_scopes(
    connection: AsyncConnection, group_id: uuid.UUID, scopes: Collection[str]
) -> None:
    if scopes:
        rows = [{"group_id": group_id, "scope": scope} for scope in sorted(scopes)]
        await connection.execute(insert(GroupScope), rows)


async def change_group(
    actor: Actor, group_id: uuid.UUID, changes: Changes, expected: Versions = ANY_VERSION
) -> GroupRecord:
    """Change a group; what its members have by it follows. Raises a :class:`Problem`.

    Other scopes change what the members may do, and another name, which applications are told,
    what they are taken for: so the actor has all that these have.
    """
    connection, now = actor.connection, actor.now
    before = await get_group(connection, group_id)
    expected.require(before.updated_at)
    wanted = validated(GroupChanges, changes)
    given = {name: getattr(wanted, name) for name in changes}
    difference: dict[str, Any] = {}
    values = {
        name: given[name]
        for name in ("name", "description")
        if name in given and given[name] != getattr(before, name)
    }
    if "name" in values:
        await _require_free(connection, wanted.name)
        difference["name"] = wanted.name
    scopes = set(before.scopes)
    if "scopes" in given:
        scopes = set(await require_known(connection, wanted.scopes))
    added, removed = scopes.difference(before.scopes), set(before.scopes) - scopes
    if added or removed:
        difference |= {"scopes_added": sorted(added), "scopes_removed": sorted(removed)}
        actor.require_to_grant(added)
    if difference:
        await _require_over_members(actor, before)
    await connection.execute(
        update(Group).where(Group.id == group_id).values(updated_at=now, **values)
    )
    if added or removed:
        await connection.execute(delete(GroupScope).where(GroupScope.group_id == group_id))
        await _insert_scopes(connection, group_id, scopes)
        await _renew_members(actor, group_id)
    if difference or values:
        await actor.record(CHANGED, group=before.name, **difference)
    return await get_group(connection, group_id)


async def _require_over_members(actor: Actor, group: GroupRecord) -> None:
    """Hold the members, whom the actor must be over as when each were changed alone."""
    await hold_members(actor.connection, group.id)
    actor.require_over(group.scopes)
    actor.require_over(await find_scopes_of_members(actor.connection, [group.id]))


async def _renew_members(actor: Actor, group_id: uuid.UUID) -> None:
    """Give the members, who are held, what their groups give them now."""
    administered = await find_administered(actor.connection)
    members = select(GroupMember.user_id).where(GroupMember.group_id == group_id)
    await renew_scopes(actor.connection, User.id.in_(members), actor.now)
    await require_administered(actor.connection, administered)


async def delete_group(actor: Actor, group_id: uuid.UUID, expected: Versions = ANY_VERSION) -> None:
    """Delete a group. Raises a :class:`~app.errors.Problem`, also if it has clients.

    A client whose only group went would be open to everybody.
    """
    connection = actor.connection
    group = await get_group(connection, group_id)
    expected.require(group.updated_at)
    if group.clients:
        raise ConflictError(told="Clients are open to this group: remove them from it first.")
    await _require_over_members(actor, group)
    await connection.execute(delete(GroupScope).where(GroupScope.group_id == group_id))
    await _renew_members(actor, group_id)
    await connection.execute(delete(Group).where(Group.id == group_id))
    await actor.record(DELETED, group=group.name)
