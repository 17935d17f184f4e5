"""``latchkey users set-digest``, as an operator types it."""

import re
from pathlib import Path

import pytest
from sqlalchemy import select

from app.features.schemes.model import DigestCredential
from app.server import Server
from tests.features.schemes.dropin.rfc7616 import h
from tests.support.factories import PASSWORD
from tests.support.shell import Shell, assert_line

DIGEST_PASSWORD = "a digest password, and no other"


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line, with the user alice."""
    monkeypatch.chdir(tmp_path)
    made = Shell(database_url)
    made.json("users", "create", "Alice", "--password-stdin", stdin=PASSWORD)
    return made


def ha1(latchkey: Shell) -> dict[str, dict[str, str]]:
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

    return latchkey.ask(work)


def hashes(password: str, realm: str = "latchkey") -> dict[str, str]:
    """HA1 of RFC 7616, section 3.4.2, for the name as it was given."""
    return {name: h(name, f"Alice:{realm}:{password}") for name in ("SHA-256", "MD5")}


@pytest.mark.parametrize("username", ["Alice", "alice", "ALICE"])
def test_a_digest_password_comes_on_stdin_and_is_not_shown(latchkey: Shell, username: str) -> None:
    command = ("users", "set-digest", username, "--password-stdin")
    record = latchkey.json(*command, stdin=DIGEST_PASSWORD + "\n")
    assert record == {"username": "Alice", "digest": True, "realm": "latchkey"}
    assert ha1(latchkey) == {"latchkey": hashes(DIGEST_PASSWORD)}


@pytest.mark.rfc("7616", "5.1", 1)
def test_a_digest_password_is_generated_and_shown_once(latchkey: Shell) -> None:
    record = latchkey.json("users", "set-digest", "alice")
    password = record.pop("password")
    assert record == {"username": "Alice", "digest": True, "realm": "latchkey"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", password)
    assert ha1(latchkey) == {"latchkey": hashes(password)}


def test_the_table_shows_a_generated_password_and_says_that_it_is_for_once(
    latchkey: Shell,
) -> None:
    result = latchkey("users", "set-digest", "alice")
    assert result.exit_code == 0
    assert re.search(r"password.*[A-Za-z0-9_-]{43}", result.stdout)
    assert "The password is shown only once." in result.stdout


def test_the_table_does_not_show_a_given_password(latchkey: Shell) -> None:
    command = ("users", "set-digest", "alice", "--password-stdin")
    result = latchkey(*command, stdin=DIGEST_PASSWORD)
    assert result.exit_code == 0
    assert DIGEST_PASSWORD not in result.output
    assert "this once" not in result.output


def test_a_second_digest_password_takes_the_place_of_the_first(latchkey: Shell) -> None:
    for password in ("the first digest password", DIGEST_PASSWORD):
        latchkey.json("users", "set-digest", "alice", "--password-stdin", stdin=password)
    assert ha1(latchkey) == {"latchkey": hashes(DIGEST_PASSWORD)}


def test_the_credential_holds_for_the_configured_realm_alone(latchkey: Shell) -> None:
    command = ("users", "set-digest", "alice", "--password-stdin")
    record = latchkey.json(*command, stdin=DIGEST_PASSWORD, realm="another realm")
    assert record["realm"] == "another realm"
    assert ha1(latchkey) == {"another realm": hashes(DIGEST_PASSWORD, "another realm")}


def test_the_login_password_is_refused(latchkey: Shell) -> None:
    result = latchkey("users", "set-digest", "alice", "--password-stdin", stdin=PASSWORD)
    assert_line(result, "the Digest password must differ from the login password")
    assert ha1(latchkey) == {}


COMMON = "this password is one of the most common: choose another, such as several words"
NOT_ONE_LINE = (
    "the input is not accepted: there are control characters in it, or more than one line"
)


@pytest.mark.rfc("7616", "5.7")
@pytest.mark.parametrize(
    ("password", "reason"),
    [
        pytest.param("1234567890qwerty", COMMON, id="common"),
        pytest.param("short", "a password must have at least 15 characters", id="short"),
        pytest.param("", "a password must have at least 15 characters", id="empty"),
        pytest.param("x" * 1025, "a password can have at most 1024 characters", id="long"),
        pytest.param("nul\x00" * 5, NOT_ONE_LINE, id="nul"),
    ],
)
def test_a_password_that_breaks_the_rules_is_refused(
    latchkey: Shell, password: str, reason: str
) -> None:
    result = latchkey("users", "set-digest", "alice", "--password-stdin", stdin=password)
    assert_line(result, reason)
    assert ha1(latchkey) == {}


def test_a_credential_is_removed(latchkey: Shell) -> None:
    latchkey.json("users", "set-digest", "alice")
    record = latchkey.json("users", "set-digest", "alice", "--remove")
    assert record == {"username": "Alice", "digest": False, "removed": True}
    assert ha1(latchkey) == {}


def test_removing_a_credential_that_is_not_there_is_no_error_and_says_so(
    latchkey: Shell,
) -> None:
    record = latchkey.json("users", "set-digest", "alice", "--remove")
    assert record == {"username": "Alice", "digest": False, "removed": False}


@pytest.mark.parametrize("option", [(), ("--remove",)], ids=["set", "remove"])
def test_there_is_no_digest_for_an_unknown_user(latchkey: Shell, option: tuple[str, ...]) -> None:
    result = latchkey("users", "set-digest", "nobody", *option)
    assert_line(result, "there is no user 'nobody'")


def test_a_digest_credential_is_not_made_where_nothing_takes_it(latchkey: Shell) -> None:
    refused = latchkey("users", "set-digest", "alice", demo_routes="false")
    assert_line(
        refused,
        "nothing takes a Digest credential here: the samples that do are served with "
        "LATCHKEY_DEMO_ROUTES=true",
    )
    assert ha1(latchkey) == {}
    latchkey.json("users", "set-digest", "alice")
    latchkey.json("users", "set-digest", "alice", "--remove", demo_routes="false")
    assert ha1(latchkey) == {}
