"""``latchkey claims``: what tokens tell beside what the protocol says."""

import json as encoding
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.cli.command import Deployment, Record, command, given
from app.errors import InvalidError
from app.features.claims.model import Holder
from app.features.claims.service import (
    ClaimDefinition,
    declare_claim,
    delete_claim,
    get_values,
    list_claims,
    set_values,
)
from app.identity.definition import validated
from app.management.authority import operating
from app.management.users import get_user_by_name

cli = typer.Typer(no_args_is_help=True, help="Declare claims, and say what they tell of whom.")

Name = Annotated[str, typer.Argument(help="From `claims list`.")]
User = Annotated[str | None, typer.Option(help="The user that the value is of.")]
Client = Annotated[
    str | None, typer.Option(help="The client whose tokens have the value, unless a user has one.")
]


@command(cli, "create")
async def create(
    deployment: Deployment,
    name: Annotated[str, typer.Argument(help="Such as department.")],
    type_: Annotated[
        str,
        typer.Option("--type", help="string, integer, number, boolean, strings or json."),
    ],
    scope: Annotated[str, typer.Option(help="The scope that brings it.")],
    place: Annotated[
        list[str] | None,
        typer.Option(
            "--in",
            help="access_token, id_token or userinfo; may be repeated. Without it: id_token and "
            "userinfo.",
        ),
    ] = None,
) -> Record:
    """Declare a claim."""
    options = given(name=name, type=type_, scope=scope, places=place or None)
    async with operating(deployment.database, deployment.clock) as operator:
        claim = await declare_claim(operator, validated(ClaimDefinition, options))
    return claim.model_dump()


@command(cli, "list")
async def show_claims(deployment: Deployment) -> Sequence[Record]:
    """List the claims that are declared."""
    async with deployment.database.read() as connection:
        return [claim.model_dump() for claim in await list_claims(connection)]


@command(cli, "delete")
async def delete(deployment: Deployment, name: Name) -> Record:
    """Delete a claim and all its values."""
    async with operating(deployment.database, deployment.clock) as operator:
        await delete_claim(operator, name)
    return {"name": name, "deleted": True}


@command(cli, "show")
async def show(deployment: Deployment, user: User = None, client: Client = None) -> Record:
    """Show what the claims say of a user or a client."""
    async with deployment.database.read() as connection:
        holder = await _holder(connection, user, client)
        return _told(user, client, await get_values(connection, holder))


@command(cli, "set")
async def set_value(
    deployment: Deployment,
    name: Name,
    value: Annotated[str, typer.Argument(help="JSON; what is no JSON is taken for a text.")],
    user: User = None,
    client: Client = None,
) -> Record:
    """Let a claim say something of a user, or in what a client is issued."""
    return await _set(deployment, user, client, {name: _read(value)})


@command(cli, "unset")
async def unset(
    deployment: Deployment, name: Name, user: User = None, client: Client = None
) -> Record:
    """Take a value away."""
    return await _set(deployment, user, client, {name: None})


def _read(value: str) -> Any:
    try:
        read = encoding.loads(value)
    except (ValueError, RecursionError):
        return value
    if read is None:
        raise InvalidError(told="null is no value: use `claims unset`")
    return read


async def _set(
    deployment: Deployment, user: str | None, client: str | None, values: Mapping[str, Any]
) -> Record:
    async with operating(deployment.database, deployment.clock) as operator:
        holder = await _holder(operator.connection, user, client)
        return _told(user, client, await set_values(operator, holder, values))


async def _holder(connection: AsyncConnection, user: str | None, client: str | None) -> Holder:
    if (user is None) == (client is None):
        raise InvalidError(told="name either --user or --client")
    if user is None:
        return str(client)
    user_id: uuid.UUID = (await get_user_by_name(connection, user)).id
    return user_id


def _told(user: str | None, client: str | None, values: Mapping[str, Any]) -> Record:
    return {**given(user=user, client=client), "claims": dict(values)}
