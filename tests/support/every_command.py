"""Every command of the command line, by its words."""

from collections.abc import Iterator
from typing import Any

import typer

from app.__main__ import cli
from app.cli.later import Later


def every_command() -> Iterator[tuple[str, Any]]:
    """Groups are among them, and first of all is the command line itself."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if isinstance(command, Later):
            command = command.found
        yield " ".join(words), command
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*words, name))

    return walk(typer.main.get_command(cli), ("latchkey",))
