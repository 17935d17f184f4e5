"""Code in the documents: it can be parsed, and commands do what they say where it takes no more.

Whole documents that build on themselves have tests of their own, which follow them.
"""

import ast
import json
import re
import shlex
import subprocess
import textwrap
from collections.abc import Generator, Iterator
from pathlib import Path

import jinja2
import pytest
import yaml

from scripts.documents.pages import documents
from tests.features import of_all_features
from tests.support.databases import Backend
from tests.support.followed import Block, blocks, reader
from tests.support.live_server import ROOT, live_server
from tests.support.shell import Shell

pytestmark = of_all_features

FOLLOWED = (
    *("README.md", "docs/fork.md", "docs/tutorial.md", "docs/one-machine.md", "docs/routes.md"),
    "examples/README.md",
)
"""Documents with tests of their own."""

SCOPES = ["profile", "orders:read", "orders:write", "items:read", "items:write", "users:write"]

CLIENTS = ("shop", "console", "grafana", "orders-app", "orders-api-before")

THERE = {
    "format": 1,
    "scopes": [
        {"name": "orders:read", "description": "Read your orders"},
        {"name": "orders:write", "description": "Change your orders"},
    ],
    "users": [{"username": "ada", "scopes": SCOPES}],
    "clients": [
        {
            "client_id": client_id,
            "name": client_id,
            "public": False,
            "grant_types": ["password"],
            "scopes": SCOPES,
            "default_scopes": ["profile"],
        }
        for client_id in CLIENTS
    ],
}
"""What readers have by then."""

NOT_HERE = (
    *("serve", "dev", "restore", "invitations revoke", "app-passwords revoke"),
    "db upgrade --sql",
)
"""Commands that go on, or need what another machine has."""

BEFORE = {
    "docs/second-factor.md": ["groups create staff"],
    "docs/token-lifecycle.md": ["clients create Orders --client-id orders-api --introspect any"],
}


def code_of(name: str) -> Iterator[Block]:
    yield from blocks((ROOT / name).read_text())


def command_lines(name: str) -> Iterator[list[str]]:
    """The words of each call of the command, without its name and without a redirection."""
    for block in code_of(name):
        if block.language in ("sh", "console"):
            for line in block.text.replace("\\\n", " ").splitlines():
                line = line.removeprefix("$ ")
                if line.startswith("latchkey "):
                    words = shlex.split(line, comments=True)
                    yield words[1 : words.index(">") if ">" in words else None]


def settings_of(name: str) -> dict[str, str]:
    """What the document exports."""
    text = "".join(block.text for block in code_of(name) if block.language == "sh")
    found = re.findall(r"^export LATCHKEY_(\w+)=(\S+)", text, re.MULTILINE)
    return {setting.lower(): value for setting, value in found}


@pytest.fixture
def shell(sqlite: Backend) -> Generator[Shell]:
    url = sqlite.migrated()
    found = Shell(url)
    assert found("import", "-", stdin=json.dumps(THERE)).exit_code == 0
    yield found
    sqlite.drop(url)


CALLING = [
    name for name in documents() if name not in FOLLOWED and any(True for _ in command_lines(name))
]


@pytest.mark.parametrize("name", CALLING)
def test_the_commands_of_a_document_do_what_they_say(
    shell: Shell, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("users.json").write_text(json.dumps(THERE))
    settings = {"registration": "invitation", **settings_of(name)}
    for words in [*map(shlex.split, BEFORE.get(name, ())), *command_lines(name)]:
        if not " ".join(words).startswith(NOT_HERE):
            # A backup is written, and a client named, where the reader would.
            words = [re.sub(r"^/var/.*/", "", word) for word in words]
            words = ["shop" if word == "CLIENT_ID" else word for word in words]
            result = shell(*words, **settings)
            assert result.exit_code == 0, (words, result.output)


def test_the_lines_of_the_login_work_as_they_stand(
    sqlite: Backend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = sqlite.seeded()
    document = (ROOT / "docs/login.md").read_text()
    with live_server(url) as server:
        somebody = reader(tmp_path)
        somebody.replaced = {"http://127.0.0.1:8000": server.url}
        printed = somebody.follow(document)
        (program,) = [block.text for block in blocks(document) if block.language == "python"]
        monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        exec(program.replace("http://127.0.0.1:8000", server.url), {})
    assert '"error"' not in printed
    assert printed.count('"access_token"') == 3
    assert '"active":false' in printed  # its login was ended a line before
    assert '"username": "alice"' in capfd.readouterr().out.replace("'", '"')


@pytest.mark.parametrize("name", documents())
def test_the_code_of_a_document_can_be_parsed(name: str) -> None:
    for block in code_of(name):
        text = block.text
        match block.language:
            case "python":
                ast.parse(textwrap.dedent(text))
            case "json":
                json.loads(text)
            case "yaml":
                yaml.safe_load(text)
            case "jinja" | "html":
                environment = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
                environment.parse(text)
            case "sh":
                checked = subprocess.run(
                    ["bash", "-n"], input=text, check=False, capture_output=True, text=True
                )
                assert checked.returncode == 0, checked.stderr
