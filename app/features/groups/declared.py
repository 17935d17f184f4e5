"""Groups in a file of ``latchkey apply``, and in an export."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.paging import every
from app.errors import InvalidError
from app.features.groups import belonging
from app.features.groups.model import Group
from app.features.groups.service import (
    GroupDefinition,
    GroupRecord,
    change_group,
    create_group,
    delete_group,
    find_group,
    get_group,
    list_members,
)
from app.identity.profile import username_key
from app.management.authority import Actor
from app.management.kinds import Kind, Record
from app.management.users import get_user_by_name


class DeclaredGroup(GroupDefinition):
    """A group. What is left out has its default; ``members`` and ``clients`` then stay as they are,
    for people come and go otherwise, too.
    """

    members: list[str] | None = None
    """User names."""
    clients: list[str] | None = None


class Groups(Kind[DeclaredGroup]):
    """Groups, by name."""

    section = "groups"
    noun = "group"
    key = "name"
    model = DeclaredGroup

    async def names(self, connection: AsyncConnection) -> Sequence[str]:
        """All of them."""
        return sorted(await connection.scalars(select(Group.name)))

    async def find(self, connection: AsyncConnection, name: str) -> Record | None:
        """All but the id, and when it was."""
        group = await find_group(connection, name)
        if group is None:
            return None
        members = await _members(connection, group)
        return {
            "description": group.description,
            "scopes": group.scopes,
            "clients": group.clients,
            "members": sorted(members.values()),
        }

    async def create(self, actor: Actor, declared: DeclaredGroup) -> None:
        """Add one, with its members and clients."""
        said = declared.model_fields_set & GroupDefinition.model_fields.keys()
        definition = GroupDefinition.model_validate(declared.model_dump(include=said))
        group = await create_group(actor, definition)
        await _bring(actor, group, declared)

    async def change(self, actor: Actor, declared: DeclaredGroup) -> None:
        """Bring one to what is said."""
        group = await find_group(actor.connection, declared.name)
        if group is None:
            raise InvalidError(told="somebody else has just deleted this group")
        wanted = {"description": declared.description, "scopes": sorted(set(declared.scopes))}
        if wanted != {"description": group.description, "scopes": group.scopes}:
            group = await change_group(actor, group.id, wanted)
        await _bring(actor, group, declared)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete one to which no client is bound."""
        group = await find_group(actor.connection, name)
        if group is not None:
            await delete_group(actor, group.id)


async def _members(connection: AsyncConnection, group: GroupRecord) -> dict[str, str]:
    """User names, by the form in which they are compared."""
    members = await every(
        lambda after, limit: list_members(connection, group.id, limit=limit, after=after),
        lambda member: member.id,
    )
    return {username_key(member.username): member.username for member in members}


async def _bring(actor: Actor, group: GroupRecord, declared: DeclaredGroup) -> None:
    if declared.members is not None:
        there = await _members(actor.connection, group)
        wanted = {username_key(name): name for name in declared.members}
        for key in sorted(wanted.keys() - there.keys()):
            user = await get_user_by_name(actor.connection, wanted[key])
            await belonging.add_member(actor, group.id, user.id)
        for key in sorted(there.keys() - wanted.keys()):
            user = await get_user_by_name(actor.connection, there[key])
            await belonging.remove_member(actor, group.id, user.id)
    if declared.clients is not None:
        clients = (await get_group(actor.connection, group.id)).clients
        for client_id in sorted(set(declared.clients).difference(clients)):
            await belonging.add_client(actor, group.id, client_id)
        for client_id in sorted(set(clients).difference(declared.clients)):
            await belonging.remove_client(actor, group.id, client_id)
