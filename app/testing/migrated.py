"""A migrated database to begin with: migrating takes longer than starting, so it is kept."""

import os
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from app.database.schema import SCRIPTS


def copy_migrated(target: Path, kept_in: Path | None) -> None:
    """Write an SQLite database of the newest schema to ``target``.

    It is a copy of the one in the folder ``kept_in``, where it is made if it is not there.
    """
    if kept_in is None:
        _migrate(target)
        return
    kept = kept_in / f"{_fingerprint()}.db"
    if not kept.exists():
        with NamedTemporaryFile(dir=kept_in, suffix=".new", delete=False) as made:
            path = Path(made.name)
        try:
            _migrate(path)
            os.replace(path, kept)  # another process may have been as fast
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
    shutil.copyfile(kept, target)


def _fingerprint() -> str:
    """Of the migrations, so that others make another database."""
    found = sha256()
    for path in sorted((SCRIPTS / "versions").glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _migrate(path: Path) -> None:
    from app.database.migrations import upgrade  # with Alembic, which a copy does without

    upgrade(f"sqlite:///{path}")
