"""``latchkey apply``: what a file declares; and ``latchkey dev``, which begins with one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.feature import Feature

if TYPE_CHECKING:
    from typer import Typer


def _commands() -> Mapping[str, "Typer"]:
    from app.features.apply import commands, dev  # a worker needs no commands

    return {"apply": commands.cli, "dev": dev.cli}


feature = Feature(name="apply", commands=_commands)
