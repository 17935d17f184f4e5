"""``latchkey backup`` and ``latchkey restore``: the whole database as a file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.feature import Feature

if TYPE_CHECKING:
    from typer import Typer


def _commands() -> Mapping[str, "Typer"]:
    from app.features.backup.commands import cli  # a worker needs no commands

    return {"backup": cli, "restore": cli}


feature = Feature(name="backup", commands=_commands)
