"""Renaming in a copy of the checkout: the package for a wheel, and the project for a new one."""

import io
import re
import sys
import tokenize
from keyword import iskeyword
from pathlib import Path

OLD = "latchkey"

FORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

MOST = 30
"""Characters."""

TAKEN = frozenset({"app", "scripts", "tests", OLD}) | sys.stdlib_module_names


def identifier_of(name: str) -> str:
    """How ``name`` is written where there can be no hyphen."""
    return name.replace("-", "_")


def check_name(name: str) -> None:
    """Raise :class:`ValueError` with a sentence if no project can have that name."""
    if not FORM.fullmatch(name) or len(name) > MOST:
        raise ValueError(
            f"{name!r} cannot be the name: it is up to {MOST} lower-case letters and digits, with "
            "hyphens between them, such as acme-id."
        )
    if identifier_of(name) in TAKEN or iskeyword(name):
        raise ValueError(f"{name!r} cannot be the name: something else is called so.")


def rename_package(folder: Path, package: str) -> None:
    """Give ``folder/app`` another name, and call it so in its code and in ``pyproject.toml``."""
    root = folder / "app"
    parts = "|".join(sorted({path.stem for path in root.iterdir() if path.suffix in ("", ".py")}))
    mention = re.compile(
        # A module by its full name; an import from the package itself; and a command.
        rf"(?<![\w./])app(?=\.(?:{parts})\b)|(?<=\bfrom )app(?= import\b)|(?<=-m )app\b"
    )
    for path in root.rglob("*"):
        if path.suffix in (".py", ".mako"):
            path.write_text(mention.sub(package, path.read_text()))
    settings = folder / "pyproject.toml"
    text = mention.sub(package, settings.read_text())
    packed = 'packages = ["app"]'
    assert text.count(packed) == 1, f"{settings} packs something else"
    settings.write_text(text.replace(packed, f'packages = ["{package}"]'))
    root.rename(folder / package)


def rename_project(text: str, name: str) -> str:
    """``text`` with the project's name replaced by ``name``, however it is written there."""
    identifier = identifier_of(name)
    text = re.sub(rf"{OLD.upper()}", identifier.upper(), text)
    text = text.replace(OLD.capitalize(), title_of(name))
    return re.sub(rf"{OLD}(_?)", lambda found: f"{identifier}_" if found[1] else name, text)


def title_of(name: str) -> str:
    """``name`` as people read it."""
    return " ".join(part.capitalize() for part in name.split("-"))


def rename_in_python(source: str, name: str) -> str:
    """The same for a module, whose names cannot have a hyphen.

    Raises :class:`SyntaxError` if it is not Python.
    """
    lines = source.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        if token.type == tokenize.NAME and OLD in token.string:
            row, column = token.start
            line = lines[row - 1]
            new = token.string.replace(OLD, identifier_of(name))
            lines[row - 1] = line[:column] + new + line[column + len(token.string) :]
    return rename_project("".join(lines), name)
