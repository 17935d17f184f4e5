"""Builders of what a test needs, each with defaults that a test overrides where it matters."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import update

from app.identity.definition import validated
from app.identity.profile import NewUser, Profile
from app.identity.registration import ClientMetadata, Registration, create_client
from app.identity.users import create_user
from app.management.authority import operating
from app.management.scopes import create_scope
from app.models import User
from app.security.opaque import generate_secret
from app.server import Server

PASSWORD = "correct horse battery staple"

NO_PROFILE = dict.fromkeys(name for name in Profile.model_fields if name != "email")
"""What is known of a user of whom nothing was said."""

NO_METADATA = {
    name: field.get_default(call_default_factory=True)
    for name, field in ClientMetadata.model_fields.items()
    if not field.is_required()
}
"""What is known of a client of which nothing was said; the tests of ``POST /clients`` spell out
what this has to be."""

SCOPES = ("profile", "email", "items:read", "items:write")


@dataclass(frozen=True)
class TestUser:
    __test__ = False

    id: uuid.UUID
    username: str
    password: str


@dataclass(frozen=True)
class TestClient:
    __test__ = False

    client_id: str
    secret: str

    @property
    def basic(self) -> tuple[str, str]:
        return self.client_id, self.secret


async def add_user(
    server: Server,
    username: str = "alice",
    password: str = PASSWORD,
    *,
    scopes: Sequence[str] = SCOPES,
    email: str | None = "",
    email_verified: bool = True,
    password_hash: str | None = "",
    disabled: bool = False,
) -> TestUser:
    """A user, whose address is verified unless said otherwise.

    ``password_hash`` replaces the hash of ``password``, also by None.
    """
    if email == "":
        email = f"{username}@example.com" if username.isascii() and username.isalnum() else None
    if password_hash == "":
        password_hash = server.passwords.hash_now(password)
    async with server.database.transaction() as connection:
        user_id = await create_user(
            connection,
            NewUser(username=username, email=email, scopes=scopes),
            password_hash=password_hash,
            now=server.clock.now(),
        )
        await connection.execute(
            update(User).where(User.id == user_id).values(email_verified=email_verified)
        )
        if disabled:
            await connection.execute(
                update(User).where(User.id == user_id).values(disabled_at=server.clock.now())
            )
    return TestUser(user_id, username, password)


async def disable_user(server: Server, user: TestUser) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(User).where(User.id == user.id).values(disabled_at=server.clock.now())
        )


async def add_client(
    server: Server,
    client_id: str = "web",
    *,
    is_public: bool = False,
    grant_types: Sequence[str] = ("password",),
    scopes: Sequence[str] = SCOPES,
    default_scopes: Sequence[str] | None = None,
    every_scope: bool = False,
    **more: Any,
) -> TestClient:
    """A client, confidential unless said otherwise, with a generated secret."""
    if default_scopes is None:
        by_itself = tuple(grant_types) == ("client_credentials",)
        default_scopes = ("items:read",) if by_itself else ("profile",)
    values = {
        "name": client_id,
        "client_id": client_id,
        "public": is_public,
        "grant_types": grant_types,
        "scopes": scopes,
        "default_scopes": default_scopes,
    }
    registration = validated(Registration, values | more)
    async with server.database.transaction() as connection:
        _, secret = await create_client(
            connection, registration, server.clock.now(), every_scope=every_scope
        )
    return TestClient(client_id, secret or "")


async def log_in(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, scope: str = ""
) -> dict[str, Any]:
    """The answer of ``/token`` to the password grant."""
    form = {
        "grant_type": "password",
        "username": user.username,
        "password": user.password,
        "scope": scope,
        "client_id": client.client_id,
    }
    if client.secret:
        form["client_secret"] = client.secret
    response = await http.post("/token", data=form)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def add_scope(server: Server, name: str, description: str) -> None:
    async with operating(server.database, server.clock) as operator:
        await create_scope(operator, name=name, description=description)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def other_secret() -> str:
    return generate_secret()
