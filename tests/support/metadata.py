"""What the documents about this server say of the core."""

from collections.abc import Mapping
from typing import Any

from app.feature import Feature
from app.features import load_features
from app.login.strength import ACR, Level
from app.oauth2.grants import FILES
from tests.conftest import make_settings


def of_the_core(document: Mapping[str, Any], *and_of: Feature) -> dict[str, Any]:
    """The document without what features may add to it and to its lists, but for some features."""
    settings = make_settings()
    others = [each for each in load_features() if each not in and_of]
    added = [each.metadata(settings) for each in others if each.metadata]
    grants = [grant.grant_type for each in and_of if each.grants for grant in each.grants(settings)]
    kept = {
        "grant_types_supported": [*FILES, *grants],
        "acr_values_supported": [ACR[Level.ANY]],
    }
    return {
        name: [each for each in value if each in kept[name]] if name in kept else value
        for name, value in document.items()
        if not any(name in members for members in added)
    }
