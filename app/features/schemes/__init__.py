"""A sample route for each class of ``fastapi.security``.

Each file is one class and can be read alone. What they share is in
:mod:`app.features.schemes.answer`. The three classes that FastAPI leaves unfinished are finished in
:mod:`app.features.schemes.dropin`.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.expired import KEPT_LONGER, Expired
from app.feature import Demo, Feature
from app.features.api_keys import DEMO_API_KEY
from app.features.api_keys import feature as api_keys
from app.features.authorization_code import feature as authorization_code
from app.features.schemes.digest_credentials import (
    REMOVED,
    SET,
    renew_digest_credentials,
    set_digest_credential,
)
from app.features.schemes.model import DigestCredential, DigestNonce
from app.identity.users import Account
from app.management.authority import Actor
from app.message import Message
from app.posture import Finding, Severity
from app.security.encryption import Encryption
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

DEMO_DIGEST_PASSWORD = "alice-digest-in-development"


def _routers(settings: Settings, clock: Clock) -> Sequence["APIRouter"]:
    if not settings.demo_routes:
        return []
    from app.features.schemes.routers import scheme_routers  # the command line needs no routes

    return scheme_routers(settings, clock)


def _commands() -> Mapping[str, "Typer"]:
    from app.features.schemes.commands import cli  # a worker needs no commands

    return {"users": cli}


def _expired(settings: Settings, now: datetime) -> Sequence[Expired]:
    """The count of a nonce stays for as long as one that was issued then would be accepted now.

    Its lifetime can have been made longer since.
    """
    over = now - KEPT_LONGER - timedelta(seconds=settings.digest_nonce_ttl)
    return [Expired(DigestNonce.nonce_hash, DigestNonce.expires_at, over)]


async def _examine(
    _connection: AsyncConnection, settings: Settings, _now: datetime
) -> AsyncIterator[Finding]:
    if settings.demo_routes:
        yield Finding(
            Severity.WARNING,
            "demo-routes",
            "LATCHKEY_DEMO_ROUTES is true",
            "The samples take passwords over Basic, and API keys in the address, which end up in "
            "logs.",
            "Unset it.",
        )


async def _give_to_alice(operator: Actor, settings: Settings, alice: Account) -> None:
    await set_digest_credential(
        operator.connection,
        Encryption(settings.secret_keys),
        user_id=alice.id,
        username=alice.username,
        password=DEMO_DIGEST_PASSWORD,
        realm=settings.realm,
        now=operator.now,
    )


async def _export(
    connection: AsyncConnection, user_id: uuid.UUID, _limit: int
) -> Mapping[str, Any]:
    own = select(DigestCredential.created_at).where(DigestCredential.user_id == user_id)
    return {"digest_password_set_at": await connection.scalar(own)}


feature = Feature(
    name="schemes",
    requires=[authorization_code, api_keys],
    tables=[DigestCredential, DigestNonce],
    scopes=["items:read", "items:write"],  # of the samples of SecurityScopes
    event_types=[SET, REMOVED],
    activity={SET: Message("Digest password set"), REMOVED: Message("Digest password removed")},
    routers=_routers,
    export=_export,
    samples={"schemes": "One sample for each class of `fastapi.security`."},
    commands=_commands,
    renew=renew_digest_credentials,
    expired=_expired,
    examine=_examine,
    demo=Demo(
        give_to_alice=_give_to_alice,
        hints={
            "HTTPBasic": "`alice` and `alice-in-wonderland`",
            "HTTPDigest": f"`alice` and `{DEMO_DIGEST_PASSWORD}`",
            "OAuth2": "`alice` and `alice-in-wonderland`, or the client `demo-service` and "
            "`demo-service-secret-for-development-only`",
            "OAuth2AuthorizationCodeBearer": "`alice` and `alice-in-wonderland`",
            "OpenIdConnect": "`alice` and `alice-in-wonderland`",
            **dict.fromkeys(("APIKeyHeader", "APIKeyQuery", "APIKeyCookie"), f"`{DEMO_API_KEY}`"),
        },
    ),
)
