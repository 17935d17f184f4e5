"""Resources in a file of ``latchkey apply``."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.features import beside
from tests.support.databases import Backend
from tests.support.shell import Shell

pytestmark = beside("apply")

DECLARED = """
scopes: [{name: orders:read, description: Read your orders}]
clients: [{client_id: app, name: App, public: true, grant_types: [password]}]
resources:
  - identifier: https://api.example.com/orders
    name: Orders
    scopes: [orders:read]
    clients: [app]
"""


@pytest.fixture
def shell(sqlite: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Shell]:
    monkeypatch.chdir(tmp_path)
    url = sqlite.migrated()
    yield Shell(url)
    sqlite.drop(url)


def apply(shell: Shell, document: str) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = shell.json("apply", "-", stdin=document)
    return changes


def test_a_resource_is_as_the_file_says(shell: Shell) -> None:
    changes = apply(shell, DECLARED)
    assert [(each["kind"], each["change"]) for each in changes][-1] == ("resource", "created")
    (found,) = shell.json("resources", "list")
    assert (found["name"], found["scopes"], found["clients"]) == (
        "Orders",
        ["orders:read"],
        ["app"],
    )
    assert apply(shell, DECLARED) == []


def test_a_change_of_a_resource_is_told_and_it_is_found_in_any_spelling(shell: Shell) -> None:
    apply(shell, DECLARED)
    other = DECLARED.replace("https://api.example.com", "HTTPS://API.example.com:443")
    (change,) = apply(shell, other.replace("    clients: [app]\n", ""))
    assert change["fields"] == {"clients": [["app"], []]}


def test_a_resource_is_deleted_if_it_is_to_be_absent(shell: Shell) -> None:
    apply(shell, DECLARED)
    absent = "resources: [{identifier: https://api.example.com/orders, absent: true}]"
    (change,) = apply(shell, absent)
    assert change["change"] == "deleted"
    assert shell.json("resources", "list") == []
    assert apply(shell, absent) == []
