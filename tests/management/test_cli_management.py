"""Managing at the command line: what is printed, what is refused, and what the help says."""

import asyncio
import os
import pty
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.database.schema import ROOT
from app.identity.registration import Registration, create_client
from app.models import Client
from app.security.passwords import PasswordHasher
from app.server import Server
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.every_command import every_command
from tests.support.factories import NO_METADATA, NO_PROFILE
from tests.support.forked import OURS
from tests.support.operators import EVERY_SCOPE, THE_LAST
from tests.support.processes import development
from tests.support.shell import Shell, assert_line
from tests.support.started import started

PASSWORD = "correct horse battery staple"

UNUSED = {"password_grant_last_used_at": None, "password_grant_uses_in_30_days": 0}
"""Of a client that never used the password grant."""

SPEAK_OF_A_USER = ["account", "email", "offline_access", "openid", "profile"]


@pytest.fixture
def ada(shell: Shell) -> dict[str, Any]:
    """A user, as she was created."""
    created: dict[str, Any] = shell.json(
        "users", "create", "Ada", "--password-stdin", "--email", "ada@example.com", stdin=PASSWORD
    )
    return created


@pytest.fixture
def robot(shell: Shell) -> dict[str, Any]:
    """A client, as it was created."""
    created: dict[str, Any] = shell.json(
        "clients",
        "create",
        "Robot",
        "--client-id",
        "robot",
        "--grant",
        "client_credentials",
        "--default-scope",
        "items:read",
    )
    return created


def is_a_time(text: object) -> bool:
    moment = datetime.fromisoformat(str(text))
    return abs(datetime.now(UTC) - moment) < timedelta(minutes=5)


# users


def test_a_user_is_shown(shell: Shell, ada: dict[str, Any]) -> None:
    shown = shell.json("users", "show", "ADA")
    assert is_a_time(shown["created_at"])
    assert is_a_time(shown["updated_at"])
    assert shown == {
        "id": ada["id"],
        "username": "Ada",
        "email": "ada@example.com",
        "email_verified": False,
        **NO_PROFILE,
        "has_password": True,
        "scopes": SPEAK_OF_A_USER,
        "inherited_scopes": [],
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
        "disabled_at": None,
    }


def test_users_are_listed_by_name_as_they_are_shown(shell: Shell, ada: dict[str, Any]) -> None:
    assert ada
    shell.json("users", "create", "bob")
    shell.json("users", "create", "Abe")
    listed = shell.json("users", "list")
    assert [user["username"] for user in listed] == ["Abe", "Ada", "bob"]
    assert listed[1] == shell.json("users", "show", "ada")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("[/bold]", "[/bold]", id="markup"),
        pytest.param(":boom: [red]x[/red]", ":boom: [red]x[/red]", id="emoji and colour"),
        pytest.param("a\u2028b", "a\\u2028b", id="line separator"),
    ],
)
def test_a_name_can_neither_break_nor_steer_the_terminal_of_an_operator(
    shell: Shell, name: str, shown: str
) -> None:
    shell.json("clients", "create", name, "--client-id", "app", "--grant", "password")
    for command in (("clients", "list"), ("clients", "show", "app")):
        result = shell(*command)
        assert result.exit_code == 0, result.output
        assert shown in result.stdout
        assert name == shown or name not in result.stdout


def test_a_command_that_checks_no_password_starts_no_threads_to_hash_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, ada: dict[str, Any], robot: dict[str, Any]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a hasher was made")

    monkeypatch.setattr(PasswordHasher, "__init__", refuse)
    assert shell.json("users", "list")[0]["id"] == ada["id"]
    assert shell.json("users", "add-scope", "ada", "items:read")["id"] == ada["id"]
    assert shell.json("clients", "show", "robot")["created_at"] == robot["created_at"]
    for command in (("scopes", "list"), ("keys", "list"), ("audit", "list"), ("db", "check")):
        assert shell(*command).exit_code == 0


def test_no_users_are_an_empty_list(shell: Shell) -> None:
    assert shell.json("users", "list") == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(("--name", "A"), ["Abe", "Ada"], id="name"),
        pytest.param(("--disabled",), ["bob"], id="disabled"),
        pytest.param(("--enabled",), ["Abe", "Ada"], id="enabled"),
        pytest.param(("--name", "a", "--disabled"), [], id="both"),
    ],
)
def test_users_are_filtered(
    shell: Shell, ada: dict[str, Any], options: tuple[str, ...], expected: list[str]
) -> None:
    assert ada
    shell.json("users", "create", "bob")
    shell.json("users", "create", "Abe")
    shell.json("users", "disable", "bob")
    listed = shell.json("users", "list", *options)
    assert [user["username"] for user in listed] == expected


def test_more_users_than_a_page_holds_are_listed_once(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.paging.PAGE", 2)
    for name in "abcde":
        shell.json("users", "create", name)
    assert [user["username"] for user in shell.json("users", "list")] == list("abcde")


def test_a_password_is_set_from_stdin_and_not_shown(shell: Shell, ada: dict[str, Any]) -> None:
    result = shell("users", "set-password", "ada", "--password-stdin", stdin=f"{PASSWORD} again\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert PASSWORD not in result.output
    again = shell.json("users", "set-password", "ada", "--password-stdin", stdin=PASSWORD)
    assert again == {"id": ada["id"], "username": "Ada"}


def test_a_password_is_generated_and_shown_once(shell: Shell, ada: dict[str, Any]) -> None:
    passwords = [shell.json("users", "set-password", "ada")["password"] for _ in range(2)]
    assert len(set(passwords)) == 2
    assert {len(password) for password in passwords} == {43}
    assert "password" not in shell.json("users", "show", "ada")
    assert ada["id"] == shell.json("users", "show", "ada")["id"]


def test_a_person_is_told_that_a_password_is_shown_once(shell: Shell, ada: dict[str, Any]) -> None:
    assert ada
    assert "The password is shown only once." in shell("users", "set-password", "ada").stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            ("--scope", "items:read", "--scope", "email"), ["email", "items:read"], id="2"
        ),
        pytest.param((), [], id="none"),
        pytest.param(("--scope", "email", "--scope", "email"), ["email"], id="the same twice"),
    ],
)
def test_a_user_is_given_exactly_the_scopes_that_are_named(
    shell: Shell, ada: dict[str, Any], options: tuple[str, ...], expected: list[str]
) -> None:
    before = shell.json("users", "show", "ada")
    changed = shell.json("users", "set-scopes", "ada", *options)
    assert changed == before | {"scopes": expected, "updated_at": changed["updated_at"]}
    assert shell.json("users", "show", "ada") == changed
    assert changed["id"] == ada["id"]


@pytest.mark.parametrize(
    ("command", "scopes", "expected"),
    [
        pytest.param("add-scope", ["items:read"], ["email", "items:read", "profile"], id="more"),
        pytest.param(
            "add-scope",
            ["items:read", "items:write"],
            ["email", "items:read", "items:write", "profile"],
            id="several",
        ),
        pytest.param("add-scope", ["email"], ["email", "profile"], id="one that they have"),
        pytest.param("remove-scope", ["email"], ["profile"], id="less"),
        pytest.param("remove-scope", ["email", "profile"], [], id="all"),
        pytest.param("remove-scope", ["items:read"], ["email", "profile"], id="one they lack"),
    ],
)
def test_single_scopes_of_a_user_come_and_go_and_the_others_stay(
    shell: Shell, ada: dict[str, Any], command: str, scopes: list[str], expected: list[str]
) -> None:
    before = shell.json("users", "set-scopes", "ada", "--scope", "profile", "--scope", "email")
    changed = shell.json("users", command, "ada", *scopes)
    assert changed == before | {"scopes": expected, "updated_at": changed["updated_at"]}
    assert shell.json("users", "show", "ada") == changed
    assert changed["id"] == ada["id"]


@pytest.mark.parametrize("command", ["add-scope", "remove-scope"])
@pytest.mark.parametrize("noun", ["users", "clients"])
def test_a_single_scope_that_there_is_not_is_refused_in_one_line(
    shell: Shell, ada: dict[str, Any], robot: dict[str, Any], noun: str, command: str
) -> None:
    name = {"users": "ada", "clients": "robot"}[noun]
    before = shell.json(noun, "show", name)
    assert_line(shell(noun, command, name, "nothing"), "there is no scope 'nothing'")
    assert shell.json(noun, "show", name) == before
    assert ada["username"] == "Ada"
    assert robot["client_id"] == "robot"


def test_the_last_administrator_keeps_the_single_scopes_of_one(shell: Shell) -> None:
    shell.json("users", "create", "root", "--scope", "users:write")
    assert_line(shell("users", "remove-scope", "root", "users:write"), THE_LAST)
    assert shell.json("users", "show", "root")["scopes"] == ["users:write"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param((), {}, id="nothing"),
        pytest.param(("--email-verified",), {"email_verified": True}, id="verified"),
        pytest.param(("--email", "new@example.com"), {"email": "new@example.com"}, id="address"),
        pytest.param(
            ("--email", "new@example.com", "--email-verified"),
            {"email": "new@example.com", "email_verified": True},
            id="address that is verified",
        ),
        pytest.param(("--email", ""), {"email": None}, id="no address"),
    ],
)
def test_a_user_is_changed_where_an_option_says_so(
    shell: Shell, ada: dict[str, Any], options: tuple[str, ...], expected: dict[str, Any]
) -> None:
    del ada["created_at"]
    changed = shell.json("users", "update", "ada", *options)
    assert changed == changed | ada | expected | {"updated_at": changed["updated_at"]}
    assert shell.json("users", "show", "ada") == changed


def test_a_new_address_is_not_verified(shell: Shell, ada: dict[str, Any]) -> None:
    assert shell.json("users", "update", "ada", "--email-verified")["email_verified"] is True
    changed = shell.json("users", "update", "ada", "--email", "other@example.com")
    assert changed["email_verified"] is False
    assert shell.json("users", "update", "ada", "--no-email-verified") | {
        "updated_at": ""
    } == changed | {"updated_at": ""}
    assert changed["id"] == ada["id"]


def test_an_address_that_is_none_is_refused_in_one_line(shell: Shell, ada: dict[str, Any]) -> None:
    result = shell("users", "update", "ada", "--email", "ada")
    assert_line(result, "an e-mail address must have the form name@domain")
    assert shell.json("users", "show", "ada")["email"] == ada["email"]


def test_a_user_who_failed_too_often_logs_in_at_once_when_unlocked(
    shell: Shell, ada: dict[str, Any]
) -> None:
    options = ("--public", "--grant", "password", "--default-scope", "profile")
    shell.json("clients", "create", "App", "--client-id", "app", *options)

    def log_in(*passwords: str) -> list[int]:
        async def main() -> list[int]:
            form = {"grant_type": "password", "username": "ada", "client_id": "app"}
            async with started(shell.application(login_max_failures=2)) as http:
                return [
                    (await http.post("/token", data=form | {"password": each})).status_code
                    for each in passwords
                ]

        return asyncio.run(main())

    assert log_in("wrong", "wrong", PASSWORD) == [400, 400, 429]
    unlocked = shell.json("users", "unlock", "ada")
    assert unlocked == {"id": ada["id"], "username": "Ada", "unlocked": True}
    assert log_in(PASSWORD) == [200]
    assert shell.json("users", "unlock", "ada")["unlocked"] is False
    assert len(shell.events(event_type="login.unlocked", user_id=ada["id"])) == 1


def test_a_user_is_disabled_and_enabled(shell: Shell, ada: dict[str, Any]) -> None:
    assert ada
    disabled = shell.json("users", "disable", "ada")
    assert is_a_time(disabled["disabled_at"])
    assert shell.json("users", "show", "ada") == disabled
    assert shell.json("users", "enable", "ada")["disabled_at"] is None


def test_an_argument_that_is_not_utf8_is_refused_in_one_line(shell: Shell) -> None:
    """Python has each byte that is none as half of a surrogate pair."""
    assert_line(shell("users", "show", "\udcff"), "the input is not UTF-8")


def test_the_first_administrator_has_every_scope_there_is(shell: Shell) -> None:
    shell.json("scopes", "create", "reports:read", "--description", "Read your reports")
    root = shell.json("users", "create", "root", "--all-scopes")
    assert root["scopes"] == [scope["name"] for scope in shell.json("scopes", "list")]
    assert set(root["scopes"]) >= {*EVERY_SCOPE, "reports:read"}


def test_a_user_is_deleted(shell: Shell, ada: dict[str, Any]) -> None:
    assert shell.json("users", "delete", "ada") == {
        "id": ada["id"],
        "username": "Ada",
        "deleted": True,
    }
    assert shell.json("users", "list") == []


@pytest.mark.parametrize(
    "command",
    ["show", "set-password", "set-scopes", "update", "unlock", "disable", "enable", "delete"],
)
def test_a_user_who_is_not_there_is_refused_in_one_line(shell: Shell, command: str) -> None:
    assert_line(shell("users", command, "nobody"), "there is no user 'nobody'")


@pytest.mark.parametrize("command", ["disable", "delete", "set-scopes"])
def test_the_last_administrator_stays(shell: Shell, command: str) -> None:
    shell.json("users", "create", "root", "--scope", "users:write")
    before = shell.json("users", "list")
    assert_line(shell("users", command, "root"), THE_LAST)
    assert shell.json("users", "list") == before


def test_an_unknown_scope_is_refused_in_one_line(shell: Shell, ada: dict[str, Any]) -> None:
    assert ada
    before = shell.json("users", "show", "ada")
    result = shell("users", "set-scopes", "ada", "--scope", "nothing")
    assert_line(result, "there is no scope 'nothing'")
    assert shell.json("users", "show", "ada") == before


def test_a_password_that_breaks_a_rule_is_refused_in_one_line(
    shell: Shell, ada: dict[str, Any]
) -> None:
    assert ada
    result = shell("users", "set-password", "ada", "--password-stdin", stdin="short")
    assert_line(result, "a password must have at least 15 characters")


# clients


def test_a_client_is_shown_without_its_secret(shell: Shell, robot: dict[str, Any]) -> None:
    del robot["client_secret"]
    shown = shell.json("clients", "show", "robot")
    assert is_a_time(shown["created_at"])
    assert shown == {
        **NO_METADATA,
        "client_id": "robot",
        "name": "Robot",
        "public": False,
        "grant_types": ["client_credentials"],
        "auth_methods": ["client_secret_basic", "client_secret_post"],
        "scopes": ["items:read"],
        "default_scopes": ["items:read"],
        "every_scope": False,
        "created_at": shown["created_at"],
        "updated_at": shown["created_at"],
        "disabled_at": None,
        "self_registered": False,
        **UNUSED,
    }
    assert shown == robot | UNUSED


def test_clients_are_listed_by_id_as_they_are_shown(shell: Shell, robot: dict[str, Any]) -> None:
    assert robot
    arguments = ("--client-id", "app", "--public", "--grant", "password")
    shell.json("clients", "create", "App", *arguments)
    shell.json("clients", "disable", "app")
    listed = shell.json("clients", "list")
    assert [client["client_id"] for client in listed] == ["app", "robot"]
    assert listed[1] == shell.json("clients", "show", "robot")
    assert shell.json("clients", "list", "--disabled") == [listed[0]]
    assert shell.json("clients", "list", "--enabled") == [listed[1]]


def test_more_clients_than_a_page_holds_are_listed_once(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.paging.PAGE", 2)
    for name in "abcde":
        shell.json("clients", "create", name, "--client-id", name, "--grant", "password")
    listed = shell.json("clients", "list")
    assert [client["client_id"] for client in listed] == list("abcde")


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        pytest.param(("--name", "Other"), {"name": "Other"}, id="name"),
        pytest.param(
            ("--grant", "password", "--grant", "refresh_token"),
            {"grant_types": ["password", "refresh_token"]},
            id="grants",
        ),
        pytest.param(
            ("--redirect-uri", "https://app.example.com/"),
            {"redirect_uris": ["https://app.example.com/"]},
            id="redirect URI",
        ),
        pytest.param(
            ("--post-logout-redirect-uri", "https://app.example.com/"),
            {"post_logout_redirect_uris": ["https://app.example.com/"]},
            id="logout URI",
        ),
        pytest.param(
            ("--scope", "email"),
            {"scopes": ["email"], "default_scopes": []},
            id="scopes without the default one",
        ),
        pytest.param(
            ("--scope", "email", "--scope", "items:read"),
            {"scopes": ["email", "items:read"]},
            id="scopes with the default one",
        ),
        pytest.param(("--scope", ""), {"scopes": [], "default_scopes": []}, id="no scope"),
        pytest.param(
            ("--scope", "email", "--default-scope", "items:write"),
            {"scopes": ["email", "items:write"], "default_scopes": ["items:write"]},
            id="default scope",
        ),
        pytest.param(
            ("--auth-method", "client_secret_post"),
            {"auth_methods": ["client_secret_post"]},
            id="method",
        ),
        pytest.param(("--id-token-alg", "EdDSA"), {"id_token_alg": "EdDSA"}, id="algorithm"),
        pytest.param(("--no-pkce",), {"require_pkce": False}, id="without PKCE"),
        pytest.param(("--pkce",), {}, id="with PKCE"),
        pytest.param(
            ("--scope", "", "--default-scope", ""),
            {"scopes": [], "default_scopes": []},
            id="no scopes any more",
        ),
        pytest.param(
            ("--redirect-uri", "", "--post-logout-redirect-uri", ""), {}, id="no redirect URIs"
        ),
        pytest.param(("--introspect", "any"), {"introspect": "any"}, id="introspection"),
        pytest.param((), {}, id="nothing"),
    ],
)
def test_a_client_is_changed_where_an_option_says_so(
    shell: Shell, robot: dict[str, Any], options: tuple[str, ...], changes: dict[str, Any]
) -> None:
    del robot["client_secret"]
    changed = shell.json("clients", "update", "robot", *options)
    assert changed == robot | changes | {"updated_at": changed["updated_at"]}
    assert shell.json("clients", "show", "robot") == changed | UNUSED


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        pytest.param(
            ("add-scope", "robot", "email", "items:write"),
            {"scopes": ["email", "items:read", "items:write"]},
            id="more",
        ),
        pytest.param(
            ("add-scope", "robot", "items:write", "--default"),
            {
                "scopes": ["items:read", "items:write"],
                "default_scopes": ["items:read", "items:write"],
            },
            id="more by default",
        ),
        pytest.param(("add-scope", "robot", "items:read"), {}, id="one that it has"),
        pytest.param(
            ("remove-scope", "robot", "items:read"),
            {"scopes": [], "default_scopes": []},
            id="less, and by default",
        ),
        pytest.param(("remove-scope", "robot", "email"), {}, id="one that it lacks"),
    ],
)
def test_single_scopes_of_a_client_come_and_go_and_the_others_stay(
    shell: Shell, robot: dict[str, Any], arguments: tuple[str, ...], changes: dict[str, Any]
) -> None:
    del robot["client_secret"]
    changed = shell.json("clients", *arguments)
    assert changed == robot | changes | {"updated_at": changed["updated_at"]}
    assert shell.json("clients", "show", "robot") == changed | UNUSED


def test_a_client_with_every_scope_keeps_those_to_come_when_one_is_added(shell: Shell) -> None:
    async def register(server: Server) -> None:
        docs = Registration(client_id="docs", name="Docs", public=True, grant_types=["password"])
        async with server.database.transaction() as connection:
            await create_client(connection, docs, server.clock.now(), every_scope=True)

    shell.ask(register)
    changed = shell.json("clients", "add-scope", "docs", "email", "--default")
    assert (changed["every_scope"], changed["default_scopes"]) == (True, ["email"])
    assert shell.json("clients", "remove-scope", "docs", "email")["every_scope"] is False


def test_a_secret_is_rotated_and_shown_once(shell: Shell, robot: dict[str, Any]) -> None:
    rotated = shell.json("clients", "rotate-secret", "robot")
    assert set(rotated) == {"client_id", "client_secret", "old_secret_expires_at"}
    assert (rotated["client_id"], len(rotated["client_secret"])) == ("robot", 43)
    assert rotated["client_secret"] != robot["client_secret"]
    good_for = datetime.fromisoformat(rotated["old_secret_expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < good_for <= timedelta(days=7)
    assert "The secret is shown only once." in shell("clients", "rotate-secret", "robot").stdout


def test_a_secret_that_leaked_expires_at_once(shell: Shell, robot: dict[str, Any]) -> None:
    assert robot
    rotated = shell.json("clients", "rotate-secret", "robot", "--overlap", "0")
    assert datetime.fromisoformat(rotated["old_secret_expires_at"]) <= datetime.now(UTC)


def test_a_client_is_disabled_enabled_and_deleted(shell: Shell, robot: dict[str, Any]) -> None:
    assert robot
    disabled = shell.json("clients", "disable", "robot")
    assert is_a_time(disabled["disabled_at"])
    assert shell.json("clients", "enable", "robot")["disabled_at"] is None
    assert shell.json("clients", "delete", "robot") == {"client_id": "robot", "deleted": True}
    assert shell.json("clients", "list") == []


@pytest.mark.parametrize(
    "command", ["show", "update", "rotate-secret", "disable", "enable", "delete"]
)
def test_a_client_that_is_not_there_is_refused_in_one_line(shell: Shell, command: str) -> None:
    assert_line(shell("clients", command, "nobody"), "There is no such client.")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param(
            ("--redirect-uri", "http://app.example.com/"),
            "a redirect URI must use https, except on the loopback interface",
            id="redirect URI",
        ),
        pytest.param(("--scope", "nothing"), "there is no scope 'nothing'", id="scope"),
        pytest.param(
            ("--introspect", "all"), "introspect: Input should be 'own' or 'any'", id="other"
        ),
        pytest.param(
            ("--id-token-alg", "none"),
            "id_token_alg: Input should be 'RS256', 'ES256' or 'EdDSA'",
            id="none",
        ),
        pytest.param(
            ("--auth-method", "none"),
            "auth_methods.0: Input should be 'client_secret_basic' or 'client_secret_post'",
            id="method",
        ),
        pytest.param(("--name", " "), "a client name must have 1 to 255 characters", id="name"),
    ],
)
def test_a_change_that_breaks_a_rule_is_refused_and_changes_nothing(
    shell: Shell, robot: dict[str, Any], options: tuple[str, ...], line: str
) -> None:
    del robot["client_secret"]
    assert_line(shell("clients", "update", "robot", *options), line)
    assert shell.json("clients", "show", "robot") == robot | UNUSED


def test_a_client_that_a_rule_of_today_refuses_can_be_disabled(shell: Shell) -> None:
    arguments = ("--client-id", "web", "--grant", "client_credentials")
    shell.json("clients", "create", "Web", *arguments)

    async def age() -> None:
        server = Server(make_settings(database_url=shell.url), TestClock())
        async with server.database.transaction() as connection:
            await connection.execute(update(Client).values(is_public=True))
        await server.close()

    asyncio.run(age())
    assert shell.json("clients", "disable", "web")["disabled_at"]
    result = shell("clients", "update", "web", "--name", "Other")
    assert_line(
        result, "client_credentials is only for confidential clients (RFC 6749, section 4.4)"
    )


# On a terminal


def on_a_terminal(shell: Shell, folder: Path, *arguments: str, typed: str = "") -> str:
    """What a terminal of 80 columns shows when a command was run there."""
    ours, its = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **development(shell.url)}
    shown = b""
    with open(its, "r+b", buffering=0) as terminal:
        streams = (terminal, terminal, terminal)
        process = OURS.start(
            *("app", *arguments), environment=environment, folder=folder, streams=streams
        )
    for line in typed.splitlines(keepends=True):
        while not shown.endswith(b": "):
            shown += os.read(ours, 1024)
        os.write(ours, line.encode())
        shown += os.read(ours, 1024)
    with suppress(OSError):  # which Linux raises at the end
        while more := os.read(ours, 1024):
            shown += more
    os.close(ours)
    process.stop()
    return shown.decode()


def test_a_password_is_typed_blindly_and_twice(shell: Shell, tmp_path: Path) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    arguments = ("users", "create", "ada", "--password-stdin")
    shown = on_a_terminal(shell, tmp_path, *arguments, typed=typed)
    assert ("Password: " in shown, "Repeat for confirmation: " in shown) == (True, True)
    assert PASSWORD not in shown
    assert shell.json("users", "show", "ada")["has_password"]


def test_a_list_on_a_terminal_has_a_line_for_each_record(shell: Shell, tmp_path: Path) -> None:
    for name in ("ada", "bob", "cyd"):
        shell.json("users", "create", name, "--email", f"{name}@example.com")
    lines = on_a_terminal(shell, tmp_path, "users", "list").splitlines()
    drawn = [re.sub(r"\x1b\[\d*m", "", line) for line in lines if not line.startswith("Too")]
    assert {len(line) for line in drawn} <= set(range(81))
    assert [name for name in ("ada", "bob", "cyd") for line in lines if name in line] == [
        "ada",
        "bob",
        "cyd",
    ]


def test_what_has_no_room_on_the_terminal_is_named(shell: Shell, tmp_path: Path) -> None:
    ada = shell.json("users", "create", "ada", "--email", "ada@example.com")
    table, _, told = on_a_terminal(shell, tmp_path, "users", "list").partition("Too narrow for: ")
    for name in ("id", "username", "email"):
        assert ada[name] in table
    for name in ("scopes", "created_at", "updated_at", "disabled_at"):
        assert name in told
        assert name not in table


def test_a_column_that_tells_lines_apart_stays_longer(shell: Shell, tmp_path: Path) -> None:
    for name in ("ada", "bob"):
        shell.json("users", "create", name)
    shell.json("users", "update", "ada", "--email", "a@example.com", "--email-verified")
    table, _, told = on_a_terminal(shell, tmp_path, "users", "list").partition("Too narrow for: ")
    assert "has_password" in told, "True for everybody"
    assert "email" in table


def test_no_value_is_cut_where_the_terminal_is_narrow(shell: Shell, tmp_path: Path) -> None:
    name = "n" * 100
    shell.json("clients", "create", name, "--client-id", "c" * 200, "--grant", "password")
    shown = on_a_terminal(shell, tmp_path, "clients", "list")
    assert "\u2026" not in shown
    assert "c" * 200 in re.sub(r"[\s│]", "", shown), "folded, and whole"
    assert name in re.sub(r"[\s│]", "", shown)


def test_a_list_in_a_pipe_is_lines_of_values_between_tabs(shell: Shell) -> None:
    ada = shell.json("users", "create", "ada")
    bob = shell.json("users", "create", "bob", "--email", "bob@example.com")
    header, *lines = shell("users", "list").stdout.splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    assert [row["id"] for row in rows] == [ada["id"], bob["id"]]
    assert [row["email"] for row in rows] == ["-", "bob@example.com"]
    assert rows[0]["scopes"] == " ".join(SPEAK_OF_A_USER)


def test_an_empty_list_in_a_pipe_is_no_line(shell: Shell) -> None:
    assert shell("users", "list").stdout == ""


def test_a_record_in_a_pipe_is_a_line_for_each_field(shell: Shell) -> None:
    ada = shell.json("users", "create", "ada")
    lines = shell("users", "show", "ada").stdout.splitlines()
    assert dict(line.split("\t") for line in lines)["id"] == ada["id"]


# scopes


def test_scopes_are_listed_by_name(shell: Shell) -> None:
    listed = shell.json("scopes", "list")
    names = [scope["name"] for scope in listed]
    assert names == sorted(names)
    assert set(names) >= set(EVERY_SCOPE)
    assert all(set(scope) == {"name", "description"} and scope["description"] for scope in listed)


def test_a_scope_is_created_and_deleted(shell: Shell) -> None:
    scope = {"name": "reports:read", "description": "Read your reports"}
    arguments = ("reports:read", "--description", "Read your reports")
    assert shell.json("scopes", "create", *arguments) == scope
    assert scope in shell.json("scopes", "list")
    assert_line(shell("scopes", "create", *arguments), "the scope reports:read already exists")
    assert shell.json("scopes", "delete", "reports:read") == {
        "name": "reports:read",
        "deleted": True,
    }
    assert scope not in shell.json("scopes", "list")


def test_a_scope_is_described_otherwise(shell: Shell) -> None:
    shell.json("scopes", "create", "reports:read", "--description", "Read your reports")
    described = {"name": "reports:read", "description": "See your reports"}
    assert shell.json("scopes", "update", "reports:read", "--description", "See your reports") == (
        described
    )
    assert described in shell.json("scopes", "list")
    assert_line(
        shell("scopes", "update", "reports:read", "--description", " "),
        "a scope description must have 1 to 255 characters",
    )
    assert_line(
        shell("scopes", "update", "nothing", "--description", "Any"), "There is no such scope."
    )


def test_a_scope_in_use_is_not_deleted(shell: Shell, ada: dict[str, Any]) -> None:
    assert ada
    shell.json("scopes", "create", "reports", "--description", "Read reports")
    shell.json("users", "set-scopes", "ada", "--scope", "reports")
    assert_line(
        shell("scopes", "delete", "reports"),
        "users have the scope reports: remove it from them first",
    )


def test_a_built_in_scope_is_not_deleted(shell: Shell) -> None:
    line = "This scope is built in and cannot be deleted: the server itself requires it."
    assert_line(shell("scopes", "delete", "openid"), line)


def test_a_scope_that_is_not_there_is_refused_in_one_line(shell: Shell) -> None:
    assert_line(shell("scopes", "delete", "nothing"), "There is no such scope.")


# audit


def test_events_are_listed_by_who_did_them(shell: Shell, ada: dict[str, Any]) -> None:
    (event,) = shell.json("audit", "list", "--actor", "operator")
    assert (event["type"], event["user_id"]) == ("user.created", ada["id"])
    assert shell.json("audit", "list", "--actor", ada["id"]) == []


def test_a_type_of_event_that_there_is_not_is_bad_usage(shell: Shell) -> None:
    result = shell("audit", "list", "--type", "login.suceeded")
    assert (result.exit_code, result.stdout) == (2, "")


def test_events_are_listed_newest_first(shell: Shell, ada: dict[str, Any]) -> None:
    shell.json("users", "disable", "ada")
    newest, oldest = shell.json("audit", "list")
    assert is_a_time(newest["at"])
    assert newest == {
        "id": newest["id"],
        "at": newest["at"],
        "type": "user.changed",
        "actor": "operator",
        "user_id": ada["id"],
        "client_id": None,
        "address": None,
        "user_agent": None,
        "request_id": None,
        "details": {"disabled": True},
    }
    assert (oldest["type"], oldest["details"]) == (
        "user.created",
        {"username": "Ada", "scopes": SPEAK_OF_A_USER},
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(("--user", "ADA"), ["user.created"], id="name of a user"),
        pytest.param(("--user", "{id}"), ["user.created"], id="id of a user"),
        pytest.param(("--since", "1h"), ["client.created", "user.created"], id="an hour ago"),
        pytest.param(("--since", "0m"), [], id="no time ago"),
        pytest.param(("--until", "15m"), [], id="older than minutes"),
        pytest.param(("--until", "2w", "--since", "9999d"), [], id="older than weeks"),
        pytest.param(("--until", "2999-01-01"), ["client.created", "user.created"], id="until"),
        pytest.param(("--client", "robot"), ["client.created"], id="client"),
        pytest.param(("--type", "client.created"), ["client.created"], id="type"),
        pytest.param(("--limit", "1"), ["client.created"], id="limit"),
        pytest.param(("--since", "2020-01-01"), ["client.created", "user.created"], id="day"),
        pytest.param(("--since", "2999-01-01"), [], id="a day to come"),
        pytest.param(("--since", "2999-01-01T00:00:00"), [], id="time"),
        pytest.param(("--since", "2999-01-01T00:00:00+02:00"), [], id="time with a zone"),
        pytest.param(("--since", "2999-01-01T00:00:00Z"), [], id="time in UTC"),
        pytest.param(("--since", "2999-01-01T00:00:00.123456Z"), [], id="time as the API writes"),
        pytest.param(("--since", "2999-01-01T00:00Z"), [], id="time without seconds"),
    ],
)
def test_events_are_filtered(
    shell: Shell,
    ada: dict[str, Any],
    robot: dict[str, Any],
    options: tuple[str, ...],
    expected: list[str],
) -> None:
    assert robot
    arguments = [option.replace("{id}", ada["id"]) for option in options]
    assert [event["type"] for event in shell.json("audit", "list", *arguments)] == expected


def test_the_trail_of_nobody_is_refused_in_one_line(shell: Shell) -> None:
    """An empty list would say that a user who was misspelt did nothing."""
    line = "There is no user with that name. Look up deleted users by id."
    assert_line(shell("audit", "list", "--user", "nobody"), line)


def test_the_trail_of_a_user_who_was_deleted_is_found_by_id(
    shell: Shell, ada: dict[str, Any]
) -> None:
    shell.json("users", "delete", "ada")
    found = shell.json("audit", "list", "--user", ada["id"])
    assert [event["type"] for event in found] == ["user.deleted", "user.created"]


def test_a_person_reads_names_in_the_trail_and_ids_of_who_is_gone(
    shell: Shell, ada: dict[str, Any]
) -> None:
    shell.json("users", "set-scopes", "ada", "--scope", "profile", "--scope", "email")
    bob = shell.json("users", "create", "bob", "--scope", "profile")["id"]
    shell.json("users", "delete", "bob")
    lines = shell("audit", "list").stdout.splitlines()
    assert lines[0].split("\t") == [
        *("at", "type", "user", "by", "client", "address", "user agent", "details")
    ]
    deleted, created, changed, _ = [line for line in lines if "operator" in line]
    assert (bob in deleted, bob in created) == (True, True)
    assert ("Ada" in changed, ada["id"] in changed) == (True, False)
    assert "scopes_added: " not in changed or "scopes_removed: account" in changed


# purge


def test_a_purge_counts_what_it_deleted_and_leaves_the_trail(
    shell: Shell, ada: dict[str, Any]
) -> None:
    assert ada
    deleted = shell.json("purge")
    assert {"logins", "revoked_tokens"} <= set(deleted)
    assert set(deleted.values()) == {0}
    assert "audit_events" not in deleted
    assert len(shell.json("audit", "list")) == 1


def test_a_purge_of_the_trail_keeps_what_is_younger(shell: Shell, ada: dict[str, Any]) -> None:
    assert ada
    assert shell.json("purge", "--audit-days", "1")["audit_events"] == 0
    assert [event["type"] for event in shell.json("audit", "list")] == [
        "trail.purged",
        "user.created",
    ]


# Bad usage


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("users", "show"), id="user missing"),
        pytest.param(("users", "set-password", "ada", PASSWORD), id="password as an argument"),
        pytest.param(("users", "set-password", "ada", "--password", PASSWORD), id="as an option"),
        pytest.param(("users", "create", "a", "--all-scopes", "--scope", "email"), id="both"),
        pytest.param(("users", "list", "--limit", "1"), id="unknown option"),
        pytest.param(("users", "rename", "ada"), id="unknown command"),
        pytest.param(("clients", "show"), id="client missing"),
        pytest.param(("clients", "rotate-secret", "robot", "secret"), id="secret as an argument"),
        pytest.param(("clients", "rotate-secret", "robot", "--overlap", "-1"), id="negative"),
        pytest.param(("clients", "update", "robot", "--client-secret", "x"), id="secret option"),
        pytest.param(("scopes", "create", "reports"), id="description missing"),
        pytest.param(("scopes", "delete"), id="scope missing"),
        pytest.param(("audit", "list", "--since", "yesterday"), id="no time"),
        pytest.param(("audit", "list", "--since", "12"), id="no unit"),
        pytest.param(("audit", "list", "--until", "999999w"), id="before the calendar"),
        pytest.param(("audit", "list", "--limit", "0"), id="no limit"),
        pytest.param(("purge", "--audit-days", "0"), id="no days"),
        pytest.param(("purge", "--audit-days", "many"), id="no number"),
        pytest.param(("keys", "import"), id="file missing"),
        pytest.param(("purge", "file.json"), id="argument too many"),
    ],
)
def test_bad_usage_is_exit_code_2_and_nothing_on_stdout(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    result = shell(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


# Help


EVERY_COMMAND = dict(every_command())
LEAVES = [words for words, command in EVERY_COMMAND.items() if not hasattr(command, "commands")]


def test_every_command_that_scripts_rely_on_is_there() -> None:
    assert {words.removeprefix("latchkey ") for words in LEAVES} >= {
        "serve",
        "seed-demo",
        "purge",
        "db upgrade",
        "db check",
        "db downgrade",
        *(f"users {name}" for name in ("create", "list", "show", "set-password", "set-scopes")),
        *(f"users {name}" for name in ("disable", "enable", "delete")),
        *(f"clients {name}" for name in ("create", "list", "show", "update", "rotate-secret")),
        *(f"clients {name}" for name in ("disable", "enable", "delete")),
        *(f"scopes {name}" for name in ("create", "list", "delete")),
        *(f"keys {name}" for name in ("list", "rotate", "retire", "import")),
        "audit list",
        "doctor",
    }


@pytest.mark.parametrize("words", EVERY_COMMAND)
def test_every_command_has_a_help_text_that_is_a_sentence(words: str) -> None:
    text = EVERY_COMMAND[words].help or ""
    assert text.rstrip().endswith(".")
    assert text[0].isupper()


@pytest.mark.parametrize("words", LEAVES)
def test_every_argument_and_option_has_a_help_text(words: str) -> None:
    parameters = EVERY_COMMAND[words].params
    silent = [each.name for each in parameters if not getattr(each, "help", None)]
    assert silent == []


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_that_ends_prints_json_if_it_is_asked(words: str) -> None:
    names = {name for each in EVERY_COMMAND[words].params for name in each.opts}
    assert ("--json" in names) is (words not in ("latchkey serve", "latchkey dev"))


@pytest.mark.parametrize("words", LEAVES)
def test_no_command_takes_a_secret_as_an_argument(words: str) -> None:
    """What is in an argument is in the shell's history and in the list of processes."""
    for each in EVERY_COMMAND[words].params:
        name = str(each.name)
        if name.endswith("_id"):
            continue  # it names one, and opens nothing
        if any(part in name for part in ("password", "secret", "passphrase")):
            assert each.param_type_name == "option", name
            assert each.is_flag, name
            assert name.endswith("_stdin")


@pytest.mark.parametrize("words", EVERY_COMMAND)
def test_help_is_printed_for_every_command(shell: Shell, words: str) -> None:
    result = shell(*words.split()[1:], "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Usage: " in result.stdout


def test_completion_can_be_installed(shell: Shell) -> None:
    assert "--install-completion" in shell("--help").stdout
