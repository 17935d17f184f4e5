"""When and where something happened, as mails say it."""

from collections.abc import Mapping
from datetime import datetime

from app.audit.trail import Origin
from app.pages.devices import describe_device
from app.pages.moments import in_words


def what_happened(at: datetime, origin: Origin) -> Mapping[str, str]:
    """The facts of a letter. Of what a browser says of itself, only words of our own are told."""
    facts = {"When": in_words(at)}
    if origin.address:
        facts["From the address"] = origin.address
    if origin.user_agent:
        facts["With"] = describe_device(origin.user_agent)
    return facts
