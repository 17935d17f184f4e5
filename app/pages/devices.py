"""What a ``User-Agent`` header says, in the words of a person."""

import re

from app.message import Message

BROWSERS = (
    # Most of them claim to be others too: the one that is meant comes first.
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Vivaldi", "Vivaldi"),
    ("SamsungBrowser", "Samsung Internet"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("Version/.*Safari", "Safari"),
)

SYSTEMS = (
    ("iPhone", Message("an iPhone")),
    ("iPad", Message("an iPad")),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)

_PROGRAM = re.compile(r"(?!Mozilla/)([A-Za-z][\w+-]{1,40})/\d", re.ASCII)
"""A name without a dot: mail programs make a link of what looks like a host."""


def describe_device(user_agent: str | None) -> str:
    """Such as ``Firefox on Linux``, or the name of a program; the header can say anything."""
    agent = user_agent or ""
    browser = next((name for sign, name in BROWSERS if re.search(rf"\b{sign}", agent)), None)
    system = next((name for sign, name in SYSTEMS if sign in agent), None)
    if browser is None:
        program = _PROGRAM.match(agent)
        browser = program[1] if program else Message("Unknown device")
    if system is None:
        return browser
    return Message("{browser} on {system}", browser=browser, system=system)
