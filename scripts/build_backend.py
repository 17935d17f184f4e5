"""How the project is built (PEP 517): by hatchling, with another name of the package in a wheel.

Other people's applications are packages called ``app``, too. So a wheel has ours under the name of
the project, whether ``pip install .``, ``pip wheel`` or ``python -m build`` makes it. An editable
installation is of the checkout, where it is ``app``.
"""

import shutil
from collections.abc import Generator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling import build
from hatchling.build import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

from app import IDENTIFIER
from scripts.renaming import rename_package

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

ROOT = Path(__file__).parent.parent

PACKED = ("app", "LICENSE", "README.md", "pyproject.toml")
MIGRATIONS = "migrations"
"""At the top of a checkout, and in the package of a wheel, which is a whole server."""


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the wheel into that directory; return its file name (PEP 517)."""
    directory = Path(wheel_directory).absolute()
    with _renamed() as folder, chdir(folder):
        return build.build_wheel(str(directory), config_settings, metadata_directory)


@contextmanager
def _renamed() -> Generator[Path]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for each in PACKED:
            copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
            copy(ROOT / each, folder / each)
        shutil.copytree(ROOT / MIGRATIONS, folder / "app" / MIGRATIONS)
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache)
        rename_package(folder, IDENTIFIER)
        yield folder
