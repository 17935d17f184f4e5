"""API keys: credentials of users' own programs, made under ``/api-keys`` and at the shell."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.feature import AccountSection, Demo, Feature
from app.features.api_keys.form import has_form_of_key
from app.features.api_keys.model import ApiKey, ApiKeyScope
from app.features.api_keys.service import (
    CREATED,
    REVOKED,
    create_api_key,
    list_api_keys,
    use_api_key,
)
from app.identity.users import Account
from app.login.user_keys import KeyKind
from app.management.authority import Actor
from app.management.lifetimes import lifetime_of
from app.message import Message
from app.posture import Finding, Severity
from app.security.opaque import hash_secret
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

DEMO_API_KEY = "lk_demo_alice_development_only"


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.api_keys.router import router  # the command line needs no routes

    return [router]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.api_keys.commands import cli  # a worker needs no commands

    return {"api-keys": cli}


def _bearer_keys(settings: Settings) -> KeyKind | None:
    return KeyKind(has_form_of_key, use_api_key) if settings.api_keys_as_bearer else None


def _account(_settings: Settings) -> AccountSection:
    from app.features.api_keys.account import SECTION  # the command line needs no pages

    return SECTION


async def _revoke(
    connection: AsyncConnection, user_id: uuid.UUID, now: datetime
) -> Mapping[str, Any]:
    """Whoever had the old password can have made keys."""
    revoked = update(ApiKey).where(ApiKey.owner_id == user_id, ApiKey.revoked_at.is_(None))
    keys = (await connection.execute(revoked.values(revoked_at=now))).rowcount
    return {"api_keys_revoked": keys} if keys else {}


async def _examine(
    connection: AsyncConnection, settings: Settings, now: datetime
) -> AsyncIterator[Finding]:
    good = ApiKey.revoked_at.is_(None) & (ApiKey.expires_at.is_(None) | (ApiKey.expires_at > now))
    count = await connection.scalar(select(func.count()).select_from(ApiKey).where(good))
    if count and not settings.api_keys_as_bearer and not settings.demo_routes:
        yield Finding(
            Severity.NOTE,
            "api-keys-open-nothing",
            f"{count} API keys may open nothing",
            "Without LATCHKEY_API_KEYS_AS_BEARER only routes of your own that ask for a key take "
            "one.",
            "Set it to true, or revoke the keys, unless you have such routes (docs/api-keys.md).",
        )
    lasting = (ApiKey.expires_at.is_(None)) & (ApiKey.revoked_at.is_(None))
    count = await connection.scalar(select(func.count()).select_from(ApiKey).where(lasting))
    if count:
        yield Finding(
            Severity.NOTE,
            "api-keys-without-end",
            f"{count} API keys never expire",
            "They predate expiry of API keys. A forgotten one stays valid.",
            "Replace each with `latchkey api-keys create`, whose keys expire, then `revoke` it.",
        )


async def _give_to_alice(operator: Actor, settings: Settings, alice: Account) -> None:
    await create_api_key(
        operator,
        owner=alice,
        permitted=alice.scopes,
        name="demo",
        scopes=[scope for scope in ("items:read", "items:write") if scope in alice.scopes],
        lifetime=lifetime_of(None, settings.api_key_ttl),
        key=DEMO_API_KEY,
    )


async def _demo_is_present(connection: AsyncConnection) -> bool:
    known = exists().where(
        ApiKey.key_hash == hash_secret(DEMO_API_KEY), ApiKey.revoked_at.is_(None)
    )
    return bool(await connection.scalar(select(known)))


async def _export(connection: AsyncConnection, user_id: uuid.UUID, limit: int) -> Mapping[str, Any]:
    return {"api_keys": await list_api_keys(connection, user_id, limit=limit)}


feature = Feature(
    name="api_keys",
    tables=[ApiKey, ApiKeyScope],
    scopes=["api-keys:read", "api-keys:write"],
    credential_scopes=["api-keys:write"],
    event_types=[CREATED, REVOKED],
    activity={CREATED: Message("API key created"), REVOKED: Message("API key revoked")},
    routers=_routers,
    bearer_keys=_bearer_keys,
    account=_account,
    export=_export,
    commands=_commands,
    scope_holders={"API keys": ApiKeyScope.scope},
    revoke=_revoke,
    examine=_examine,
    demo=Demo(give_to_alice=_give_to_alice, is_present=_demo_is_present),
)
