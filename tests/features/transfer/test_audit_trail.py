"""What of an import is written into the audit trail."""

import json
from typing import Any

from passlib.hash import bcrypt

from tests.support.shell import Shell


def by_operator(shell: Shell, event_type: str) -> list[tuple[str | None, str | None, Any]]:
    """User, client and details of the events of a type; the operator has no address."""
    found = shell.events(event_type=event_type)
    assert {(e.actor, e.address, e.user_agent) for e in found} == {("operator", None, None)}
    return [(event.user_id, event.client_id, event.details) for event in found]


def test_an_import_is_written_down_with_what_it_brought(shell: Shell) -> None:
    shell.json("import", "-", stdin=json.dumps({"users": [{"username": "ada"}]}))
    ((_, _, imported),) = by_operator(shell, "records.imported")
    assert {kind: count for kind, count in imported.items() if count} == {"users": 1}


def test_what_an_import_changes_is_written_down_like_what_is_changed_by_hand(
    shell: Shell,
) -> None:
    def bring(**document: Any) -> None:
        shell.json("import", "-", stdin=json.dumps(document))

    user_id = shell.json("users", "create", "ada", "--scope", "profile")["id"]
    shell.json("scopes", "create", "reports", "--description", "Reports")
    other = bcrypt.using(rounds=4).hash("correct horse battery staple")
    ada = {"username": "ada", "scopes": ["email"], "disabled": True, "password_hash": other}
    app = {"client_id": "app", "name": "App", "grant_types": ["client_credentials"]}
    bring(scopes=[{"name": "reports", "description": "All"}], users=[ada], clients=[app])
    bring(clients=[app | {"scopes": ["reports"], "secrets": [{"secret_hash": "0" * 64}]}])
    changed = {"scopes_added": ["email"], "scopes_removed": ["profile"], "disabled": True}
    expected: dict[str, list[tuple[str | None, str | None, Any]]] = {
        "scope.changed": [(None, None, {"scope": "reports", "description": "All"})],
        "user.password_reset": [(user_id, None, {})],
        "user.changed": [(user_id, None, changed)],
        "client.changed": [(None, "app", {"scopes": ["reports"]})],
        "client.secret_rotated": [(None, "app", {})],
    }
    assert {name: by_operator(shell, name) for name in expected} == expected
    assert len(by_operator(shell, "client.created")) == 1


def test_an_import_that_changes_nothing_writes_down_that_it_ran_and_no_change(
    shell: Shell,
) -> None:
    shell.json("users", "create", "ada", "--email", "ada@example.com")
    shell.json("clients", "create", "App", "--grant", "client_credentials", "--scope", "email")
    document = shell("export", "--with-hashes").stdout
    before = len(shell.events())
    shell.json("import", "-", stdin=document)
    assert [event.type for event in shell.events()[before:]] == ["records.imported"]
