"""The wheel, installed into an environment that has nothing of the checkout."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.live_server import ROOT

DEPENDENCIES = Path(sys.modules["pytest"].__file__ or "").parents[1]


@dataclass(frozen=True)
class Installed:
    """An environment. What the wheel depends on is where the tests have it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        """``latchkey``, as it was installed."""
        return self.folder / "bin" / "latchkey"

    @property
    def environment(self) -> dict[str, str]:
        """Of its processes: no settings, and no way to the checkout."""
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR")}
        return {**kept, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def run(
        self, *command: str | Path, folder: Path, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in ``folder``; what it prints is one text."""
        return subprocess.run(
            command,
            cwd=folder,
            env={**self.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )


def install_wheel(folder: Path) -> Installed:
    """Build the wheel and install it, without an index."""
    pip = [sys.executable, "-m", "pip"]
    quiet = ["-q", "--disable-pip-version-check", "--no-deps"]
    _run(*pip, "wheel", *quiet, "--no-build-isolation", "-w", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    made = folder / "environment"
    _run(sys.executable, "-m", "venv", "--without-pip", str(made))
    (packages,) = made.glob("lib/python*/site-packages")
    # Only the folder: what is installed there as editable, such as the checkout, is not found.
    (packages / "dependencies.pth").write_text(f"{DEPENDENCIES}\n")
    _run(*pip, "--python", str(made), "install", *quiet, "--no-index", str(wheel))
    return Installed(made)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
