"""What a deployment leaves open: what each posture permits, and how a finding is told.

``docs/security.md`` repeats the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Posture = Literal["standard", "oauth21"]


class LegacyFeature(StrEnum):
    """What OAuth 2.1 has removed and older clients may still need."""

    PASSWORD_GRANT = "the password grant"
    CODE_WITHOUT_PKCE = "the code grant without PKCE"


NOBODY = "nobody"

WHO_MAY: Mapping[LegacyFeature, Mapping[Posture, str]] = {
    LegacyFeature.PASSWORD_GRANT: {
        "standard": "clients with the grant `password`",
        "oauth21": NOBODY,
    },
    LegacyFeature.CODE_WITHOUT_PKCE: {
        "standard": "confidential clients with `--no-pkce`",
        "oauth21": NOBODY,
    },
}
"""Who may use each feature under each posture."""


def permits(posture: Posture, feature: LegacyFeature) -> bool:
    """Whether a client that was registered for ``feature`` may use it."""
    return WHO_MAY[feature][posture] != NOBODY


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
