"""What the registration of clients by themselves adds to the tables of the core's tests."""

from collections.abc import Mapping

from app.features.client_registration.tokens import (
    list_registration_tokens,
    revoke_registration_token,
)
from app.management.authority import Actor
from app.server import Server
from tests.support.commands import Case
from tests.support.shell import Shell


def have_a_token(shell: Shell) -> Mapping[str, str]:
    return {"token": shell.json("registration-tokens", "create", "team")["id"]}


async def revoke_it(operator: Actor, server: Server) -> None:
    (token,) = await list_registration_tokens(operator.connection)
    await revoke_registration_token(operator, token.id)


COMMANDS = {
    "registration-tokens revoke": Case(
        "{token}", revoke_it, "There is no such registration token.", prepare=have_a_token
    ),
}

COMMANDS_OTHERWISE = {
    "registration-tokens create": "depends on nothing that is there",
    "registration-tokens list": "reads",
}
