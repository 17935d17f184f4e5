"""What happened to an account, in the words of its user: the audit trail on the account page."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import (
    ADMINISTRATOR,
    EventType,
    Origin,
    RecordedEvent,
    as_seen_by,
)
from app.feature import Feature
from app.features.authorization_code.events import list_events_of_types
from app.identity.clients import find_client_names
from app.message import Message
from app.web.cursors import EVENT_CURSOR, event_place_at, page, place_of

SHOWN = 10

WORDS: Mapping[EventType, str] = {
    "code.reused": Message("Login ended, because its code was used twice"),
    "consent.denied": Message("Access refused"),
    "consent.granted": Message("Access allowed"),
    "consent.withdrawn": Message("Access removed"),
    "email.changed": Message("E-mail address changed"),
    "login.failed": Message("Failed login"),
    "login.locked": Message("Too many failed logins: the next ones had to wait"),
    "login.succeeded": Message("Logged in"),
    "login.unlocked": Message("Failed logins forgiven"),
    "password.changed": Message("Password changed"),
    "session.ended": Message("Logged out"),
    "token.reused": Message("Login ended, because somebody may have a copy of it"),
    "token.revoked": Message("Logged out"),
    "user.changed": Message("Account changed"),
    "user.created": Message("Account created"),
    "user.password_reset": Message("Password reset"),
}
"""Those of the core that are about a user. What an application does by itself all the time, such as
refreshing its tokens, is not there."""


@dataclass(frozen=True)
class Activity:
    """Something that happened, as the page says it."""

    words: str
    at: datetime
    application: str | None
    by_administrator: bool
    """By whoever manages users."""
    origin: Origin


def words_of(features: Sequence[Feature]) -> Mapping[str, str]:
    """What each type of event is called that the page shows."""
    words: dict[str, str] = dict(WORDS.items())
    for feature in features:
        for event_type in feature.event_types:
            words[event_type] = feature.activity.get(event_type, _readable(event_type))
    return {event_type: text for event_type, text in words.items() if text}


def _readable(event_type: str) -> str:
    """``group.member_added`` as "Group member added"."""
    return re.sub(r"[._]", " ", event_type).capitalize()


async def list_activity(
    connection: AsyncConnection, words: Mapping[str, str], user_id: uuid.UUID, cursor: str
) -> tuple[Sequence[Activity], str | None]:
    """What happened to the user, newest first, and the cursor of what was before.

    ``cursor`` is where the list begins; with the newest where it is none.
    """
    before = event_place_at(cursor) if re.fullmatch(EVENT_CURSOR, cursor) else None
    found = await list_events_of_types(
        connection, user_id, words.keys(), limit=SHOWN + 1, before=before
    )
    events, older = page(found, SHOWN, lambda event: place_of(event.at, event.id))
    clients = {event.client_id for event in events if event.client_id}
    names = await find_client_names(connection, clients)
    return [_activity(event, words, names, user_id) for event in events], older


def _activity(
    event: RecordedEvent, words: Mapping[str, str], names: Mapping[str, str], user_id: uuid.UUID
) -> Activity:
    seen, client_id = as_seen_by(user_id, event), event.client_id
    return Activity(
        words=words[event.type],
        at=event.at,
        application=None if client_id is None else names.get(client_id, client_id),
        by_administrator=seen.actor == ADMINISTRATOR,
        origin=Origin(seen.address, seen.user_agent),
    )
