"""Demo data: users and clients whose secrets are printed in the documents. Development only."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Problem
from app.identity.digest import set_digest_credential
from app.identity.profile import NewUser
from app.identity.registration import Registration, create_client
from app.identity.scopes import list_scopes
from app.identity.users import create_user, find_account
from app.management.api_keys import create_api_key, lifetime_of_key
from app.management.authority import Actor
from app.models import ApiKey, Client, ClientSecret, User
from app.security.opaque import hash_secret
from app.security.passwords import PasswordHasher
from app.server import Server


@dataclass(frozen=True)
class DemoUser:
    """A user that anybody may log in as."""

    username: str
    password: str
    scopes: Sequence[str] = ()
    """Empty: every scope that there is."""
    disabled: bool = False


_ALICE_SCOPES = (
    "openid",
    "profile",
    "email",
    "offline_access",
    "account",
    "items:read",
    "items:write",
    "api-keys:read",
    "api-keys:write",
)

DEMO_USERS = (
    DemoUser("alice", "alice-in-wonderland", _ALICE_SCOPES),
    DemoUser("admin", "administrator-in-development"),
    DemoUser("disabled", "disabled-in-development", ("profile",), disabled=True),
)

_CALLBACK = "http://127.0.0.1:9000/callback"


def demo_clients() -> Sequence[Registration]:
    """The demo clients."""
    return (
        Registration(
            client_id="first-party",
            name="First-party application",
            public=True,
            grant_types=["password", "refresh_token"],
            default_scopes=["profile", "email", "items:read"],
        ),
        Registration(
            client_id="swagger-ui",
            name="Swagger UI",
            public=True,
            grant_types=["password", "authorization_code", "refresh_token"],
            default_scopes=["openid", "profile", "email", "items:read"],
        ),
        Registration(
            client_id="demo-web",
            client_secret="demo-web-secret-for-development-only",
            name="Demo web application",
            grant_types=["password", "authorization_code", "refresh_token"],
            redirect_uris=[_CALLBACK, "http://localhost:9000/callback"],
            scopes=["openid", "offline_access", "items:read", "items:write"],
            default_scopes=["profile", "email"],
        ),
        Registration(
            client_id="demo-service",
            client_secret="demo-service-secret-for-development-only",
            name="Demo service",
            grant_types=["client_credentials"],
            scopes=["items:write", "users:read"],
            default_scopes=["items:read"],
            introspect="any",
        ),
        Registration(
            client_id="demo-spa",
            name="Demo single-page application",
            public=True,
            grant_types=["authorization_code", "refresh_token"],
            redirect_uris=[_CALLBACK],
            scopes=["openid", "items:read"],
            default_scopes=["profile", "email"],
        ),
    )


WITH_EVERY_SCOPE = ("first-party", "swagger-ui")
"""Those of the clients that have every scope, also those that are still to come."""

DEMO_API_KEY = "lk_demo_alice_development_only"
DEMO_DIGEST_PASSWORD = "alice-digest-in-development"


async def seed_demo(operator: Actor, server: Server) -> None:
    """Add what is missing of the demo data. Raises :class:`Problem` in production."""
    if not server.settings.development:
        raise Problem(told="demo data is for development: set LATCHKEY_ENVIRONMENT=development")
    connection, now = operator.connection, operator.now
    every_scope = list(await list_scopes(connection))
    for user in DEMO_USERS:
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
            if user.username == "alice":
                await _give_alice_more(operator, server)
            if user.disabled:
                await connection.execute(
                    update(User).where(User.id == user_id).values(disabled_at=now)
                )
    for client in demo_clients():
        known = select(exists().where(Client.client_id == client.client_id))
        if not await connection.scalar(known):
            every = client.client_id in WITH_EVERY_SCOPE
            await create_client(connection, client, now, every_scope=every)


async def _give_alice_more(operator: Actor, server: Server) -> None:
    """An API key and a Digest credential."""
    connection, realm = operator.connection, server.settings.realm
    alice = await find_account(connection, "alice")
    assert alice is not None, "she was just added"  # noqa: S101
    await create_api_key(
        operator,
        owner=alice,
        permitted=alice.scopes,
        name="demo",
        scopes=["items:read", "items:write"],
        lifetime=lifetime_of_key(None, server.settings.api_key_ttl),
        key=DEMO_API_KEY,
    )
    await set_digest_credential(
        connection,
        server.encryption,
        user_id=alice.id,
        username=alice.username,
        password=DEMO_DIGEST_PASSWORD,
        realm=realm,
        now=operator.now,
    )


async def demo_is_present(connection: AsyncConnection, passwords: PasswordHasher) -> bool:
    """Whether a secret or a password that the documents print opens something here."""
    known_key = exists().where(
        ApiKey.key_hash == hash_secret(DEMO_API_KEY), ApiKey.revoked_at.is_(None)
    )
    if await connection.scalar(select(known_key)):
        return True
    secrets = [client.client_secret for client in demo_clients() if client.client_secret]
    printed = [hash_secret(secret.get_secret_value()) for secret in secrets]
    known = select(exists().where(ClientSecret.secret_hash.in_(printed)))
    if await connection.scalar(known):
        return True
    for user in DEMO_USERS:
        account = await find_account(connection, user.username)
        if account and (await passwords.verify(user.password, account.password_hash))[0]:
            return True
    return False


async def refuse_demo_data(server: Server, host: str) -> None:
    """Raise :class:`Problem` if demo data is there and ``host`` or the environment forbids it."""
    settings = server.settings
    if settings.development and (_is_loopback(host) or settings.allow_demo_on_network):
        return
    async with server.database.read() as connection:
        if not await demo_is_present(connection, server.passwords):
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
