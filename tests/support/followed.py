"""Documents that are followed word for word, on a copy of the project.

A block whose first line is a comment with a path is that file; if its language is ``diff``, it is
what changes there. A block of ``sh`` is run in the shell that the blocks before it left behind.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.live_server import ROOT

LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", "*.db*")

COPIED = (
    *("app", "scripts", "tests", "docs", "examples", "deploy", "Makefile", "alembic.ini"),
    *("pyproject.toml", "README.md", "CHANGELOG.md", ".env.example", "requirements.lock"),
    *("requirements-dev.lock", "requirements-tools.lock"),
)

_PATH = re.compile(r"(?:#|//|\{#) ([\w./*-]+\.\w+|Makefile)(?: #\})?\n")


@dataclass(frozen=True)
class Block:
    """A block of code."""

    language: str
    text: str


def blocks(document: str) -> Iterator[Block]:
    """The blocks of a Markdown text, in their order."""
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL):
        yield Block(language, text)


def section(name: str, heading: str) -> str:
    """What stands in a document below a heading, up to the next one of its level."""
    text = (ROOT / name).read_text()
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"{name} has no heading {heading!r}"
    level = heading.partition(" ")[0]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@dataclass
class Copy:
    """A copy of the project, as it is after ``make run`` was stopped."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    """What the shell has exported."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """What a reader would put in place of some words, such as the address of a database."""

    def follow(self, document: str) -> None:
        """Do what every block says."""
        for block in blocks(document):
            found = _PATH.match(block.text)
            if block.language == "sh":
                self.run(block.text)
            elif found and block.language == "diff":
                self._change(found[1], block.text[found.end() :])
            elif found:
                file = self.folder / found[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text[found.end() :])

    def run(self, commands: str) -> str:
        """What commands print, in a shell that stops at the first one that fails.

        What they export is exported to the next ones.
        """
        for words, others in self.replaced.items():
            commands = commands.replace(words, others)
        exported = self.folder / ".exported"
        finished = subprocess.run(
            ["bash", "-eu", "-o", "pipefail"],
            input=f"{commands}\nenv -0 > {exported}\n",
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert finished.returncode == 0, commands + finished.stdout + finished.stderr
        variables = dict(line.split("=", 1) for line in exported.read_text().split("\0") if line)
        exported.unlink()
        self.environment = {
            name: value
            for name, value in variables.items()
            if name.startswith("LATCHKEY_") or name == "PATH"
        }
        return finished.stdout

    def _environment(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if "LATCHKEY" not in name}
        here = {"PYTHONPATH": str(self.folder), "GIT_CONFIG_GLOBAL": os.devnull}
        return {**outside, **here, **self.environment}

    def _change(self, pattern: str, change: str) -> None:
        """Replace the old lines of a change, which the file has once, with the new ones."""
        (file,) = self.folder.glob(pattern)
        lines = change.splitlines(keepends=True)
        old = "".join(line[1:] or "\n" for line in lines if line[0] in " -\n")
        new = "".join(line[1:] or "\n" for line in lines if line[0] in " +\n")
        text = file.read_text()
        assert text.count(old) == 1, f"{pattern} has not once:\n{old}"
        file.write_text(text.replace(old, new))


def copy_project(folder: Path) -> Copy:
    """A copy with a virtual environment of its own, whose packages are those of this one."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    shared = (ROOT / ".venv").resolve()
    virtual = folder / ".venv"
    (virtual / "bin").mkdir(parents=True)
    for part in ("lib", "pyvenv.cfg"):
        (virtual / part).symlink_to(shared / part)
    for program in (shared / "bin").iterdir():
        (virtual / "bin" / program.name).symlink_to(program)
    command = virtual / "bin" / "latchkey"
    command.unlink()
    command.write_text(f'#!/bin/sh\nexec "{virtual}/bin/python" -m app "$@"\n')
    command.chmod(0o755)
    for stamp in (".run", ".dev", ".tools"):
        (virtual / stamp).touch()
    return Copy(folder)
