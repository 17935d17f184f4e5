"""What the records in the database leave open."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.password_grant_use import NEVER, PasswordGrantUse, find_password_grant_use
from app.database.paging import every
from app.database.privileges import missing_privileges
from app.management.clients import ClientRecord, list_clients
from app.models import ClientSecret, Login, SigningKey, User, UserScope
from app.operations.demo import demo_is_present
from app.operations.doctor.addresses import examine_addresses
from app.posture import Finding, LegacyFeature, Severity, permits
from app.security.encryption import UndecryptableError
from app.security.peppers import PEPPERED
from app.server import Server
from app.settings import Settings
from app.tokens.key_rotation import algorithms_in_use
from app.tokens.keys import is_published

MANAGEMENT = ("users:write", "clients:write", "scopes:write")

MANY_ADMINISTRATORS = 5

OLD_SECRET = timedelta(days=365)
OLD_SIGNING_KEY = timedelta(days=180)
UNUSED_SIGNING_KEY = timedelta(days=1)
"""Imported keys are given so long until something is made to use them."""
LONG_EXPIRED = timedelta(days=7)


async def examine_records(server: Server) -> AsyncIterator[Finding]:
    """What the records in the database leave open."""
    now = server.clock.now()
    async with server.database.read() as connection:
        if await demo_is_present(connection, server):
            yield Finding(
                Severity.UNSAFE,
                "demo-data",
                "the demo data is in the database",
                "Its passwords and secrets are published in the documentation.",
                "Delete the demo users and clients.",
            )
        async for finding in _access(connection, server):
            yield finding
        for examine in (_clients, _administrators, _hashes, _signing_keys, examine_addresses):
            async for finding in examine(connection, server):
                yield finding
        for examine_age in (_secrets, _expired):
            async for finding in examine_age(connection, now):
                yield finding
        for feature in server.features:
            if feature.examine:
                async for finding in feature.examine(connection, server.settings, now):
                    yield finding


async def _access(connection: AsyncConnection, server: Server) -> AsyncIterator[Finding]:
    try:
        for encrypted in await connection.scalars(select(SigningKey.private_key)):
            server.encryption.decrypt(encrypted)
    except UndecryptableError:
        yield Finding(
            Severity.UNSAFE,
            "wrong-secret-key",
            "LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with",
            "No server starts with it.",
            "Add the older one after a comma.",
        )
    if refused := await missing_privileges(connection):
        yield Finding(
            Severity.UNSAFE,
            "privileges",
            f"the account of the database may not use {', '.join(refused)}",
            "No server starts, and one that has started answers 500.",
            "GRANT it SELECT, INSERT, UPDATE and DELETE on the tables, and USAGE on the sequences.",
        )


async def _clients(connection: AsyncConnection, server: Server) -> AsyncIterator[Finding]:
    clients = await every(
        lambda after, limit: list_clients(connection, limit=limit, after=after, disabled=False),
        lambda client: client.client_id,
    )
    uses = await find_password_grant_use(connection, server.clock.now())
    for client in clients:
        for finding in _client(client, uses.get(client.client_id, NEVER), server.settings):
            yield finding


def _client(client: ClientRecord, use: PasswordGrantUse, settings: Settings) -> Iterator[Finding]:
    name = client.client_id
    if "password" in client.grant_types and permits(settings.posture, LegacyFeature.PASSWORD_GRANT):
        yield Finding(
            Severity.WARNING,
            "password-grant",
            f"the client {name} has the password grant and {_told(use)}",
            "It sees its users' passwords (RFC 9700, section 2.4: must not be used).",
            f"Move it to the code grant, then run `latchkey clients update {name}` with the grants "
            "it still needs; LATCHKEY_POSTURE=oauth21 refuses this grant to every client.",
        )
    optional = "authorization_code" in client.grant_types and not client.require_pkce
    if optional and permits(settings.posture, LegacyFeature.CODE_WITHOUT_PKCE):
        yield Finding(
            Severity.WARNING,
            "no-pkce",
            f"the client {name} may omit PKCE",
            "A stolen code is then not bound to whoever requested it (RFC 9700, section 2.1.1).",
            f"Make it send a code_challenge, then run `latchkey clients update {name} --pkce`.",
        )
    management = sorted(set(MANAGEMENT) & set(client.scopes))
    if "client_credentials" in client.grant_types and management:
        yield Finding(
            Severity.WARNING,
            "client-administrator",
            f"the client {name} may use {', '.join(management)} without a user",
            "Anyone with its secret is an administrator, and the audit trail names no person.",
            f"Run `latchkey clients update {name}` with only the scopes it needs, or with the code "
            "grant, so that a person uses it.",
        )
    if client.introspect == "any":
        yield Finding(
            Severity.NOTE,
            "introspect-any",
            f"the client {name} may introspect every access token",
            "Anyone with its secret can learn who a token belongs to, and what it permits.",
            "Unless it is a resource server, run "
            f"`latchkey clients update {name} --introspect own`.",
        )

    longer = [
        each
        for each in ("access_token_ttl", "id_token_ttl", "refresh_token_ttl")
        if (getattr(client, each) or 0) > getattr(settings, each)
    ]
    if longer:
        yield Finding(
            Severity.NOTE,
            "lifetimes-cut",
            f"the client {name} has a longer {' and '.join(longer)} than the settings",
            "The settings are the bound: its tokens are good for as long as these say.",
            f"Set {' and '.join('LATCHKEY_' + each.upper() for each in longer)} to what the client "
            f"needs, and other clients to less; or run `latchkey clients update {name}`.",
        )


def _told(use: PasswordGrantUse) -> str:
    if use.last_used_at is None:
        return "has never used it"
    return f"last used it on {use.last_used_at:%Y-%m-%d}, {use.recent_uses} times in 30 days"


async def _administrators(connection: AsyncConnection, server: Server) -> AsyncIterator[Finding]:
    count = await connection.scalar(
        select(func.count(UserScope.user_id.distinct()))
        .join(User, User.id == UserScope.user_id)
        .where(UserScope.scope.in_(MANAGEMENT), User.disabled_at.is_(None))
    )
    if not count:
        yield Finding(
            Severity.NOTE,
            "no-administrator",
            "no one has a scope to manage users, clients or scopes",
            "Anyone who is locked out needs help from someone with a shell on the server.",
            "For example, run `latchkey users add-scope NAME users:read users:write`.",
        )
    elif count > MANY_ADMINISTRATORS:
        yield Finding(
            Severity.WARNING,
            "many-administrators",
            f"{count} users may manage users, clients or scopes",
            "Everything is only as safe as the weakest of their passwords.",
            "Run `latchkey users remove-scope` for those who no longer need it.",
        )


async def _hashes(connection: AsyncConnection, server: Server) -> AsyncIterator[Finding]:
    hashed = User.password_hash.is_not(None) & (User.password_hash != "")
    begins = User.password_hash.startswith
    known = [begins(mark) for mark in server.passwords.pepper_marks]
    lost = await _count_users(connection, begins(PEPPERED), *(~each for each in known))
    if lost:
        yield Finding(
            Severity.WARNING,
            "pepper-missing",
            f"{lost} users cannot log in: their pepper is not in LATCHKEY_PASSWORD_PEPPER",
            "Their passwords were hashed with a pepper that is missing.",
            "Add it after the newest, separated by a comma, or set new passwords.",
        )
    imported = await _count_imported(connection)
    if imported:
        kinds = ", ".join(f"{kind}: {count}" for kind, count in imported.items())
        yield Finding(
            Severity.NOTE,
            "imported-hashes",
            f"{sum(imported.values())} users have not logged in since their hash was imported "
            f"({kinds})",
            "It is weaker than the hashes made here, and every failed login, for any user name, "
            "costs a hash of each of these kinds.",
            "Set a new password for those who matter; delete those who will not come back.",
        )
    unpeppered = await _count_users(connection, hashed, ~begins(PEPPERED)) if known else 0
    if unpeppered:
        yield Finding(
            Severity.NOTE,
            "hashes-without-pepper",
            f"the hashes of {unpeppered} users have no pepper",
            "They have not logged in since one was set.",
            "Nothing to do: it is added at their next login.",
        )


async def _count_imported(connection: AsyncConnection) -> Mapping[str, int]:
    """How many users have a hash of another scheme, by its kind."""
    query = (
        select(User.password_kind, func.count())
        .where(User.password_kind.not_like("argon2$%"))
        .group_by(User.password_kind)
        .order_by(User.password_kind)
    )
    return {str(kind): count for kind, count in await connection.execute(query)}


async def _count_users(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(User).where(User.disabled_at.is_(None), *conditions)
    return await connection.scalar(query) or 0


async def _secrets(connection: AsyncConnection, now: datetime) -> AsyncIterator[Finding]:
    newest = func.max(ClientSecret.created_at)
    by_client = select(ClientSecret.client_id, newest).group_by(ClientSecret.client_id)
    old = by_client.having(newest < now - OLD_SECRET).order_by(ClientSecret.client_id)
    for client_id, created_at in await connection.execute(old):
        yield Finding(
            Severity.WARNING,
            "client-secret-old",
            f"the secret of the client {client_id} dates from {created_at:%Y-%m-%d}",
            "The longer a secret is in use, the more people and backups have it.",
            f"Run `latchkey clients rotate-secret {client_id}`; the old one works for a week.",
        )
    rotating = (
        select(ClientSecret.client_id, ClientSecret.expires_at)
        .where(ClientSecret.expires_at > now)
        .order_by(ClientSecret.client_id)
    )
    for client_id, until in await connection.execute(rotating):
        yield Finding(
            Severity.NOTE,
            "client-secret-rotating",
            f"the client {client_id} has two secrets until {until:%Y-%m-%d %H:%M} UTC",
            "The old one is still valid.",
            f"If it has leaked, run `latchkey clients rotate-secret {client_id} --overlap 0`.",
        )


async def _signing_keys(connection: AsyncConnection, server: Server) -> AsyncIterator[Finding]:
    now = server.clock.now()
    in_use = await algorithms_in_use(connection, server.settings)
    unused = select(SigningKey.kid, SigningKey.alg).where(
        SigningKey.alg.not_in(in_use),
        SigningKey.active_from < now - UNUSED_SIGNING_KEY,
        SigningKey.retired_at.is_(None),
    )
    for kid, alg in await connection.execute(unused.order_by(SigningKey.alg, SigningKey.kid)):
        yield Finding(
            Severity.WARNING,
            "signing-key-unused",
            f"the {alg} key {kid} is trusted although nothing is signed with it",
            "Anyone who has copied it can sign tokens until it is retired.",
            f"Run `latchkey keys retire {kid}`.",
        )
    newest = func.max(SigningKey.active_from)
    old = (
        select(SigningKey.alg, newest)
        .where(is_published(now), SigningKey.alg.in_(in_use))
        .group_by(SigningKey.alg)
        .having(newest < now - OLD_SIGNING_KEY)
        .order_by(SigningKey.alg)
    )
    for alg, since in await connection.execute(old):
        yield Finding(
            Severity.WARNING,
            "signing-key-old",
            f"the newest {alg} key has been signing since {since:%Y-%m-%d}",
            "Anyone who has copied it can sign tokens until it is retired.",
            "Run `latchkey keys rotate` every few months; no restart is needed.",
        )


async def _expired(connection: AsyncConnection, now: datetime) -> AsyncIterator[Finding]:
    left = exists().where(Login.expires_at < now - LONG_EXPIRED)
    if await connection.scalar(select(left)):
        yield Finding(
            Severity.NOTE,
            "not-purged",
            "there are logins that expired more than a week ago",
            "They record who logged in from where, for longer than anyone needs.",
            "Run `latchkey purge` daily, for example from cron.",
        )
