"""What a file that is applied adds to the tables of the core's tests."""

import json

from app.management.authority import Actor
from app.management.scopes import delete_scope
from app.server import Server
from tests.support.commands import Case

EVE = {"users": [{"username": "eve", "scopes": ["reports"]}]}


async def delete_reports(operator: Actor, server: Server) -> None:
    await delete_scope(
        operator, "reports", built_in=server.built_in_scopes, holders=server.scope_holders
    )


COMMANDS = {
    "apply": Case(
        "-", delete_reports, "users.0 'eve': there is no scope 'reports'", stdin=json.dumps(EVE)
    )
}

COMMANDS_OTHERWISE = {"dev": "serves, after it has filled what nobody else has yet"}
