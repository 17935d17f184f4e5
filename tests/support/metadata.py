"""What the documents about this server say of the core."""

from collections.abc import Mapping
from typing import Any

from app.login.strength import ACR, Level
from app.oauth2.grants import FILES


def of_the_core(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what features may add to its lists."""
    return {
        **document,
        "grant_types_supported": [
            each for each in document["grant_types_supported"] if each in FILES
        ],
        "acr_values_supported": [
            each for each in document["acr_values_supported"] if each == ACR[Level.ANY]
        ],
    }
