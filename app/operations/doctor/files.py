"""What the files of the database leave open."""

import stat
from collections.abc import Iterator
from pathlib import Path

from app.posture import Finding, Severity
from app.settings import Settings

BESIDE = ("", "-wal", "-shm")
"""What SQLite adds to the name of a database for the files that it puts beside it."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def examine_files(settings: Settings) -> Iterator[Finding]:
    """Whether others may read a database on SQLite, as far as its own permissions say."""
    if not settings.database_url.startswith("sqlite:"):
        return
    path = settings.database_url.removeprefix("sqlite:///")
    files = [Path(path + beside) for beside in BESIDE]
    open_ones = [file.name for file in files if file.exists() and file.stat().st_mode & OTHERS]
    if open_ones:
        yield Finding(
            Severity.WARNING,
            "database-readable",
            f"other users of this machine can open {', '.join(open_ones)}",
            "Anyone who reads the database has every hash in it, and can guess the passwords.",
            "Run chmod 600 on each of them; new files are created that way.",
        )
