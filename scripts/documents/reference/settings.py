"""The settings: what ``.env.example`` says of each, and what its type takes."""

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.settings import IN_A_FILE, PREFIX, SECRETS, Settings

_LINE = re.compile(rf"^#({PREFIX}[A-Z_]+)=(.*)$")


def settings_page(example: str) -> str:
    """The page, from the text of ``.env.example``."""
    parts = [
        "# Settings",
        "Environment variables, or lines of a file `.env` in the folder where the server is "
        "started; the environment wins. A name that is none, or a value that does not fit, "
        "prevents the start with one line. This page is made from the code and `.env.example`.",
    ]
    for names, description in _blocks(example):
        for name, default in names:
            parts += [f"## {name}", description, _facts(name, default)]
    return "\n\n".join(parts) + "\n"


def _blocks(example: str) -> Iterator[tuple[list[tuple[str, str]], str]]:
    """The settings that stand below one comment, each with its default, and the comment."""
    for block in example.split("\n\n"):
        lines = block.splitlines()
        names = [(found[1], found[2]) for line in lines if (found := _LINE.match(line))]
        comment = [line[1:].removeprefix(" ") for line in lines if not _LINE.match(line)]
        if names:
            yield names, _prose(comment)


def _prose(comment: list[str]) -> str:
    """The comment as Markdown: lines that are set in are code."""
    prose: list[str] = []
    for line in comment:
        code = line.startswith("  ")
        prose.append(f"\n```sh\n{line.strip()}\n```\n" if code else line)
    return "\n".join(prose).strip().replace("<", "&lt;")


def _facts(name: str, default: str) -> str:
    field = name.removeprefix(PREFIX).lower()
    facts = {
        "Takes": _takes(Settings.model_fields[field]),
        "Default": f"`{default}`" if default else "empty",
    }
    if field in SECRETS:
        facts["From a file"] = f"`{name}{IN_A_FILE}`"
    return "\n".join(f"- {what}: {value}" for what, value in facts.items())


def _takes(field: FieldInfo) -> str:
    """The values that a setting takes, in words."""
    bounds = {
        name: getattr(constraint, name)
        for constraint in field.metadata
        for name in ("ge", "le")
        if getattr(constraint, name, None) is not None
    }
    words = _words(field.annotation)
    if "ge" in bounds and "le" in bounds:
        return f"{words} from {bounds['ge']} to {bounds['le']}"
    return words + (f", {bounds['ge']} or more" if "ge" in bounds else "")


def _words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if origin in (Union, UnionType):
        return ", ".join(_words(each) for each in get_args(kind) if each is not NoneType)
    if origin is Annotated:
        return _words(get_args(kind)[0])
    if origin is list:
        return "a list, separated by commas"
    return {bool: "`true`, `false`", int: "a whole number", SecretStr: "a secret"}.get(kind, "text")
