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

    Their passwords and secrets are public: docs/login.md lists them.
    """
    seeded = await seed(server, if_empty=if_empty)
    return {
        "seeded": seeded,
        "users": [user.username for user in DEMO_USERS],
        "clients": [client.client_id for client in demo_clients(server.features)],
    }


async def seed(server: "Server", *, if_empty: bool) -> bool:
    """Add the demo data, with ``if_empty`` to a database without users and clients alone.

    Tells whether it did. Raises a :class:`~app.errors.Problem` in production.
    """
    async with operating(server.database, server.clock) as operator:
        filled = select(exists().select_from(User) | exists().select_from(Client))
        if if_empty and await operator.connection.scalar(filled):
            return False
        await seed_demo(operator, server)
        return True
