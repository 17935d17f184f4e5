"""docs/audit.md and the code name the same events."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from app.audit.trail import EventType
from app.feature import Feature
from app.features import load_features

ROOT = Path(__file__).parent.parent.parent


def described(part: int) -> Iterator[str]:
    """The types in the first column of the table of the core (0), or of features (2)."""
    parts = (ROOT / "docs/audit.md").read_text().partition("## Of features")
    for line in parts[part].splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])


def test_every_event_has_one_row_in_the_document_and_no_other_has() -> None:
    assert sorted(described(0)) == sorted(get_args(EventType))


@pytest.mark.parametrize("feature", load_features(), ids=lambda feature: feature.name)
def test_every_event_of_a_feature_has_a_row(feature: Feature) -> None:
    assert set(feature.event_types) - set(described(2)) == set()


def test_every_event_is_written_somewhere() -> None:
    sources = [path for path in (ROOT / "app").rglob("*.py") if path.name != "audit.py"]
    code = "".join(path.read_text() for path in sources)
    assert [name for name in get_args(EventType) if f'"{name}"' not in code] == []
