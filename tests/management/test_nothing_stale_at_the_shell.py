"""Commands judge what is there when they write, like the routes: see tests/test_nothing_stale.py.

The operator cannot lose the authority to do something. What a command is about can go, or come,
right before its transaction begins: then it says so and has written nothing. The table has every
command: one that is added and not listed fails the first test.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.core import TyperGroup

from app.clock import Clock
from app.identity.profile import NewUser
from app.identity.registration import Registration
from app.management.authority import Actor, operating
from app.management.clients import delete_client, register_client
from app.management.scopes import create_scope, delete_scope
from app.management.users import (
    register_user,
)
from app.models import Base
from app.security.jwt import generate_private_key
from app.server import Server
from app.tokens.key_rotation import import_key, list_keys, retire_key, rotate_keys
from tests.conftest import make_settings
from tests.features import brought
from tests.support.between import Between
from tests.support.commands import NO_BOB, PASSWORD, Case, delete_bob
from tests.support.every_command import every_command
from tests.support.shell import Shell


async def add_ada(operator: Actor, server: Server) -> None:
    await register_user(operator, NewUser(username="ada"), password_hash=None)


async def add_app(operator: Actor, server: Server) -> None:
    registration = Registration(name="app", client_id="app", grant_types=["password"])
    await register_client(operator, registration)


async def delete_shop(operator: Actor, server: Server) -> None:
    await delete_client(operator, "shop")


async def add_billing(operator: Actor, server: Server) -> None:
    await create_scope(operator, name="billing", description="Pay")


async def delete_reports(operator: Actor, server: Server) -> None:
    await delete_scope(
        operator, "reports", built_in=server.built_in_scopes, holders=server.scope_holders
    )


async def rotate(operator: Actor, server: Server) -> None:
    await rotate_keys(
        operator.connection,
        server.encryption,
        ["ES256"],
        server.clock,
        server.settings,
        at_once=False,
    )


async def import_it(operator: Actor, server: Server) -> None:
    await import_key(
        operator.connection, server.encryption, PEM, server.clock, server.settings, at_once=True
    )


async def retire_the_new_one(operator: Actor, server: Server) -> None:
    keys = await list_keys(operator.connection, operator.now)
    newest = next(key for key in keys if key.alg == "ES256")
    await retire_key(operator.connection, newest.kid, operator.now, needed=())


PEM = generate_private_key("ES256")


NO_SHOP = "There is no such client."

CASES: Mapping[str, Case] = {
    "users create": Case("ada", add_ada, "a user named 'ada' already exists"),
    "users set-password": Case(
        "bob --password-stdin", delete_bob, "There is no such user.", PASSWORD
    ),
    "users set-scopes": Case("bob --scope email", delete_bob, NO_BOB),
    "users update": Case("bob --email bob@example.com", delete_bob, NO_BOB),
    "users add-scope": Case("bob items:read", delete_bob, NO_BOB),
    "users remove-scope": Case("bob profile", delete_bob, NO_BOB),
    "users unlock": Case("bob", delete_bob, NO_BOB),
    "users disable": Case("bob", delete_bob, NO_BOB),
    "users enable": Case("bob", delete_bob, NO_BOB),
    "users delete": Case("bob", delete_bob, NO_BOB),
    "clients create": Case(
        "App --client-id app --grant password", add_app, "a client with the id 'app' already exists"
    ),
    "clients update": Case("shop --name Store", delete_shop, NO_SHOP),
    "clients add-scope": Case("shop email", delete_shop, NO_SHOP),
    "clients remove-scope": Case("shop email", delete_shop, NO_SHOP),
    "clients rotate-secret": Case("shop", delete_shop, NO_SHOP),
    "clients disable": Case("shop", delete_shop, NO_SHOP),
    "clients enable": Case("shop", delete_shop, NO_SHOP),
    "clients delete": Case("shop", delete_shop, NO_SHOP),
    "scopes create": Case(
        "billing --description Pay", add_billing, "the scope billing already exists"
    ),
    "scopes update": Case("reports --description Read", delete_reports, "There is no such scope."),
    "scopes delete": Case("reports", delete_reports, "There is no such scope."),
    "keys rotate": Case(
        "--alg ES256", rotate, "is already pending: `keys rotate --now` makes it sign at once"
    ),
    "keys retire": Case("{newest}", retire_the_new_one, "there is no published key {newest}"),
    "keys import": Case("{pem}", import_it, "already exists"),
    **brought("COMMANDS"),
}

OTHERWISE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("users list", "users show", "clients list", "clients show", "scopes list"),
            *("keys list", "audit list", "doctor", "db check"),
            "routes",
        ),
        "reads",
    ),
    "serve": "serves",
    "db upgrade": "changes the schema alone, under a lock of its own",
    "db downgrade": "likewise",
    "seed-demo": "adds what is missing when it writes",
    "purge": "deletes what is over, whoever asks",
    **brought("COMMANDS_OTHERWISE"),
}


def test_every_command_is_listed() -> None:
    commands = {
        words.removeprefix("latchkey ")
        for words, command in every_command()
        if not isinstance(command, TyperGroup)
    }
    assert commands == {*CASES, *OTHERWISE}


@pytest.fixture
def filled(shell: Shell) -> dict[str, str]:
    """A user, a client and a scope; no ids yet that commands take."""
    shell.json("users", "create", "bob", "--password-stdin", stdin="bob and his own password")
    shell.json("clients", "create", "Shop", "--client-id", "shop", "--grant", "password")
    shell.json("scopes", "create", "reports", "--description", "Read reports")
    return {}


async def everything(server: Server) -> list[str]:
    rows: list[str] = []
    async with server.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            rows += [repr(tuple(row)) for row in await connection.execute(select(table))]
    return rows


@pytest.mark.parametrize("name", CASES)
def test_a_command_writes_nothing_when_what_it_is_about_has_changed_meanwhile(
    shell: Shell, filled: dict[str, str], tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    pem = tmp_path / "key.pem"
    pem.write_bytes(PEM)
    if name == "keys retire":
        filled["newest"] = shell.json("keys", "rotate")["kid"]
    if case.prepare is not None:
        filled |= case.prepare(shell)
    left: list[str] = []

    async def with_server(work: Callable[[Server], Awaitable[None]]) -> None:
        server = Server(make_settings(database_url=shell.url), Clock())
        try:
            await work(server)
        finally:
            await server.close()

    async def meanwhile(server: Server) -> None:
        async with operating(server.database, server.clock) as operator:
            await case.meanwhile(operator, server)
        left.extend(await everything(server))

    async def compare(server: Server) -> None:
        assert await everything(server) == left

    arguments = case.arguments.format(**filled, pem=pem).split()
    with Between(1, lambda: with_server(meanwhile)).applied():
        result = shell(*name.split(), *arguments, stdin=case.stdin)
    assert left, result.output
    asyncio.run(with_server(compare))
    assert (result.exit_code, result.stdout) == (1, "")
    assert case.line.format(**filled) in result.stderr
