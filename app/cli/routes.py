"""``latchkey routes``: every operation, and what opens it."""

from importlib import import_module
from typing import TYPE_CHECKING

import typer

from app.cli.command import Deployment, Record, command
from app.cli.later import features_at_hand
from app.clock import Clock
from app.settings import Settings

if TYPE_CHECKING:
    from app.web.openers import Operation

cli = typer.Typer()


@command(cli, "routes")
async def show_routes(deployment: Deployment) -> list[Record]:
    """List every operation with what opens it: a scheme and its scopes, or anyone."""
    return [
        {"method": each.method, "path": each.path, "opened_by": list(each.opened_by)}
        for each in await list_operations(deployment.settings, deployment.clock)
    ]


async def list_operations(settings: Settings, clock: Clock) -> list["Operation"]:
    """What the application serves, which is made for that and not started."""
    from app.web.openers import operations_of  # with FastAPI: most commands do without

    # By its name: the application is made of all that is below it, this command line too.
    create_app = import_module("app.main").create_app
    unwatched = settings.model_copy(update={"otlp_endpoint": ""})  # there is nothing to tell
    app = create_app(unwatched, clock, features_at_hand.get()())
    try:
        return list(operations_of(app))
    finally:
        await app.state.server.close()
