"""The command line: every command with its arguments and options, from the commands themselves."""

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer

from app import NAME
from app.__main__ import cli
from app.cli.later import Later

PLACES = {"<str>": "TEXT", "<int>": "N", "<int range>": "N", "<path>": "FILE"}
"""What stands for a value of a type."""


def command_line_page() -> str:
    """The page."""
    parts = [
        "# Command line",
        f"`{NAME} --help` and `--help` behind each command show the same. Commands read the "
        "[settings](settings.md), print lines for people or, with `--json`, JSON for programs, and "
        "exit with 0, with 1 and one line on standard error if something is refused, or with 2 if "
        "they were called wrongly. This page is made from the code.",
    ]
    for words, command in _walk(typer.main.get_command(cli), ()):
        depth = len(words) + 1
        if getattr(command, "commands", None):
            if words:
                parts += [f"{'#' * min(depth, 4)} {NAME} {' '.join(words)}", _help(command)]
        else:
            parts += _of_command(words, command, "#" * min(depth, 4))
    return "\n\n".join(filter(None, parts)) + "\n"


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(command, Later):
        command = command.found
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, (*words, name))


def _of_command(words: tuple[str, ...], command: Any, marks: str) -> Iterator[str]:
    context = typer.Context(command)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    yield f"{marks} {NAME} {' '.join(words)}"
    shape = [_shape(each) for each in arguments]
    yield f"```text\n{' '.join([NAME, *words, *shape])}{' [OPTIONS]' * bool(options)}\n```"
    yield _help(command)
    rows = [(f"`{(each.metavar or each.name.upper())}`", each) for each in arguments]
    rows += [(", ".join(f"`{name}`" for name in _names(each, context)), each) for each in options]
    if rows:
        table = ["| | |", "| --- | --- |"]
        yield "\n".join([*table, *(f"| {name} | {_described(each)} |" for name, each in rows)])


def _shape(argument: Any) -> str:
    name = f"{argument.metavar or argument.name.upper()}{'...' * (argument.nargs == -1)}"
    return name if argument.required else f"[{name}]"


def _names(option: Any, context: typer.Context) -> list[str]:
    kind = option.display_type(context)
    value = "" if option.is_flag else f" {option.metavar or PLACES.get(kind, kind)}"
    return [f"{name}{value}" for name in (*option.opts, *option.secondary_opts)]


def _described(parameter: Any) -> str:
    words = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    marks = []
    if parameter.required and parameter.param_type_name == "option":
        marks.append("required")
    if getattr(parameter, "multiple", False):
        marks.append("can be repeated")
    return words + (f" ({', '.join(marks)})" if marks else "")


def _help(command: Any) -> str:
    return cleandoc(command.help or "").replace("\b\n", "")
