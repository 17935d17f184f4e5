"""One thing that is open."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much it matters in production; the worst comes first."""

    UNSAFE = "unsafe"
    """Nobody should serve like this."""
    WARNING = "warning"
    """It may be meant; then somebody should know why."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True)
class Finding:
    """Something that is open, in words for an operator. Never holds a secret."""

    severity: Severity
    check: str
    """A word by which scripts know it."""
    found: str
    why: str
    fix: str
