"""A real server in a thread, which a test fills, breaks and asks."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import NOWHERE
from app.identity.clients import find_client
from app.identity.definition import validated
from app.identity.profile import NewUser
from app.identity.registration import Registration, create_client
from app.identity.scopes import list_scopes
from app.identity.users import create_user
from app.login.logins import login_row
from app.management.authority import operating
from app.management.scopes import create_scope
from app.models import Login, SigningKey
from app.models import User as StoredUser
from app.security import jwt
from app.testing.thread import ServerThread
from app.testing.traffic import Fault, Request
from app.tokens.access_tokens import TYP
from app.tokens.key_rotation import algorithms_in_use, rotate_keys

JWKS_PATH = "/.well-known/jwks.json"

EXPIRED_AFTER = 900
"""Seconds that a token was good for which has expired."""

Key = Literal["current", "unknown", "forged"]
"""What a token is signed with: the key of the server, one of nobody, or one of nobody that says it
is the server's (its ``kid``)."""

PASSWORD = "correct horse battery staple"

OF_THE_TEST = "tests"
"""The client whose tokens are those of nobody's client."""


@dataclass(frozen=True)
class User:
    """A user of the server, who can log in."""

    id: str
    """The ``sub`` of their tokens."""
    username: str
    password: str


@dataclass(frozen=True)
class Client:
    """A client of the server."""

    client_id: str
    client_secret: str
    """Empty for a public one."""


class AuthorizationServer(ServerThread):
    """A server on a port of its own, with a database that is thrown away.

    All but the faults is what it does in production: tokens are signed, logins are rows, and
    ``/introspect`` answers. Each method returns when the server knows.
    """

    # What there is

    @property
    def issuer(self) -> str:
        """The ``iss`` of its tokens."""
        return self._server.settings.issuer

    @property
    def audience(self) -> str:
        """The ``aud`` of tokens for which no other was asked."""
        return self._server.settings.audience

    @property
    def jwks_uri(self) -> str:
        """Where its keys are."""
        return self.url + JWKS_PATH

    def add_scope(self, name: str, description: str = "") -> None:
        """Add a scope, if there is none of that name."""
        self._do(self._add_scopes([name], description))

    async def _add_scopes(self, names: Sequence[str], description: str = "") -> None:
        async with operating(self._server.database, self.clock) as operator:
            known = await list_scopes(operator.connection)
            for name in sorted(set(names).difference(known)):
                await create_scope(operator, name=name, description=description or name)
        self.clock.age_what_is_kept()

    def add_user(
        self,
        username: str,
        password: str = PASSWORD,
        *,
        scopes: Sequence[str] = ("openid", "profile", "email"),
        email: str | None = None,
        email_verified: bool = True,
        disabled: bool = False,
        **profile: str,
    ) -> User:
        """Add a user. Scopes that are not there yet are added, too.

        ``profile`` has the names of the fields of :class:`~app.identity.profile.Profile`. Raises a
        :class:`~app.errors.Problem` for what cannot be.
        """
        values = {"username": username, "email": email, "scopes": list(scopes), **profile}
        new = validated(NewUser, values)
        self._do(self._add_scopes(scopes))

        async def add(connection: AsyncConnection, now: datetime) -> User:
            password_hash = self._server.passwords.hash_now(password)
            user_id = await create_user(connection, new, password_hash=password_hash, now=now)
            changes = {"email_verified": email is not None and email_verified}
            await connection.execute(
                update(StoredUser)
                .where(StoredUser.id == user_id)
                .values(**changes, disabled_at=now if disabled else None)
            )
            return User(str(user_id), username, password)

        return self._write(add)

    def add_client(
        self,
        client_id: str,
        *,
        grant_types: Sequence[str] = ("password", "refresh_token"),
        scopes: Sequence[str] = (),
        redirect_uris: Sequence[str] = (),
        public: bool = False,
        **metadata: Any,
    ) -> Client:
        """Register a client; without ``scopes`` it may ask for every one that there is.

        ``metadata`` has the names that ``POST /clients`` takes. Scopes that are not there yet are
        added. Raises a :class:`~app.errors.Problem` for what cannot be.
        """
        values = {
            "client_id": client_id,
            "name": client_id,
            "grant_types": list(grant_types),
            "redirect_uris": list(redirect_uris),
            "scopes": list(scopes),
            "public": public,
            **metadata,
        }
        registration = validated(Registration, values)
        self._do(self._add_scopes(scopes))

        async def add(connection: AsyncConnection, now: datetime) -> Client:
            every = list(scopes or await list_scopes(connection))
            _, secret = await create_client(
                connection,
                registration.model_copy(update={"scopes": every}),
                now,
                every_scope=public and not scopes,
            )
            return Client(client_id, secret or "")

        return self._write(add)

    def access_token(
        self,
        holder: User | Client | None = None,
        *,
        client: Client | None = None,
        scopes: Sequence[str] = ("openid", "profile", "email"),
        audience: str | None = None,
        expires_in: int = 900,
        key: Key = "current",
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """A token of a user who logged in at ``client``, or of a client that acts for itself.

        Without a holder it is a client's. ``expires_in`` is in seconds, below zero for one that
        has expired. ``claims`` replace those that it would have; one whose value is None is left
        out. Of a good token the server knows the login, so it can be introspected and revoked.
        """
        return self._do(
            self._access_token(holder, client, scopes, audience, expires_in, key, claims or {})
        )

    async def _access_token(
        self,
        holder: User | Client | None,
        client: Client | None,
        scopes: Sequence[str],
        audience: str | None,
        expires_in: int,
        key: Key,
        changes: Mapping[str, Any],
    ) -> str:
        server, scope = self._server, " ".join(scopes)
        through = holder if isinstance(holder, Client) else client
        client_id = through.client_id if through else await self._own_client()
        current = await server.access_tokens.signing_key()
        if isinstance(holder, User):
            subject, client_stamp = holder.id, ""
            login_id = await self._log_in(holder, client_id, scope)
        else:
            subject, client_stamp = client_id, await self._stamp_of(client_id)
            login_id = None
        token = server.access_tokens.sign(
            current,
            subject=subject,
            client_id=client_id,
            scope=scope,
            login_id=login_id,
            client_stamp=client_stamp,
            lifetime=expires_in,
            audience=audience,
        )
        claims = _claims_of(token)
        if expires_in < 0:
            claims["iat"] = claims["exp"] - EXPIRED_AFTER
        claims |= changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.sign(kept, _signer(key, current), TYP)

    async def _own_client(self) -> str:
        async with self._server.database.transaction() as connection:
            if await find_client(connection, OF_THE_TEST) is None:
                registration = Registration(
                    client_id=OF_THE_TEST, name="Tests", public=True, grant_types=["password"]
                )
                await create_client(connection, registration, self.clock.now(), every_scope=True)
        return OF_THE_TEST

    async def _stamp_of(self, client_id: str) -> str:
        async with self._server.database.read() as connection:
            found = await find_client(connection, client_id)
        return found.security_stamp if found else ""

    async def _log_in(self, user: User, client_id: str, scope: str) -> uuid.UUID:
        now = self.clock.now()
        login = login_row(
            user_id=uuid.UUID(user.id),
            client_id=client_id,
            scope=scope,
            origin=NOWHERE,
            now=now,
            expires_at=now + timedelta(seconds=self._server.settings.refresh_token_ttl),
        )
        async with self._server.database.transaction() as connection:
            await connection.execute(insert(Login), login)
        login_id: uuid.UUID = login["id"]
        return login_id

    # What goes wrong

    def rotate_keys(self) -> None:
        """Sign with new keys from now on. The old ones stay published, as after any rotation."""

        async def rotate(connection: AsyncConnection, now: datetime) -> None:
            server = self._server
            algs = await algorithms_in_use(connection, server.settings)
            parts = server.encryption, algs, self.clock, server.settings
            kids, _ = await rotate_keys(connection, *parts, at_once=True)
            # Other workers would have to hear of them first; there are none.
            await connection.execute(
                update(SigningKey).where(SigningKey.kid.in_(kids.values())).values(active_from=now)
            )

        self._write(rotate)

    def fail(self, path: str = JWKS_PATH, *, status: int = 503, times: int | None = None) -> None:
        """Answer ``path`` with ``status``, for so many requests or until :meth:`recover`."""
        self._traffic.set_fault(path, Fault(status, 0, times))

    def slow(self, path: str = JWKS_PATH, *, seconds: float, times: int | None = None) -> None:
        """Keep whoever asks for ``path`` waiting that long before the answer."""
        self._traffic.set_fault(path, Fault(None, seconds, times))

    def recover(self) -> None:
        """End every fault."""
        self._traffic.recover()

    # What was asked

    @property
    def requests(self) -> Sequence[Request]:
        """What was answered, oldest first."""
        return tuple(self._traffic.requests)

    def reset(self) -> None:
        """Make it what it was when it started: no users, no faults, no requests, the true time."""
        self.clock.reset()
        self._traffic.reset()
        self._restore()


def _claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


def _signer(key: Key, current: jwt.PrivateKey) -> jwt.PrivateKey:
    if key == "current":
        return current
    other, _ = jwt.parse_private_key(jwt.generate_private_key(current.alg))
    return other if key == "unknown" else replace(other, kid=current.kid)
