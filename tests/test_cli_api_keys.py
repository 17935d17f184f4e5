"""``latchkey users set-digest`` and ``latchkey api-keys``, as an operator types them."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from app.cli import cli
from app.clock import Clock
from app.management.api_keys import KeyHolder, find_key_holder
from app.models import DigestCredential
from app.server import Server
from tests.commands import development
from tests.conftest import make_settings
from tests.schemes.dropin.rfc7616 import h

Found = TypeVar("Found")

PASSWORD = "correct horse battery staple"
DIGEST_PASSWORD = "a digest password, and no other"

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


class Latchkey:
    """Runs commands on one database, in a folder without a .env file."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, stdin: str | None = None, **settings: str) -> Result:
        """The result of one command; ``settings`` are named without the prefix."""
        named = {"LATCHKEY_" + name.upper(): value for name, value in settings.items()}
        environment = development(self.url) | named
        return CliRunner().invoke(cli, list(arguments), input=stdin, env=environment)

    def json(self, *arguments: str, stdin: str | None = None, **settings: str) -> Any:
        """What a command that succeeds prints with ``--json``: one line, and nothing else."""
        result = self(*arguments, "--json", stdin=stdin, **settings)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        assert result.stdout.count("\n") == 1
        return json.loads(result.stdout)

    def ask(self, work: Callable[[Server], Awaitable[Found]]) -> Found:
        """What ``work`` finds on a server of this database."""

        async def main() -> Found:
            server = Server(make_settings(database_url=self.url), Clock())
            try:
                return await work(server)
            finally:
                await server.close()

        return asyncio.run(main())

    def ha1(self) -> dict[str, dict[str, str]]:
        """By realm: the decrypted hashes of every credential."""

        async def work(server: Server) -> dict[str, dict[str, str]]:
            async with server.database.read() as connection:
                rows = await connection.execute(
                    select(
                        DigestCredential.realm,
                        DigestCredential.ha1_sha256,
                        DigestCredential.ha1_md5,
                    )
                )
            return {
                realm: {
                    "SHA-256": server.encryption.decrypt(sha256).decode(),
                    "MD5": server.encryption.decrypt(md5).decode(),
                }
                for realm, sha256, md5 in rows
            }

        return self.ask(work)

    def holder(self, key: str) -> KeyHolder | None:
        async def work(server: Server) -> KeyHolder | None:
            return await find_key_holder(server.database, key, server.clock.now())

        return self.ask(work)


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Latchkey:
    """The command line, with the user alice."""
    monkeypatch.chdir(tmp_path)
    made = Latchkey(database_url)
    scopes = [part for name in ("profile", "items:read") for part in ("--scope", name)]
    made.json("users", "create", "Alice", "--password-stdin", *scopes, stdin=PASSWORD)
    return made


def hashes(password: str, realm: str = "latchkey") -> dict[str, str]:
    """HA1 of RFC 7616, section 3.4.2, for the name as it was given."""
    return {name: h(name, f"Alice:{realm}:{password}") for name in ("SHA-256", "MD5")}


def assert_refused(result: Result, line: str) -> None:
    """Exit code 1, one line on stderr, and nothing on stdout."""
    assert (result.exit_code, result.stderr, result.stdout) == (1, f"latchkey: {line}\n", "")


# users set-digest


@pytest.mark.parametrize("username", ["Alice", "alice", "ALICE"])
def test_a_digest_password_comes_on_stdin_and_is_not_shown(
    latchkey: Latchkey, username: str
) -> None:
    command = ("users", "set-digest", username, "--password-stdin")
    record = latchkey.json(*command, stdin=DIGEST_PASSWORD + "\n")
    assert record == {"username": "Alice", "digest": True, "realm": "latchkey"}
    assert latchkey.ha1() == {"latchkey": hashes(DIGEST_PASSWORD)}


def test_a_digest_password_is_generated_and_shown_once(latchkey: Latchkey) -> None:
    record = latchkey.json("users", "set-digest", "alice")
    password = record.pop("password")
    assert record == {"username": "Alice", "digest": True, "realm": "latchkey"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", password)
    assert latchkey.ha1() == {"latchkey": hashes(password)}


def test_the_table_shows_a_generated_password_and_says_that_it_is_for_once(
    latchkey: Latchkey,
) -> None:
    result = latchkey("users", "set-digest", "alice")
    assert result.exit_code == 0
    assert re.search(r"password.*[A-Za-z0-9_-]{43}", result.stdout)
    assert "The password is shown only once." in result.stdout


def test_the_table_does_not_show_a_given_password(latchkey: Latchkey) -> None:
    command = ("users", "set-digest", "alice", "--password-stdin")
    result = latchkey(*command, stdin=DIGEST_PASSWORD)
    assert result.exit_code == 0
    assert DIGEST_PASSWORD not in result.output
    assert "this once" not in result.output


def test_a_second_digest_password_takes_the_place_of_the_first(latchkey: Latchkey) -> None:
    for password in ("the first digest password", DIGEST_PASSWORD):
        latchkey.json("users", "set-digest", "alice", "--password-stdin", stdin=password)
    assert latchkey.ha1() == {"latchkey": hashes(DIGEST_PASSWORD)}


def test_the_credential_holds_for_the_configured_realm_alone(latchkey: Latchkey) -> None:
    command = ("users", "set-digest", "alice", "--password-stdin")
    record = latchkey.json(*command, stdin=DIGEST_PASSWORD, realm="another realm")
    assert record["realm"] == "another realm"
    assert latchkey.ha1() == {"another realm": hashes(DIGEST_PASSWORD, "another realm")}


def test_the_login_password_is_refused(latchkey: Latchkey) -> None:
    result = latchkey("users", "set-digest", "alice", "--password-stdin", stdin=PASSWORD)
    assert_refused(result, "the Digest password must differ from the login password")
    assert latchkey.ha1() == {}


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        pytest.param("short", "a password must have at least 15 characters", id="short"),
        pytest.param("", "a password must have at least 15 characters", id="empty"),
        pytest.param("x" * 1025, "a password can have at most 1024 characters", id="long"),
        pytest.param("nul\x00" * 5, "a password cannot contain the NUL character", id="nul"),
    ],
)
def test_a_password_that_breaks_the_rules_is_refused(
    latchkey: Latchkey, password: str, reason: str
) -> None:
    result = latchkey("users", "set-digest", "alice", "--password-stdin", stdin=password)
    assert_refused(result, reason)
    assert latchkey.ha1() == {}


def test_a_credential_is_removed(latchkey: Latchkey) -> None:
    latchkey.json("users", "set-digest", "alice")
    record = latchkey.json("users", "set-digest", "alice", "--remove")
    assert record == {"username": "Alice", "digest": False, "removed": True}
    assert latchkey.ha1() == {}


def test_removing_a_credential_that_is_not_there_is_no_error_and_says_so(
    latchkey: Latchkey,
) -> None:
    record = latchkey.json("users", "set-digest", "alice", "--remove")
    assert record == {"username": "Alice", "digest": False, "removed": False}


@pytest.mark.parametrize("option", [(), ("--remove",)], ids=["set", "remove"])
def test_there_is_no_digest_for_an_unknown_user(
    latchkey: Latchkey, option: tuple[str, ...]
) -> None:
    result = latchkey("users", "set-digest", "nobody", *option)
    assert_refused(result, "there is no user 'nobody'")


# api-keys


def test_a_key_is_made_and_shown_once(latchkey: Latchkey) -> None:
    arguments = ("--name", "backup", "--scope", "profile", "--scope", "items:read")
    record = latchkey.json("api-keys", "create", "alice", *arguments, "--expires-in", "60")
    assert list(record) == [*RECORD, "key"]
    key = record.pop("key")
    assert re.fullmatch(r"lk_[A-Za-z0-9_-]{43}", key)
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


def test_a_key_that_was_made_is_good(latchkey: Latchkey) -> None:
    record = latchkey.json("api-keys", "create", "alice", "--scope", "items:read")
    holder = latchkey.holder(record["key"])
    assert holder is not None
    assert (holder.username, holder.scopes) == ("Alice", frozenset({"items:read"}))


def test_without_options_a_key_has_no_scope_a_year_and_a_name(latchkey: Latchkey) -> None:
    record = latchkey.json("api-keys", "create", "alice")
    lifetime = datetime.fromisoformat(record["expires_at"]) - datetime.fromisoformat(
        record["created_at"]
    )
    assert (record["scopes"], lifetime) == ([], timedelta(days=365))
    assert record["name"] == "command line"


def test_the_table_shows_the_key_and_says_that_it_is_for_once(latchkey: Latchkey) -> None:
    result = latchkey("api-keys", "create", "alice")
    assert result.exit_code == 0
    assert re.search(r"lk_[A-Za-z0-9_-]{43}\b", result.stdout)
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
    latchkey: Latchkey, arguments: tuple[str, ...], line: str
) -> None:
    assert_refused(latchkey("api-keys", "create", *arguments), line)
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
def test_bad_usage_is_exit_code_2(latchkey: Latchkey, arguments: tuple[str, ...]) -> None:
    result = latchkey("api-keys", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_expiry_beyond_the_calendar_is_refused_in_one_line(latchkey: Latchkey) -> None:
    result = latchkey("api-keys", "create", "alice", "--expires-in", "999999999999")
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output


def test_keys_are_listed_of_one_user_or_of_all(latchkey: Latchkey) -> None:
    latchkey.json("users", "create", "bob")
    for owner in ("alice", "bob"):
        latchkey.json("api-keys", "create", owner, "--name", f"of {owner}")

    def names(*arguments: str) -> list[str]:
        return sorted(key["name"] for key in latchkey.json("api-keys", "list", *arguments))

    assert names() == ["of alice", "of bob"]
    assert names("ALICE") == ["of alice"]
    assert names("bob") == ["of bob"]


def test_the_keys_of_an_unknown_user_cannot_be_listed(latchkey: Latchkey) -> None:
    assert_refused(latchkey("api-keys", "list", "nobody"), "there is no user 'nobody'")


def test_a_table_of_keys_has_no_key_in_it(latchkey: Latchkey) -> None:
    key = latchkey.json("api-keys", "create", "alice")["key"]
    result = latchkey("api-keys", "list")
    assert result.exit_code == 0
    assert key[:11] in result.stdout
    assert key not in result.stdout


def test_a_key_is_revoked_and_stops_at_once(latchkey: Latchkey) -> None:
    record = latchkey.json("api-keys", "create", "alice")
    revoked = latchkey.json("api-keys", "revoke", record["id"])
    assert revoked == {"id": record["id"], "revoked": True}
    assert latchkey.holder(record["key"]) is None
    (listed,) = latchkey.json("api-keys", "list")
    assert listed["revoked_at"] is not None


def test_a_key_is_revoked_once(latchkey: Latchkey) -> None:
    record = latchkey.json("api-keys", "create", "alice")
    latchkey.json("api-keys", "revoke", record["id"])
    assert_refused(latchkey("api-keys", "revoke", record["id"]), "There is no such API key.")


def test_an_unknown_key_cannot_be_revoked(latchkey: Latchkey) -> None:
    result = latchkey("api-keys", "revoke", str(uuid.uuid4()))
    assert_refused(result, "There is no such API key.")
