"""When and where something happened, as mails say it."""

from collections.abc import Mapping
from datetime import datetime

from app.audit.trail import Origin
from app.message import Message
from app.pages.devices import describe_device


def what_happened(at: datetime, origin: Origin) -> Mapping[str, object]:
    """The facts of a letter. Of what a browser says of itself, only words of our own are told."""
    facts: dict[str, object] = {Message("When"): at}
    if origin.address:
        facts[Message("From the address")] = origin.address
    if origin.user_agent:
        facts[Message("With")] = describe_device(origin.user_agent)
    return facts
