"""What a fork adds or deletes: a folder each, here and in ``tests/features``, and a line below.

No code outside its folders imports a feature. ``make migration`` then writes the migration of its
tables.
"""

from collections.abc import Sequence
from importlib import import_module

from app.feature import Feature

FOLDERS: Sequence[str] = [
    # A feature stands behind those that it requires.
    "items",
    "api_keys",
    "schemes",
]

FEATURES: Sequence[Feature] = [
    import_module(f"app.features.{folder}").feature for folder in FOLDERS
]
