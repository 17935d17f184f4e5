"""The document: what the core has of a user, and what each feature adds."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType, as_seen_by, list_events
from app.features.authorization_code.browser_sessions import list_sessions
from app.features.authorization_code.consents import list_allowed
from app.login.logins import list_logins
from app.management.users import get_user
from app.server import Server

EXPORTED = FeatureEventType("account.exported")

MOST = 10_000
"""Rows of each list, the newest: one document is made in memory."""


async def export_account(connection: AsyncConnection, server: Server, user_id: uuid.UUID) -> bytes:
    """All that there is of a user, but for secrets and their hashes, as UTF-8 of JSON."""
    now = server.clock.now()
    user = await get_user(connection, user_id)
    events = await list_events(connection, user_id=str(user_id), limit=MOST)
    document: dict[str, Any] = {
        "exported_at": now,
        "issuer": server.settings.issuer,
        "rows_of_each_list_at_most": MOST,
        "user": user,
        "applications_with_access": (await list_allowed(connection, user_id))[:MOST],
        "browser_sessions": await list_sessions(connection, user_id, now, limit=MOST),
        "logins": await list_logins(connection, user_id, now, limit=MOST),
        "activity": [_event(asdict(as_seen_by(user_id, event))) for event in events],
    }
    for feature in server.features:
        if feature.export is not None:
            document |= await feature.export(connection, user_id, MOST)
    return to_json(document, indent=2)


def _event(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in event.items() if name not in ("id", "user_id")}
