"""``latchkey mfa`` and ``latchkey users reset-mfa``."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.command import Deployment, Record, command, server_command
from app.errors import InvalidError, NotFoundError
from app.features.mfa.requirements import (
    Requirement,
    append_codes,
    list_appending,
    list_requirements,
    require_level,
    waive,
)
from app.features.mfa.service import reset_factors
from app.identity.users import find_account
from app.login.strength import level_called
from app.management.authority import operating

if TYPE_CHECKING:
    from app.server import Server

requirements = typer.Typer(no_args_is_help=True, help="Say who has to have a second factor.")
users = typer.Typer()

User = Annotated[str | None, typer.Option(help="Of this user's logins.")]
Client = Annotated[str | None, typer.Option(help="Of logins at this client.")]
Scope = Annotated[str | None, typer.Option(help="Of logins that are granted this scope.")]


@server_command(requirements, "require")
async def require(
    server: "Server",
    user: User = None,
    client: Client = None,
    scope: Scope = None,
    acr: Annotated[
        str, typer.Option(help="One of `acr_values_supported` in the metadata.")
    ] = "urn:latchkey:acr:mfa",
) -> Record:
    """Require a second factor of a user, at a client or for a scope; the strictest counts.

    A user's sessions and logins end, so that they log in again.
    """
    level = level_called(acr, server.second_factors.acr_values)
    if level is None:
        raise InvalidError(told=f"no login reaches {acr!r} here")
    requirement = _one_of(user, client, scope)
    async with operating(server.database, server.clock) as operator:
        await require_level(operator, requirement, level)
    return asdict(requirement) | {"acr": acr}


@command(requirements, "waive")
async def give_up(
    deployment: Deployment, user: User = None, client: Client = None, scope: Scope = None
) -> Record:
    """Require nothing in particular of a user, at a client or for a scope any more."""
    requirement = _one_of(user, client, scope)
    async with operating(deployment.database, deployment.clock) as operator:
        await waive(operator, requirement)
    return asdict(requirement)


@command(requirements, "list")
async def show(deployment: Deployment) -> Sequence[Record]:
    """List what is required of whom, beside LATCHKEY_MFA."""
    async with deployment.database.read() as connection:
        return [asdict(each) for each in await list_requirements(connection)]


@command(requirements, "append-codes")
async def append(
    deployment: Deployment,
    client_id: Annotated[str | None, typer.Argument(help="Lists such clients if left out.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="No longer.")] = False,
) -> Sequence[Record]:
    """Take the code of an app behind the password, from a client that can send no other.

    Its users with an app then have to type it there. Better is an app password.
    """
    if client_id is not None:
        async with operating(deployment.database, deployment.clock) as operator:
            await append_codes(operator, client_id, appended=not stop)
    async with deployment.database.read() as connection:
        return [{"client_id": each} for each in await list_appending(connection)]


@server_command(users, "reset-mfa")
async def reset_mfa(
    server: "Server", username: Annotated[str, typer.Argument(help="Case-insensitive.")]
) -> Record:
    """Remove a user's second factor, for whoever has lost it.

    Recovery codes go with it, and every session and login ends. The user is told by mail.
    """
    async with operating(server.database, server.clock, server.notify) as operator:
        account = await find_account(operator.connection, username)
        if account is None:
            raise NotFoundError(told=f"there is no user {username!r}")
        return await reset_factors(operator, account.id, server.second_factors.factors)


def _one_of(user: str | None, client: str | None, scope: str | None) -> Requirement:
    if [user, client, scope].count(None) != 2:
        raise typer.BadParameter("give one of --user, --client and --scope")
    return Requirement(user=user, client=client, scope=scope)
