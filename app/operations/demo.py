"""Demo data: users and clients whose secrets are printed in the documents. Development only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Problem
from app.feature import Feature
from app.identity.grant_types import grant_types
from app.identity.profile import NewUser
from app.identity.registration import Registration, create_client
from app.identity.scopes import SPEAK_OF_A_USER, list_scopes
from app.identity.users import create_user, find_account
from app.management.authority import Actor
from app.models import Client, ClientSecret, User
from app.security.opaque import hash_secret
from app.server import Server


@dataclass(frozen=True)
class DemoUser:
    """A user that anybody may log in as."""

    username: str
    password: str
    scopes: Sequence[str] = ()
    """Empty: every scope that there is."""
    disabled: bool = False


DEMO_USERS = (
    DemoUser("alice", "alice-in-wonderland", SPEAK_OF_A_USER),
    DemoUser("admin", "administrator-in-development"),
    DemoUser("disabled", "disabled-in-development", ("profile",), disabled=True),
)

_CALLBACK = "http://127.0.0.1:9000/callback"

WITH_EVERY_SCOPE = ("first-party", "swagger-ui")
"""Those of the clients that have every scope, also those that are still to come."""


_CLIENTS: Sequence[Mapping[str, Any]] = (
    {
        "client_id": "first-party",
        "name": "First-party application",
        "public": True,
        "grant_types": ["password", "refresh_token"],
        "default_scopes": ["profile", "email"],
    },
    {
        "client_id": "swagger-ui",
        "name": "Swagger UI",
        "public": True,
        "grant_types": ["password", "authorization_code", "refresh_token"],
        "default_scopes": ["openid", "profile", "email"],
    },
    {
        "client_id": "demo-web",
        "client_secret": "demo-web-secret-for-development-only",
        "name": "Demo web application",
        "grant_types": ["password", "authorization_code", "refresh_token"],
        "redirect_uris": [_CALLBACK, "http://localhost:9000/callback"],
        "scopes": ["openid", "offline_access"],
        "default_scopes": ["profile", "email"],
    },
    {
        "client_id": "demo-service",
        "client_secret": "demo-service-secret-for-development-only",
        "name": "Demo service",
        "grant_types": ["client_credentials"],
        "scopes": ["users:read"],
        "introspect": "any",
    },
    {
        "client_id": "demo-spa",
        "name": "Demo single-page application",
        "public": True,
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [_CALLBACK],
        "scopes": ["openid"],
        "default_scopes": ["profile", "email"],
    },
)
"""What each is for is its first grant."""


def _clients() -> Sequence[Registration]:
    """Those whose first grant there is, with as many of their others.

    Made when they are asked for: grants are offered above this module.
    """
    offered = set(grant_types())
    registered = []
    for client in _CLIENTS:
        first, *others = client["grant_types"]
        if first in offered:
            granted = [first, *(each for each in others if each in offered)]
            registered.append(Registration(**{**client, "grant_types": granted}))
    return registered


def demo_users(features: Sequence[Feature]) -> Sequence[DemoUser]:
    """The users, with the scopes that the features ask for."""
    alice, *others = DEMO_USERS
    scopes = dict.fromkeys(scope for each in features for scope in each.scopes)
    return [replace(alice, scopes=(*alice.scopes, *scopes)), *others]


def demo_clients(features: Sequence[Feature]) -> Sequence[Registration]:
    """The clients, with the scopes that the features give them."""
    clients = []
    for client in _clients():
        scopes, default_scopes = list(client.scopes), list(client.default_scopes)
        for feature in features:
            scopes += feature.demo.client_scopes.get(str(client.client_id), ())
            default_scopes += feature.demo.default_scopes.get(str(client.client_id), ())
        # Whoever acts for itself and asks for nothing has to be given something.
        changes = {"scopes": scopes, "default_scopes": default_scopes or scopes}
        clients.append(client.model_copy(update=changes))
    return clients


async def seed_demo(operator: Actor, server: Server) -> None:
    """Add what is missing of the demo data. Raises :class:`Problem` in production."""
    if not server.settings.development:
        raise Problem(told="demo data is for development: set LATCHKEY_ENVIRONMENT=development")
    connection, now = operator.connection, operator.now
    every_scope = list(await list_scopes(connection))
    for user in demo_users(server.features):
        if await find_account(connection, user.username) is None:
            user_id = await create_user(
                connection,
                NewUser(
                    username=user.username,
                    email=f"{user.username}@example.com",
                    scopes=list(user.scopes) or every_scope,
                ),
                password_hash=server.passwords.hash_now(user.password),
                now=now,
            )
            # Nobody else has it: clients are told no other address.
            await connection.execute(
                update(User).where(User.id == user_id).values(email_verified=True)
            )
            if user.username == "alice":
                await _equip_alice(operator, server)
            if user.disabled:
                await connection.execute(
                    update(User).where(User.id == user_id).values(disabled_at=now)
                )
    for client in demo_clients(server.features):
        known = select(exists().where(Client.client_id == client.client_id))
        if not await connection.scalar(known):
            every = client.client_id in WITH_EVERY_SCOPE
            await create_client(connection, client, now, every_scope=every)


async def _equip_alice(operator: Actor, server: Server) -> None:
    alice = await find_account(operator.connection, "alice")
    assert alice is not None, "she was just added"  # noqa: S101
    for feature in server.features:
        if feature.demo.give_to_alice:
            await feature.demo.give_to_alice(operator, server.settings, alice)


async def demo_is_present(connection: AsyncConnection, server: Server) -> bool:
    """Whether a secret or a password that the documents print opens something here."""
    for feature in server.features:
        if feature.demo.is_present and await feature.demo.is_present(connection):
            return True
    secrets = [client.client_secret for client in _clients() if client.client_secret]
    printed = [hash_secret(secret.get_secret_value()) for secret in secrets]
    known = select(exists().where(ClientSecret.secret_hash.in_(printed)))
    if await connection.scalar(known):
        return True
    for user in DEMO_USERS:
        account = await find_account(connection, user.username)
        if account and (await server.passwords.verify(user.password, account.password_hash))[0]:
            return True
    return False


async def refuse_demo_data(server: Server, host: str) -> None:
    """Raise :class:`Problem` if demo data is there and ``host`` or the environment forbids it."""
    settings = server.settings
    if settings.development and (_is_loopback(host) or settings.allow_demo_on_network):
        return
    async with server.database.read() as connection:
        if not await demo_is_present(connection, server):
            return
    if settings.development:
        raise Problem(
            told=f"the demo data is in the database, and {host} is not loopback: anyone who "
            "can reach it can log in. Set LATCHKEY_ALLOW_DEMO_ON_NETWORK=true if that is intended"
        )
    raise Problem(told="the demo data is in the database: its passwords are public. Delete it")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
