"""A folder of tests for each feature, which goes with it.

Tests of the core know no feature. Where they go over all that there is, ``tables.py`` in the folder
of a feature has what it adds.
"""

from importlib import import_module
from typing import Any

import pytest

from app.features import FOLDERS, load_features
from tests.support.routes import FEATURES


def brought(table: str) -> dict[str, Any]:
    """What the features that are there add to a table of the core's tests."""
    rows: dict[str, Any] = {}
    for feature in load_features():
        rows |= getattr(import_module(f"tests.features.{feature.name}.tables"), table, {})
    return rows


def beside(feature: str) -> pytest.MarkDecorator:
    """For what a feature adds to another one, which it does not need."""
    return pytest.mark.skipif(feature not in FOLDERS, reason=f"there is no feature {feature}")


of_the_pages = beside("authorization_code")
"""For what a feature without pages adds to those."""

of_all_features = pytest.mark.skipif(
    not set(FEATURES) <= set(FOLDERS), reason="the documents are about all features"
)
"""For tests of documents, which a fork that has deleted a feature need not rewrite at once."""
