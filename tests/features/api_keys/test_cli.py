"""``latchkey api-keys``, as an operator types it."""

import json
import re
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.features.api_keys.service import use_api_key
from app.login.user_keys import UserKey
from app.server import Server
from tests.support.on_sqlite import backend as backend
from tests.support.shell import Shell, assert_line

PASSWORD = "correct horse battery staple"

RECORD = [
    "id",
    "owner",
    "name",
    "prefix",
    "scopes",
    "created_at",
    "expires_at",
    "last_used_at",
    "revoked_at",
]


def holder(latchkey: Shell, key: str) -> UserKey | None:
    async def work(server: Server) -> UserKey | None:
        return await use_api_key(server.database, key, server.clock.now())

    return latchkey.ask(work)


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line, with the user alice."""
    monkeypatch.chdir(tmp_path)
    made = Shell(database_url)
    scopes = [part for name in ("profile", "items:read") for part in ("--scope", name)]
    made.json("users", "create", "Alice", "--password-stdin", *scopes, stdin=PASSWORD)
    return made


def test_a_key_is_made_and_shown_once(latchkey: Shell) -> None:
    arguments = ("--name", "backup", "--scope", "profile", "--scope", "items:read")
    record = latchkey.json("api-keys", "create", "alice", *arguments, "--expires-in", "60")
    assert list(record) == [*RECORD, "key"]
    key = record.pop("key")
    assert re.fullmatch(r"lk_[A-Za-z0-9]{49}", key)
    created, expires = (datetime.fromisoformat(record[n]) for n in ("created_at", "expires_at"))
    assert expires - created == timedelta(seconds=60)
    assert record == {
        "id": str(uuid.UUID(record["id"])),
        "owner": "Alice",
        "name": "backup",
        "prefix": key[:11],
        "scopes": ["items:read", "profile"],
        "created_at": record["created_at"],
        "expires_at": record["expires_at"],
        "last_used_at": None,
        "revoked_at": None,
    }
    listed = latchkey("api-keys", "list", "--json")
    assert json.loads(listed.stdout) == [record]
    assert key not in listed.output


def test_a_key_that_was_made_is_good(latchkey: Shell) -> None:
    record = latchkey.json("api-keys", "create", "alice", "--scope", "items:read")
    found = holder(latchkey, record["key"])
    assert found is not None
    assert (found.user.username, found.permitted) == ("Alice", frozenset({"items:read"}))


def test_without_options_a_key_has_no_scope_a_year_and_a_name(latchkey: Shell) -> None:
    record = latchkey.json("api-keys", "create", "alice")
    lifetime = datetime.fromisoformat(record["expires_at"]) - datetime.fromisoformat(
        record["created_at"]
    )
    assert (record["scopes"], lifetime) == ([], timedelta(days=365))
    assert record["name"] == "command line"


def test_the_table_shows_the_key_and_says_that_it_is_for_once(latchkey: Shell) -> None:
    result = latchkey("api-keys", "create", "alice")
    assert result.exit_code == 0
    assert re.search(r"lk_[A-Za-z0-9]{49}\b", result.stdout)
    assert "The key is shown only once." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        pytest.param(("nobody",), "there is no user 'nobody'", id="unknown_user"),
        pytest.param(
            ("alice", "--scope", "items:write"),
            "the owner does not have the scope 'items:write'",
            id="scope_of_others",
        ),
        pytest.param(
            ("alice", "--scope", "no-such-scope"),
            "there is no scope 'no-such-scope'",
            id="unknown_scope",
        ),
        pytest.param(
            ("alice", "--name", " "),
            "an API key has a name of 1 to 100 characters",
            id="blank_name",
        ),
    ],
)
def test_a_key_that_may_not_be_is_refused(
    latchkey: Shell, arguments: tuple[str, ...], line: str
) -> None:
    assert_line(latchkey("api-keys", "create", *arguments), line)
    assert latchkey.json("api-keys", "list") == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("create",), id="no_user"),
        pytest.param(("create", "alice", "--expires-in", "0"), id="expires_at_once"),
        pytest.param(("create", "alice", "--expires-in", "soon"), id="expiry_no_number"),
        pytest.param(("revoke", "none"), id="no_id"),
    ],
)
def test_bad_usage_is_exit_code_2(latchkey: Shell, arguments: tuple[str, ...]) -> None:
    result = latchkey("api-keys", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_expiry_beyond_the_calendar_is_refused_in_one_line(latchkey: Shell) -> None:
    result = latchkey("api-keys", "create", "alice", "--expires-in", "999999999999")
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output


def test_keys_are_listed_of_one_user_or_of_all(latchkey: Shell) -> None:
    latchkey.json("users", "create", "bob")
    for owner in ("alice", "bob"):
        latchkey.json("api-keys", "create", owner, "--name", f"of {owner}")

    def names(*arguments: str) -> list[str]:
        return sorted(key["name"] for key in latchkey.json("api-keys", "list", *arguments))

    assert names() == ["of alice", "of bob"]
    assert names("ALICE") == ["of alice"]
    assert names("bob") == ["of bob"]


def test_the_keys_of_an_unknown_user_cannot_be_listed(latchkey: Shell) -> None:
    assert_line(latchkey("api-keys", "list", "nobody"), "there is no user 'nobody'")


def test_a_table_of_keys_has_no_key_in_it(latchkey: Shell) -> None:
    key = latchkey.json("api-keys", "create", "alice")["key"]
    result = latchkey("api-keys", "list")
    assert result.exit_code == 0
    assert key[:11] in result.stdout
    assert key not in result.stdout


def test_a_key_is_revoked_and_stops_at_once(latchkey: Shell) -> None:
    record = latchkey.json("api-keys", "create", "alice")
    revoked = latchkey.json("api-keys", "revoke", record["id"])
    assert revoked == {"id": record["id"], "revoked": True}
    assert holder(latchkey, record["key"]) is None
    (listed,) = latchkey.json("api-keys", "list")
    assert listed["revoked_at"] is not None


def test_a_key_is_revoked_once(latchkey: Shell) -> None:
    record = latchkey.json("api-keys", "create", "alice")
    latchkey.json("api-keys", "revoke", record["id"])
    assert_line(latchkey("api-keys", "revoke", record["id"]), "There is no such API key.")


def test_an_unknown_key_cannot_be_revoked(latchkey: Shell) -> None:
    result = latchkey("api-keys", "revoke", str(uuid.uuid4()))
    assert_line(result, "There is no such API key.")
