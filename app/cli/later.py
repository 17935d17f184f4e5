"""Commands that are imported when they are called.

Most of the time that a command takes goes into imports, and the help of the whole command line
needs none of them.
"""

import gc
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from app.feature import Feature

features_at_hand: ContextVar[Callable[[], Sequence["Feature"]]] = ContextVar("features")
"""What this command line was made with: see :func:`app.cli.command_line`."""

Command: TypeAlias = TyperCommand | TyperGroup
"""A command, or a noun that has some."""


class Later(TyperCommand):
    """A command of which there is a name and a line of help, until it is called."""

    @cached_property
    def found(self) -> Command:
        """The command itself, with its options, its help and its work."""
        find = cast(Callable[[], Command], self.callback)
        gc.disable()  # of what is imported, nothing is garbage: looking takes a tenth of the time
        try:
            return find()
        finally:
            gc.enable()

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Go on with what was found."""
        return self.found.make_context(info_name, args, parent, **extra)


def add_later(cli: typer.Typer, name: str, line: str, find: Callable[[], Command]) -> None:
    """Let ``cli`` list a command, which ``find`` imports."""
    cli.command(name, help=line, cls=Later)(lambda: find())
