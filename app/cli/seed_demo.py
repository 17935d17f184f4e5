"""``latchkey seed-demo``: the users and clients of the documents."""

from typing import Annotated

import typer
from sqlalchemy import exists, select

from app.cli.command import Json, run, show
from app.management.authority import operating
from app.models import Client, User
from app.operations.demo import DEMO_CLIENTS, DEMO_USERS, seed_demo
from app.server import Server


def seed_demo_data(
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Only if there is no user and no client yet.")
    ] = False,
    json: Json = False,
) -> None:
    """Add the demo users and clients that are missing. Refused in production.

    Their passwords and secrets are public: README.md lists them.
    """

    async def work(server: Server) -> bool:
        async with operating(server.database, server.clock) as operator:
            filled = select(exists().select_from(User) | exists().select_from(Client))
            if if_empty and await operator.connection.scalar(filled):
                return False
            await seed_demo(operator, server)
            return True

    seeded = run(work)
    show(
        {
            "seeded": seeded,
            "users": [user.username for user in DEMO_USERS],
            "clients": [str(client.client_id) for client in DEMO_CLIENTS],
        },
        json,
    )
