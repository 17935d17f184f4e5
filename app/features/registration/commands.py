"""``latchkey invitations``: people who choose their own passwords."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer

from app.cli.command import Deployment, Noted, Record, command
from app.database.paging import every
from app.features.registration.service import (
    A_WEEK,
    LONGEST,
    InvitationRecord,
    create_invitation,
    list_invitations,
    revoke_invitation,
)
from app.management.authority import operating

cli = typer.Typer(no_args_is_help=True, help="Invite people, who choose their own passwords.")


@command(cli, "create")
async def create(
    deployment: Deployment,
    email: Annotated[
        str | None, typer.Option(help="Where the link is sent; without it, it is printed.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A scope of the new user; may be repeated. LATCHKEY_REGISTRATION_SCOPES without."
        ),
    ] = None,
    expires_in: Annotated[int, typer.Option(min=60, max=LONGEST, help="Seconds.")] = A_WEEK,
) -> Noted:
    """Invite somebody: the link is good once."""
    async with operating(deployment.database, deployment.clock) as operator:
        record, url = await create_invitation(
            operator,
            deployment.settings,
            email=email,
            scopes=scope,
            lifetime=timedelta(seconds=expires_in),
        )
    if url is None:
        return Noted(_plain(record), "A mail with the link is on its way.")
    return Noted({**_plain(record), "url": url}, "The link is shown only once.")


@command(cli, "list")
async def show_invitations(deployment: Deployment) -> Sequence[Record]:
    """List invitations, newest first."""
    now = deployment.clock.now()
    async with deployment.database.read() as connection:
        records = await every(
            lambda before, limit: list_invitations(connection, now, limit=limit, before=before),
            lambda record: (record.created_at, record.id),
        )
    return [_plain(record) for record in records]


@command(cli, "revoke")
async def revoke(
    deployment: Deployment,
    invitation_id: Annotated[uuid.UUID, typer.Argument(help="From `invitations list`.")],
) -> Record:
    """End an invitation that nobody has accepted."""
    async with operating(deployment.database, deployment.clock) as operator:
        await revoke_invitation(operator, invitation_id)
    return {"id": str(invitation_id), "revoked": True}


def _plain(record: InvitationRecord) -> dict[str, Any]:
    return record.model_dump(mode="json")
