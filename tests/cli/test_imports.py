"""A command imports what it needs: most of the time that it takes goes into that."""

import subprocess
import sys
from inspect import cleandoc

import pytest
import typer
from typer.core import TyperGroup

from app.__main__ import cli
from app.cli import COMMANDS
from app.cli.later import Later
from app.features import FOLDERS, load_features

SERVES = {"serve", "dev"}
"""What needs the routes."""


def imported_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has imported in the end."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_help_of_the_command_line_imports_no_library_but_that_of_commands() -> None:
    statement = """
import contextlib
import io
from app.__main__ import cli
with contextlib.redirect_stdout(io.StringIO()) as help, contextlib.suppress(SystemExit):
    cli(["--help"])
assert "clients" in help.getvalue()
"""
    assert not imported_by(statement) & {"fastapi", "starlette", "pydantic", "sqlalchemy", "jwt"}


def test_commands_import_no_fastapi() -> None:
    files = {file for name, (file, _) in COMMANDS.items() if name not in SERVES}
    statements = [
        "from app.features import load_features",
        "import app.server",
        *(f"import app.cli.{file}" for file in sorted(files)),
        "for each in load_features(): each.commands()",
    ]
    assert not imported_by("\n".join(statements)) & {"fastapi", "starlette", "uvicorn"}


def test_a_worker_imports_neither_alembic_nor_the_list_of_common_passwords_nor_commands() -> None:
    imported = imported_by("from app.main import create_worker")
    assert not imported & {"alembic", "mako", "zxcvbn", "typer", "prometheus_client"}


@pytest.mark.parametrize("noun", ["users", "clients", "scopes", "audit"])
def test_a_command_that_only_manages_imports_no_cryptography_and_no_other_database(
    noun: str,
) -> None:
    imported = imported_by(f"import app.cli.{noun}")
    assert not imported & {"cryptography", "jwt", "alembic", "asyncpg", "structlog"}


def laters() -> dict[str, Later]:
    """What is imported when it is called, by its words."""
    whole = typer.main.get_command(cli)
    assert isinstance(whole, TyperGroup)
    found: dict[str, Later] = {}
    for name, command in whole.commands.items():
        assert isinstance(command, Later)
        found[name] = command
        for verb, inner in getattr(command.found, "commands", {}).items():
            if isinstance(inner, Later):
                found[f"{name} {verb}"] = inner
    return found


@pytest.mark.parametrize("words", laters())
def test_what_is_listed_of_a_command_is_the_beginning_of_its_own_help(words: str) -> None:
    later = laters()[words]
    beginning, _, _ = cleandoc(later.found.help or "").partition("\n\n")
    assert " ".join(beginning.split()) == later.help


def test_the_commands_of_every_feature_are_listed() -> None:
    for feature in load_features():
        brought = set()
        for noun, verbs in feature.commands().items():
            names = [command.name for command in verbs.registered_commands]
            brought |= {f"{noun} {name}" for name in names} if noun in COMMANDS else {noun}
        assert brought == set(FOLDERS[feature.name]) - set(COMMANDS)
