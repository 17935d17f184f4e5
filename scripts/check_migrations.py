"""Fail when the models have changed and no migration says so."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.util.exc import CommandError

from app.database.migrations import alembic_config


def main() -> None:
    """Migrate an empty database, then compare it with the models."""
    with tempfile.TemporaryDirectory() as folder:
        config = alembic_config(f"sqlite:///{Path(folder) / 'check.db'}")
        command.upgrade(config, "head")
        try:
            command.check(config)
        except CommandError as drift:
            sys.exit(f"The migrations do not match the models: {drift}")


if __name__ == "__main__":
    main()
