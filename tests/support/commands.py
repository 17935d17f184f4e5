"""A command, and what happens right before it writes: see test_nothing_stale_at_the_shell.py."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from app.management.authority import Actor
from app.management.users import delete_user, get_user_by_name, set_password
from app.server import Server
from tests.support.shell import Shell

PASSWORD = "another horse battery staple"


Meanwhile = Callable[[Actor, Server], Awaitable[None]]


async def delete_bob(operator: Actor, server: Server) -> None:
    bob = await get_user_by_name(operator.connection, "bob")
    await delete_user(operator, bob.id)


async def reset_bob(operator: Actor, server: Server) -> None:
    bob = await get_user_by_name(operator.connection, "bob")
    await set_password(
        operator, bob.id, "a hash that no password has", revoke=server.at_password_reset
    )


@dataclass(frozen=True)
class Case:
    """A command, what happens right before it writes, and the line that it ends with."""

    arguments: str
    meanwhile: Meanwhile
    line: str
    stdin: str | None = None
    prepare: Callable[[Shell], Mapping[str, str]] | None = None
    """What has to be there; the ids that the arguments and the line name."""


NO_BOB = "there is no user 'bob'"
