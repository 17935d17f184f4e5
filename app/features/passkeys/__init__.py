"""Passkeys (WebAuthn level 2): as a second factor, and as the whole login."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.expired import KEPT_LONGER, Expired
from app.feature import AccountSection, Feature
from app.features.authorization_code import feature as authorization_code
from app.features.mfa import feature as mfa
from app.features.passkeys.factor import passkey_factor
from app.features.passkeys.model import Passkey, UsedChallenge
from app.features.passkeys.relying_party import relying_party
from app.features.passkeys.service import ADDED, REMOVED, list_passkeys
from app.features.passkeys.way import passkey_login
from app.login.second_step import Factor
from app.login.ways import LoginWay
from app.message import Message
from app.posture import Finding, Severity
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    party = relying_party(settings)
    if party is None:
        return []
    from app.features.passkeys import router  # the command line needs no routes
    from app.features.passkeys.pages import passkey_pages

    return [router.router, passkey_pages(party)]


def _account(settings: Settings) -> AccountSection | None:
    if relying_party(settings) is None:
        return None
    from app.features.passkeys.account import SECTION  # the command line needs no pages

    return SECTION


def _factors(settings: Settings) -> Sequence[Factor]:
    party = relying_party(settings)
    return [] if party is None else [passkey_factor(party)]


def _login_way(settings: Settings) -> LoginWay | None:
    party = relying_party(settings)
    return None if party is None else passkey_login(party)


def _expired(_settings: Settings, now: datetime) -> Sequence[Expired]:
    used = UsedChallenge.challenge_hash
    return [Expired(used, UsedChallenge.expires_at, now - KEPT_LONGER)]


async def _examine(
    connection: AsyncConnection, settings: Settings, _now: datetime
) -> AsyncIterator[Finding]:
    if relying_party(settings) is not None:
        return
    if await connection.scalar(select(exists(select(Passkey.id)))):
        yield Finding(
            Severity.WARNING,
            "passkeys-unusable",
            "Users have passkeys that open nothing here",
            "LATCHKEY_PASSKEYS is false, or LATCHKEY_ISSUER has an address in numbers.",
            "Set them as they were, or tell the users to log in with their passwords.",
        )


async def _export(connection: AsyncConnection, user_id: uuid.UUID, limit: int) -> Mapping[str, Any]:
    return {"passkeys": (await list_passkeys(connection, user_id))[:limit]}


feature = Feature(
    name="passkeys",
    requires=[authorization_code, mfa],
    tables=[Passkey, UsedChallenge],
    event_types=[ADDED, REMOVED],
    activity={ADDED: Message("Passkey added"), REMOVED: Message("Passkey removed")},
    factors=_factors,
    login_way=_login_way,
    routers=_routers,
    account=_account,
    export=_export,
    expired=_expired,
    examine=_examine,
)
