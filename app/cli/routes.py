"""``latchkey routes``: every operation, and what opens it."""

from importlib import import_module

import typer

from app.cli.command import Deployment, Record, command
from app.cli.later import features_at_hand

cli = typer.Typer()


@command(cli, "routes")
async def show_routes(deployment: Deployment) -> list[Record]:
    """List every operation with what opens it: a scheme and its scopes, or anyone."""
    from app.web.openers import operations_of  # with FastAPI: no other command needs it

    # By its name: the application is made of all that is below it, this command line too.
    create_app = import_module("app.main").create_app
    app = create_app(deployment.settings, deployment.clock, features_at_hand.get()())
    try:
        return [
            {"method": each.method, "path": each.path, "opened_by": list(each.opened_by)}
            for each in operations_of(app)
        ]
    finally:
        await app.state.server.close()
