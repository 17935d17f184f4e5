"""``docs/openapi.json`` is there to be read, compared and generated from without a server.

A fork that deletes a feature or adds a route runs ``make openapi``: no other test knows the file.
"""

import json
import sys
from pathlib import Path

import pytest

from app.database.schema import ROOT
from scripts.openapi import main


def test_the_committed_document_is_what_make_openapi_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "openapi.json"
    monkeypatch.setattr(sys, "argv", ["make openapi", str(file)])
    main()
    committed = json.loads((ROOT / "docs/openapi.json").read_text())
    assert json.loads(file.read_text()) == committed, "run: make openapi"
