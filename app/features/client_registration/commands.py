"""``latchkey registration-tokens``: initial access tokens (RFC 7591, section 3)."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from app.cli.command import Deployment, Noted, Record, command
from app.features.client_registration.tokens import (
    TokenRecord,
    create_registration_token,
    list_registration_tokens,
    revoke_registration_token,
)
from app.management.authority import operating
from app.settings import TEN_YEARS

cli = typer.Typer(no_args_is_help=True, help="Manage tokens to register clients with.")

A_WEEK = 7 * 24 * 3600


@command(cli, "create")
async def create(
    deployment: Deployment,
    name: Annotated[str, typer.Argument(help="For whom it is; only shown here.")],
    expires_in: Annotated[int, typer.Option(min=1, max=TEN_YEARS, help="Seconds.")] = A_WEEK,
    uses: Annotated[
        int | None, typer.Option(min=1, help="How many clients may register with it.")
    ] = None,
) -> Noted:
    """Make a token for LATCHKEY_CLIENT_REGISTRATION=token and print it; it is shown only once."""
    async with operating(deployment.database, deployment.clock) as operator:
        record, token = await create_registration_token(
            operator, name=name, lifetime=timedelta(seconds=expires_in), uses=uses
        )
    return Noted({**_plain(record), "token": token}, "The token is shown only once.")


@command(cli, "list")
async def show_tokens(deployment: Deployment) -> Sequence[Record]:
    """List the tokens, newest first."""
    async with deployment.database.read() as connection:
        return [_plain(record) for record in await list_registration_tokens(connection)]


@command(cli, "revoke")
async def revoke(
    deployment: Deployment,
    token_id: Annotated[uuid.UUID, typer.Argument(help="From `registration-tokens list`.")],
) -> Record:
    """Take a token away. Clients that registered with it stay."""
    async with operating(deployment.database, deployment.clock) as operator:
        await revoke_registration_token(operator, token_id)
    return {"id": str(token_id), "revoked": True}


def _plain(record: TokenRecord) -> dict[str, Any]:
    return {**asdict(record), "id": str(record.id)}
