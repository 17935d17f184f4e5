"""What each posture permits: the one table of it, which ``docs/security.md`` repeats."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

Posture = Literal["standard", "oauth21"]


class Liberty(StrEnum):
    """What OAuth 2.1 no longer has and older clients may still need."""

    PASSWORD_GRANT = "the password grant"
    CODE_WITHOUT_PKCE = "the code grant without PKCE"


NOBODY = "nobody"

WHO_MAY: Mapping[Liberty, Mapping[Posture, str]] = {
    Liberty.PASSWORD_GRANT: {
        "standard": "clients with the grant `password`",
        "oauth21": NOBODY,
    },
    Liberty.CODE_WITHOUT_PKCE: {
        "standard": "confidential clients with `--no-pkce`",
        "oauth21": NOBODY,
    },
}
"""Whom each posture lets take a liberty."""


def permits(posture: Posture, liberty: Liberty) -> bool:
    """Whether a client that was given ``liberty`` may take it."""
    return WHO_MAY[liberty][posture] != NOBODY
