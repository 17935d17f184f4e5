"""The environment of each peer: made in ``build/peers`` when it is missing, and kept."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.bench.servers import ROOT

APPLICATIONS = Path(__file__).parent
ENVIRONMENTS = ROOT / "build/peers"


class MissingEnvironmentError(Exception):
    """A peer cannot be run here, and why."""


def python_with(application: str) -> Path:
    """The interpreter that has the ``requirements.txt`` of an application.

    Raises MissingEnvironmentError if pip cannot install them.
    """
    wanted = APPLICATIONS / application / "requirements.txt"
    folder = ENVIRONMENTS / application
    python = folder / "bin/python"
    venv = [sys.executable, "-m", "venv", str(folder)]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)]
    _make(folder, wanted, venv, pip)
    return python


def node_modules_of(application: str) -> Path:
    """The folder with the modules that the ``package.json`` of an application asks for.

    Raises MissingEnvironmentError if Node is not there, or npm cannot install them.
    """
    wanted = APPLICATIONS / application / "package.json"
    folder = ENVIRONMENTS / application
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingEnvironmentError("it needs Node and npm")
    npm = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
    _make(folder, wanted, npm)
    return folder


def _make(folder: Path, wanted: Path, *commands: Sequence[str]) -> None:
    """Run the commands beside a copy of ``wanted``, unless they have succeeded with the same."""
    copied, done = folder / wanted.name, folder / "done"
    if done.exists() and copied.read_bytes() == wanted.read_bytes():
        return
    print(f"Installing what {wanted.relative_to(ROOT)} asks for", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(wanted, copied)
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        for command in commands:
            if subprocess.run(command, check=False, stdout=output, stderr=output).returncode:
                raise MissingEnvironmentError(f"{log.relative_to(ROOT)} says why")
    done.touch()
