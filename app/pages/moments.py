"""How pages and mails say when something was."""

from datetime import datetime


def in_words(at: datetime) -> str:
    """Such as ``30 November 2026, 14:02 UTC``."""
    return at.strftime("%-d %B %Y, %H:%M UTC")
