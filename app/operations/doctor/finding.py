"""One weakness that was found."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much it matters in production; the worst comes first."""

    UNSAFE = "unsafe"
    """Not safe to serve with."""
    WARNING = "warning"
    """It may be intended; then someone should know why."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True)
class Finding:
    """A weakness, described for an operator. Never holds a secret."""

    severity: Severity
    check: str
    """An identifier for scripts."""
    found: str
    why: str
    fix: str
