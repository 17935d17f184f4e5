"""``latchkey export`` and ``latchkey import``: users, clients and scopes as a JSON document."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.feature import Feature
from app.features.apply import feature as apply

if TYPE_CHECKING:
    from typer import Typer


def _commands() -> Mapping[str, "Typer"]:
    from app.features.transfer.commands import cli  # a worker needs no commands

    return {"export": cli, "import": cli}


feature = Feature(name="transfer", requires=[apply], commands=_commands)
