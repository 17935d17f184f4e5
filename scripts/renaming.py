"""Renaming in a copy of the checkout: the package for a wheel, and the project for a new one."""

import io
import re
import sys
import tokenize
from keyword import iskeyword
from pathlib import Path

OLD = "latchkey"

FORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

KEPT = frozenset({"LICENSE", "app/security/contexts.py"})
"""Whose the code is; and what is an input of hashes, and names nothing."""

AS_A_NAME = re.compile(rf"{OLD}(?=_|\.(?:testing|main)\b)|(?<=[{{(]){OLD}(?=[.(:])")
"""Where something in a text is a name in Python, an environment or a database."""

PYTHON_BLOCK = re.compile(r"^(```python\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)

MOST = 30
"""Characters."""

TAKEN = frozenset({"app", "migrations", "scripts", "tests", OLD}) | sys.stdlib_module_names


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


def rename_project(folder: Path, name: str) -> None:
    """Call the project ``name`` in every file below ``folder``, and in their names."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(folder).as_posix() not in KEPT:
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            rename = renamed_python if path.suffix in (".py", ".pyi") else renamed
            path.write_text(rename(text, name))
        if OLD in path.name:
            path.rename(path.with_name(path.name.replace(OLD, name)))


def title_of(name: str) -> str:
    """``name`` as people read it."""
    return name.replace("-", " ").title()


def renamed(text: str, name: str) -> str:
    """``text`` with the project called ``name``, as it is written in each place."""
    text = PYTHON_BLOCK.sub(lambda block: block[1] + _renamed_names(block[2], name), text)
    text = text.replace(OLD.upper(), identifier_of(name).upper())
    text = text.replace(OLD.capitalize(), title_of(name))
    return AS_A_NAME.sub(identifier_of(name), text).replace(OLD, name)


def renamed_python(source: str, name: str) -> str:
    """The same of a module, in which names cannot have a hyphen."""
    return renamed(_renamed_names(source, name), name)


def _renamed_names(source: str, name: str) -> str:
    if OLD not in source.lower():  # as in most modules; to read their tokens takes a while
        return source
    lines = source.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        if token.type == tokenize.NAME and OLD in token.string.lower():
            row, column = token.start
            line = lines[row - 1]
            new = token.string.replace(OLD, identifier_of(name))
            new = new.replace(OLD.capitalize(), title_of(name).replace(" ", ""))
            lines[row - 1] = line[:column] + new + line[column + len(token.string) :]
    return "".join(lines)
