"""Clients that nobody here has registered: they do so themselves (RFC 7591, RFC 7592), or are named
by the URL of a document that says what they are. Both are off unless a setting says otherwise.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.expired import Expired
from app.feature import Feature, Introduce
from app.features.authorization_code import feature as authorization_code
from app.features.client_registration.model import RegistrationToken, SelfRegistration
from app.features.client_registration.service import REGISTERED, REREGISTERED, UNREGISTERED
from app.features.client_registration.tokens import CREATED, REVOKED
from app.features.resources import feature as resources
from app.identity.resources import Resources
from app.models import Client, Login
from app.posture import Finding, Severity
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if settings.client_registration == "off":
        return []
    from app.features.client_registration.router import registration_router

    return [registration_router(settings)]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.client_registration.commands import cli  # a worker needs no commands

    return {"registration-tokens": cli}


def _introduce(
    settings: Settings, database: Database, clock: Clock, resources: Resources
) -> Introduce | None:
    if not settings.client_id_metadata:
        return None
    from app.features.client_registration.documents import MetadataDocuments

    return MetadataDocuments(settings, database, clock, resources).introduce


def _metadata(settings: Settings) -> Mapping[str, Any]:
    members: dict[str, Any] = {}
    if settings.client_registration != "off":
        members["registration_endpoint"] = f"{settings.issuer}/connect/register"
    if settings.client_id_metadata:
        members["client_id_metadata_document_supported"] = True
    return members


def _expired(_settings: Settings, now: datetime) -> Sequence[Expired]:
    unused = ~exists().where(Login.client_id == Client.client_id)
    return [
        Expired(Client.client_id, Client.unused_after, now, also=unused),
        Expired(RegistrationToken.id, RegistrationToken.expires_at, now),
    ]


async def _examine(
    _connection: AsyncConnection, settings: Settings, _now: datetime
) -> AsyncIterator[Finding]:
    if settings.client_registration == "open":
        yield Finding(
            Severity.WARNING,
            "open-client-registration",
            "LATCHKEY_CLIENT_REGISTRATION is open",
            "Anyone can register an application under any name, and ask your users to allow it. "
            "The consent page says that nobody has checked it; people may not read that.",
            "Set it to `token` and hand out `latchkey registration-tokens`, or use "
            "LATCHKEY_CLIENT_ID_METADATA, where an application is known by its domain.",
        )


feature = Feature(
    name="client_registration",
    requires=[authorization_code, resources],  # without any, there would be little to log in for
    tables=[SelfRegistration, RegistrationToken],
    event_types=[REGISTERED, REREGISTERED, UNREGISTERED, CREATED, REVOKED],
    routers=_routers,
    introduce=_introduce,
    metadata=_metadata,
    commands=_commands,
    expired=_expired,
    examine=_examine,
)
