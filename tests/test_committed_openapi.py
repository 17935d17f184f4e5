"""``docs/openapi.json`` is there to be read, compared and generated from without a server.

A fork that deletes a feature or adds a route runs ``make openapi``: no other test knows the file.
"""

import json
import subprocess
import sys
from pathlib import Path

from app.database.schema import ROOT


def test_the_committed_document_is_what_make_openapi_writes(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    subprocess.run([sys.executable, "-m", "scripts.openapi", str(file)], cwd=ROOT, check=True)
    committed = json.loads((ROOT / "docs/openapi.json").read_text())
    assert json.loads(file.read_text()) == committed, "run: make openapi"
