"""``latchkey purge``: delete what has expired."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.command import Record, server_command
from app.operations.purge import purge

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer()


@server_command(cli, "purge")
async def purge_expired(
    server: "Server",
    audit_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Also delete audit events older than this many days; by default, all are kept.",
        ),
    ] = None,
) -> Record:
    """Delete expired logins, codes, sessions, tokens, nonces and keys, in small batches.

    Run it daily, for example from cron.
    """
    return await purge(server, audit_days)
