"""``latchkey purge``: delete what has expired."""

from typing import Annotated

import typer

from app.cli.command import Record
from app.operations.purge import purge
from app.server import Server


async def purge_expired(
    server: Server,
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
