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
    """Where a database on SQLite is, and whether others may read it by its own permissions."""
    if not settings.database_url.startswith("sqlite:"):
        return
    if not settings.development and settings.database_url.startswith("sqlite:///./"):
        yield Finding(
            Severity.WARNING,
            "relative-database",
            "LATCHKEY_DATABASE_URL is a file in the folder in which a command was started",
            "What is started elsewhere finds no database, or another one.",
            "Give its whole path, such as sqlite:////var/lib/latchkey/latchkey.db.",
        )
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
