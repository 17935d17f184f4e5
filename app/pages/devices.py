"""What a ``User-Agent`` header says, in the words of a person."""

import re

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
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
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
        browser = program[1] if program else "Unknown device"
    return f"{browser} on {system}" if system else browser
