"""docs/audit.md and the code name the same events."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from app.audit.trail import EventType

ROOT = Path(__file__).parent.parent.parent


def described() -> Iterator[str]:
    """The types in the first column of the table."""
    for line in (ROOT / "docs/audit.md").read_text().splitlines():
        if line.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])


def test_every_event_has_one_row_in_the_document_and_no_other_has() -> None:
    assert sorted(described()) == sorted(get_args(EventType))


def test_every_event_is_written_somewhere() -> None:
    sources = [path for path in (ROOT / "app").rglob("*.py") if path.name != "audit.py"]
    code = "".join(path.read_text() for path in sources)
    assert [name for name in get_args(EventType) if f'"{name}"' not in code] == []
