"""What the commands of an operator leave in the audit trail."""

from pathlib import Path
from typing import Any

import pytest

from app.security.jwt import generate_private_key
from tests.support.shell import Shell


def by_operator(shell: Shell, event_type: str) -> list[tuple[str | None, str | None, Any]]:
    """User, client and details of the events of a type; the operator has no address."""
    found = shell.events(event_type=event_type)
    assert {(e.actor, e.address, e.user_agent) for e in found} == {("operator", None, None)}
    return [(event.user_id, event.client_id, event.details) for event in found]


def test_keys_that_are_rotated_imported_and_retired_are_written_down(
    shell: Shell, tmp_path: Path
) -> None:
    rotated = shell.json("keys", "rotate", "--now")["kids"]
    file = tmp_path / "key.pem"
    file.write_bytes(generate_private_key("EdDSA"))
    imported = shell.json("keys", "import", str(file), "--activate")["kid"]
    shell.json("keys", "retire", imported)
    assert by_operator(shell, "key.rotated") == [(None, None, {"kid": kid}) for kid in rotated]
    assert by_operator(shell, "key.imported") == [(None, None, {"kid": imported})]
    assert by_operator(shell, "key.retired") == [(None, None, {"kid": imported})]


def test_what_an_operator_does_to_a_user_is_written_down(shell: Shell) -> None:
    user_id = shell.json("users", "create", "ada", "--scope", "profile")["id"]
    shell.json("users", "set-password", "ada")
    shell.json("users", "set-scopes", "ada", "--scope", "email")
    shell.json("users", "disable", "ada")
    shell.json("users", "enable", "ada")
    shell.json("users", "delete", "ada")
    assert by_operator(shell, "user.created") == [
        (user_id, None, {"username": "ada", "scopes": ["profile"]})
    ]
    assert by_operator(shell, "user.password_reset") == [(user_id, None, {})]
    assert by_operator(shell, "user.changed") == [
        (user_id, None, {"scopes_added": ["email"], "scopes_removed": ["profile"]}),
        (user_id, None, {"disabled": True}),
        (user_id, None, {"disabled": False}),
    ]
    assert by_operator(shell, "user.deleted") == [(user_id, None, {"username": "ada"})]


def test_what_an_operator_does_to_clients_scopes_and_records_is_written_down(
    shell: Shell, tmp_path: Path
) -> None:
    arguments = ("--client-id", "app", "--grant", "client_credentials")
    shell.json("clients", "create", "App", *arguments)
    shell.json("clients", "update", "app", "--name", "Other")
    until = shell.json("clients", "rotate-secret", "app")["old_secret_expires_at"]
    shell.json("clients", "disable", "app")
    shell.json("clients", "delete", "app")
    shell.json("scopes", "create", "reports", "--description", "Reports")
    shell.json("scopes", "delete", "reports")
    expected: dict[str, list[tuple[str | None, str | None, Any]]] = {
        "client.changed": [(None, "app", {"name": "Other"}), (None, "app", {"disabled": True})],
        "client.deleted": [(None, "app", {"name": "Other"})],
        "scope.created": [(None, None, {"scope": "reports", "description": "Reports"})],
        "scope.deleted": [(None, None, {"scope": "reports"})],
    }
    assert {name: by_operator(shell, name) for name in expected} == expected
    ((_, _, created),) = by_operator(shell, "client.created")
    assert (created["name"], created["grant_types"]) == ("App", ["client_credentials"])
    ((_, _, rotated),) = by_operator(shell, "client.secret_rotated")
    assert rotated["old_secret_expires_at"][:19] == until[:19]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("users", "delete", "nobody"), id="unknown user"),
        pytest.param(("clients", "create", "App"), id="client without a grant"),
        pytest.param(("scopes", "delete", "profile-of-nobody"), id="unknown scope"),
        pytest.param(("keys", "retire", "nothing"), id="unknown key"),
    ],
)
def test_a_command_that_is_refused_leaves_no_event(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert shell(*arguments).exit_code == 1
    assert shell.events() == []
