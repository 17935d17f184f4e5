"""``latchkey seed-demo``: the users and clients of the documents."""

from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import exists, select

from app.cli.command import Record, server_command
from app.management.authority import operating
from app.models import Client, User
from app.operations.demo import DEMO_USERS, demo_clients, seed_demo

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer()


@server_command(cli, "seed-demo")
async def seed_demo_data(
    server: "Server",
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Only if there are no users or clients yet.")
    ] = False,
) -> Record:
    """Add the demo users and clients that are missing. Refused in production.

    Their passwords and secrets are public: README.md lists them.
    """
    async with operating(server.database, server.clock) as operator:
        filled = select(exists().select_from(User) | exists().select_from(Client))
        seeded = not (if_empty and await operator.connection.scalar(filled))
        if seeded:
            await seed_demo(operator, server)
    return {
        "seeded": seeded,
        "users": [user.username for user in DEMO_USERS],
        "clients": [client.client_id for client in demo_clients(server.features)],
    }
