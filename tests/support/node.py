"""Programs from npm, where they are installed: no test needs them to pass."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "node"


def _missing(packages: Sequence[str]) -> str:
    """What to do where Node or one of ``packages`` is missing; empty where nothing is."""
    if shutil.which("node") is None:
        return "Node is missing: apt-get install nodejs npm"
    for package in packages:
        if not (FOLDER / "node_modules" / package / "package.json").exists():
            return f"{package} is missing: npm install --prefix tests/node"
    return ""


def needs_node(*packages: str) -> None:
    """Skip the test where Node or one of ``packages`` is missing."""
    if reason := _missing(packages):
        pytest.skip(reason)


def with_node(*packages: str) -> pytest.MarkDecorator:
    """The same as a mark, by which no fixture is made for a test that is skipped."""
    reason = _missing(packages)
    return pytest.mark.skipif(bool(reason), reason=reason)


def run_program(name: str, *arguments: str) -> str:
    """What a program of an installed package prints; it must succeed."""
    done = subprocess.run(
        [FOLDER / "node_modules" / ".bin" / name, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
