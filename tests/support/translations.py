"""What is tested where there is a catalogue for it: a project may have dropped some."""

import pytest

from app.languages.reader import languages


def translated_into(*tags: str) -> pytest.MarkDecorator:
    """For a test that reads these languages."""
    missing = sorted(set(tags) - languages())
    return pytest.mark.skipif(bool(missing), reason=f"no catalogue for {', '.join(missing)}")
