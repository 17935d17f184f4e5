"""``latchkey purge``: delete what has expired."""

from typing import Annotated

import typer

from app.cli.command import Json, run, show
from app.operations.purge import purge


def purge_expired(
    audit_days: Annotated[
        int | None,
        typer.Option(min=1, help="Also delete audit events that are older; else they all stay."),
    ] = None,
    json: Json = False,
) -> None:
    """Delete expired logins, codes, sessions, tokens, nonces and keys, in small batches.

    Run it from cron, daily.
    """
    show(run(lambda server: purge(server, audit_days)), json)
