"""Documents that are followed word for word, on a copy of the project.

A block whose first line is a comment with a path is that file; if its language is ``diff``, it is
what changes there. A block of ``sh`` is run in the shell that the blocks before it left behind.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.forked import fork_server
from tests.support.live_server import ROOT

LEFT_OUT = shutil.ignore_patterns("node_modules", "*.db*")

COPIED = (
    *("app", "migrations", "scripts", "tests", "docs", "examples", "deploy", "Makefile"),
    *(
        "alembic.ini",
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "mkdocs.yml",
        "Dockerfile",
        "compose.yaml",
        ".env.example",
        "requirements.lock",
    ),
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


FORKED = {"python": [], "latchkey": ["-m", "app"], "alembic": ["-m", "alembic"]}
"""Programs of the virtual environment, and what each is with Python."""

FORK = """#!{python} -SE
import json, os, signal, socket, sys

arguments = [*{module}, *sys.argv[1:]]
if arguments[:1] != ["-m"] or not arguments[1].startswith(("app", "alembic", "scripts.")):
    os.execv("{python}", ["{python}", *arguments])
with socket.socket(socket.AF_UNIX) as server:
    server.connect("{address}")
    socket.send_fds(server, [b" "], [0, 1, 2])
    program = [arguments[1], arguments[2:], dict(os.environ), os.getcwd()]
    server.sendall(json.dumps(program).encode() + b"\\n")
    told = server.makefile()
    pid = int(told.readline())
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(pid, number))
    sys.exit(int(told.readline()) % 256)
"""
"""Has a program forked as :meth:`ForkServer.start` does, which gets its signals; ends with it."""

OF_THE_SHELL = ("_", "OLDPWD", "PWD", "SHLVL", "PYTHONPATH")

SERVERS = ("make run", "uvicorn ")
"""Commands that are typed into another terminal, where they go on."""


PATIENCE = 10
"""Seconds."""


def start_nothing(line: str) -> None:
    """What is so where a document starts no server."""
    raise AssertionError(f"nobody is there to run {line}")


@dataclass
class Reader:
    """Somebody who does what a document says, in a folder."""

    folder: Path
    code: Path
    """The project whose commands are called."""
    environment: dict[str, str] = field(default_factory=dict)
    """What was set in the shell."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """What a reader would put in place of some words, such as the address of a database."""
    repeated: Collection[str] = ()
    """Words of commands that succeed in the end: a server knows what it knew a second ago."""
    start: Callable[[str], None] = start_nothing
    """Starts the server of such a line."""

    def follow(self, document: str) -> str:
        """Do what every block says; return what its commands print."""
        printed = ""
        for words, others in self.replaced.items():
            document = document.replace(words, others)
        for block in blocks(document):
            found = _PATH.match(block.text)
            if block.language == "sh":
                lines = block.text.splitlines(keepends=True)
                servers = [line for line in lines if line.startswith(SERVERS)]
                printed += self.run("".join(line for line in lines if line not in servers))
                for line in servers:
                    self.start(line)
            elif found and block.language == "diff":
                self._change(found[1], block.text[found.end() :])
            elif found:
                file = self.folder / found[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text[found.end() :])
        return printed

    def run(self, commands: str) -> str:
        """What commands print, in a shell that stops at the first one that fails.

        What they set is set for the next ones.
        """
        exported = self.folder / ".exported"
        deadline = (
            time.monotonic() + PATIENCE if any(words in commands for words in self.repeated) else 0
        )
        while True:
            finished = subprocess.run(
                ["bash", "-aeu", "-o", "pipefail"],
                input=f"{commands}\nenv -0 > {exported}\n",
                env=self.environment_of_a_program(),
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if finished.returncode == 0 or time.monotonic() > deadline:
                break
        assert finished.returncode == 0, commands + finished.stdout + finished.stderr
        variables = dict(line.split("=", 1) for line in exported.read_text().split("\0") if line)
        exported.unlink()
        self.environment = {
            name: value
            for name, value in variables.items()
            if value != os.environ.get(name) and name not in OF_THE_SHELL
        }
        return finished.stdout

    def environment_of_a_program(self) -> dict[str, str]:
        """What is exported, and nothing that the tests were started with."""
        outside = {name: value for name, value in os.environ.items() if "LATCHKEY" not in name}
        here = {"PYTHONPATH": str(self.code), "GIT_CONFIG_GLOBAL": os.devnull}
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


def reader_of_a_copy(folder: Path) -> Reader:
    """Somebody with a copy of the project, as it is after ``make run`` was stopped."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    return reader(folder, code=folder)


def reader(folder: Path, code: Path = ROOT) -> Reader:
    """Somebody in a folder with a virtual environment, whose packages are those of this one."""
    shared = (ROOT / ".venv").resolve()
    virtual = folder / ".venv"
    (virtual / "bin").mkdir(parents=True)
    for part in ("lib", "pyvenv.cfg"):
        (virtual / part).symlink_to(shared / part)
    for program in (shared / "bin").iterdir():
        command = virtual / "bin" / program.name
        if program.name in FORKED:
            command.write_text(
                FORK.format(
                    python=shared / "bin/python",
                    address=fork_server({"PYTHONPATH": str(code)}).address,
                    module=FORKED[program.name],
                )
            )
            command.chmod(0o755)
        else:
            command.symlink_to(program)
    for stamp in (".run", ".dev", ".tools"):
        (virtual / stamp).touch()
    return Reader(folder, code)
