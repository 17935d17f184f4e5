"""How strong the logins of a group's members have to be."""

from collections.abc import Mapping

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.features.groups.model import Group, GroupLevel, GroupMember
from app.features.groups.service import CHANGED, GroupRecord
from app.login.conditions import USER_ID
from app.login.strength import ACR, Level
from app.management.authority import Actor

REQUIRED_LEVEL = (
    select(func.max(GroupLevel.level))
    .join(GroupMember, GroupMember.group_id == GroupLevel.group_id)
    .where(GroupMember.user_id == USER_ID)
    .scalar_subquery()
)
"""The strictest of what the groups of a user require; NULL if they require nothing."""


async def require_level(actor: Actor, group: GroupRecord, level: Level) -> None:
    """Require that of every login of a member from now on; :attr:`Level.ANY` requires nothing."""
    if level == Level.ANY:
        this = GroupLevel.group_id == group.id
        await actor.connection.execute(delete(GroupLevel).where(this))
    else:
        values = {"level": int(level)}
        added = insert_unless(actor.connection, GroupLevel).values(group_id=group.id, **values)
        await actor.connection.execute(
            added.on_conflict_do_update(index_elements=[GroupLevel.group_id], set_=values)
        )
    await actor.record(CHANGED, group=group.name, acr=ACR[level])


async def list_levels(connection: AsyncConnection) -> Mapping[str, Level]:
    """The groups that require something, by name."""
    rows = await connection.execute(
        select(Group.name, GroupLevel.level)
        .join(GroupLevel, GroupLevel.group_id == Group.id)
        .order_by(Group.name)
    )
    return {name: Level(level) for name, level in rows}
