"""``latchkey groups``: who belongs to what."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.command import Deployment, Noted, Record, command, given, server_command
from app.database.paging import every
from app.errors import InvalidError
from app.features.groups import belonging
from app.features.groups.levels import list_levels, require_level
from app.features.groups.service import (
    GroupDefinition,
    GroupRecord,
    change_group,
    create_group,
    delete_group,
    get_group,
    get_group_by_name,
    list_groups,
    list_members,
)
from app.identity.definition import Changes, validated
from app.login.strength import ACR, Level, level_called
from app.management.authority import operating
from app.management.users import get_user_by_name

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="Create and change groups, and what belongs to them.")

Name = Annotated[str, typer.Argument(help="From `groups list`.")]
Username = Annotated[str, typer.Argument(help="Case-insensitive.")]
ClientId = Annotated[str, typer.Argument(help="From `clients list`.")]
Description = Annotated[str | None, typer.Option(help="For those who manage.")]
Scopes = Annotated[
    list[str] | None, typer.Option(help="A scope that every member has; may be repeated.")
]


@command(cli, "create")
async def create(
    deployment: Deployment,
    name: Annotated[str, typer.Argument(help="What the claim `groups` will have.")],
    description: Description = None,
    scope: Scopes = None,
) -> Record:
    """Create a group. Without --scope, its members have the scope groups, for the claim."""
    options = given(name=name, description=description, scopes=scope or None)
    async with operating(deployment.database, deployment.clock) as operator:
        return _plain(await create_group(operator, validated(GroupDefinition, options)))


@command(cli, "list")
async def show_groups(deployment: Deployment) -> Sequence[Record]:
    """List groups, by name."""
    async with deployment.database.read() as connection:
        groups = await every(
            lambda after, limit: list_groups(connection, limit=limit, after=after),
            lambda group: group.name,
        )
    return [_plain(group) for group in groups]


@command(cli, "show")
async def show(deployment: Deployment, name: Name) -> Record:
    """Show a group, with its members."""
    async with deployment.database.read() as connection:
        group = await get_group_by_name(connection, name)
        members = await every(
            lambda after, limit: list_members(connection, group.id, limit=limit, after=after),
            lambda member: member.id,
        )
    return {**_plain(group), "members": sorted(member.username for member in members)}


@command(cli, "update")
async def update(
    deployment: Deployment,
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    description: Description = None,
    scope: Scopes = None,
    no_scopes: Annotated[
        bool, typer.Option("--no-scopes", help="Give the members nothing by this group.")
    ] = False,
) -> Record:
    """Change a group. Options that are left out change nothing; --scope replaces all scopes."""
    if scope and no_scopes:
        raise typer.BadParameter("--scope and --no-scopes cannot be used together")
    scopes = [] if no_scopes else (scope or None)
    changes: Changes = given(name=new_name, description=description, scopes=scopes)
    async with operating(deployment.database, deployment.clock) as operator:
        group = await get_group_by_name(operator.connection, name)
        return _plain(await change_group(operator, group.id, changes))


@command(cli, "delete")
async def delete(deployment: Deployment, name: Name) -> Record:
    """Delete a group that has no clients. Its members lose what they had by it."""
    async with operating(deployment.database, deployment.clock) as operator:
        group = await get_group_by_name(operator.connection, name)
        await delete_group(operator, group.id)
    return {"id": group.id, "name": group.name, "deleted": True}


@command(cli, "add-member")
async def add_member(deployment: Deployment, name: Name, username: Username) -> Record:
    """Put a user into a group."""
    async with operating(deployment.database, deployment.clock) as operator:
        group = await get_group_by_name(operator.connection, name)
        user = await get_user_by_name(operator.connection, username)
        await belonging.add_member(operator, group.id, user.id)
    return {"name": group.name, "username": user.username, "member": True}


@command(cli, "remove-member")
async def remove_member(deployment: Deployment, name: Name, username: Username) -> Record:
    """Take a user out of a group: what they had by it is gone at once."""
    async with operating(deployment.database, deployment.clock) as operator:
        group = await get_group_by_name(operator.connection, name)
        user = await get_user_by_name(operator.connection, username)
        await belonging.remove_member(operator, group.id, user.id)
    return {"name": group.name, "username": user.username, "member": False}


@command(cli, "add-client")
async def add_client(deployment: Deployment, name: Name, client_id: ClientId) -> Record:
    """Open a client to the members of a group, and close it to everybody whose group has it not.

    Their logins through it end.
    """
    async with operating(deployment.database, deployment.clock) as operator:
        group = await get_group_by_name(operator.connection, name)
        await belonging.add_client(operator, group.id, client_id)
        return _plain(await get_group(operator.connection, group.id))


@command(cli, "remove-client")
async def remove_client(deployment: Deployment, name: Name, client_id: ClientId) -> Noted:
    """Take a client from a group. One that no group has is open to everybody."""
    async with operating(deployment.database, deployment.clock) as operator:
        group = await get_group_by_name(operator.connection, name)
        await belonging.remove_client(operator, group.id, client_id)
        is_open = not await belonging.is_restricted(operator.connection, client_id)
        record = _plain(await get_group(operator.connection, group.id))
    note = f"No group has {client_id} now: it is open to everybody." if is_open else ""
    return Noted(record, note)


@server_command(cli, "require-mfa")
async def require_mfa(
    server: "Server",
    name: Annotated[str | None, typer.Argument(help="Lists such groups if left out.")] = None,
    acr: Annotated[str, typer.Option(help="One of `acr_values_supported` in the metadata.")] = ACR[
        Level.FACTOR
    ],
    stop: Annotated[bool, typer.Option("--stop", help="No longer.")] = False,
) -> Sequence[Record]:
    """Require a second factor of every login of a group's members from now on."""
    level = Level.ANY if stop else level_called(acr, server.second_factors.acr_values)
    if level is None:
        raise InvalidError(told=f"no login reaches {acr!r} here")
    if name is not None:
        async with operating(server.database, server.clock) as operator:
            group = await get_group_by_name(operator.connection, name)
            await require_level(operator, group, level)
    async with server.database.read() as connection:
        levels = await list_levels(connection)
    return [{"name": name, "acr": ACR[level]} for name, level in levels.items()]


def _plain(group: GroupRecord) -> dict[str, Any]:
    return group.model_dump()
