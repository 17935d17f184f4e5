"""What the audit trail says of what came over HTTP."""

from typing import Any

from app.server import Server
from tests.support.operators import events

ADDRESS = "127.0.0.1"
AGENT = "browser/7.0"


async def written(server: Server, event_type: str) -> list[dict[str, Any]]:
    """All that the trail has of a type, without ids and times."""
    return [
        {
            "actor": event.actor,
            "user_id": event.user_id,
            "client_id": event.client_id,
            "address": event.address,
            "user_agent": event.user_agent,
            "details": event.details,
        }
        for event in await events(server, event_type=event_type)
    ]


def an_event(
    actor: object, user: object, client_id: str | None, **details: object
) -> dict[str, Any]:
    """An event that came over HTTP."""
    return {
        "actor": None if actor is None else str(actor),
        "user_id": None if user is None else str(user),
        "client_id": client_id,
        "address": ADDRESS,
        "user_agent": AGENT,
        "details": details,
    }
