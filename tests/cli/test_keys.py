"""``latchkey keys`` and ``latchkey purge``, as an operator types them."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from sqlalchemy import insert, update
from typer.testing import CliRunner, Result

from app.__main__ import cli
from app.clock import Clock
from app.models import RevokedToken, SigningKey
from app.security.jwt import generate_private_key, parse_private_key
from app.server import Server
from app.settings import load_settings
from tests.support.databases import Backend
from tests.support.processes import run_latchkey

SECRET = "a-secret-key-that-nobody-has-published"
OTHER_SECRET = "another-secret-key-nobody-has-published"

KEY_MEMBERS = ["kid", "alg", "state", "created_at", "active_from", "retired_at"]


@dataclass(frozen=True)
class Latchkey:
    """The command line, in this process, on one database."""

    environment: pytest.MonkeyPatch

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    def json(self, *arguments: str) -> Any:
        """What a command that succeeds prints with ``--json``: JSON, and nothing else."""
        result = self.run(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return json.loads(result.stdout)

    def refused(self, *arguments: str) -> str:
        """The one line of a command that is refused."""
        result = self.run(*arguments, "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        line = result.stderr.removesuffix("\n")
        assert line.startswith("latchkey: ")
        assert "\n" not in line
        return line.removeprefix("latchkey: ")

    def listed(self, alg: str = "ES256") -> list[dict[str, Any]]:
        return [key for key in self.json("keys", "list") if key["alg"] == alg]

    def states(self) -> dict[str, str]:
        return {key["kid"]: key["state"] for key in self.listed()}


def execute(*statements: Any) -> None:
    """Run statements on the configured database."""

    async def main() -> None:
        server = Server(load_settings(), Clock())
        async with server.database.transaction() as connection:
            for statement in statements:
                await connection.execute(statement)
        await server.close()

    asyncio.run(main())


@pytest.fixture
def environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> pytest.MonkeyPatch:
    """The settings of a production server, and no .env file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATCHKEY_DATABASE_URL", database_url)
    monkeypatch.setenv("LATCHKEY_ISSUER", "https://auth.example.com")
    monkeypatch.setenv("LATCHKEY_SECRET_KEY", SECRET)
    monkeypatch.setenv("LATCHKEY_ACCESS_TOKEN_ALG", "ES256")
    return monkeypatch


@pytest.fixture
def latchkey(environment: pytest.MonkeyPatch) -> Latchkey:
    """The command line, after the server has been started once."""

    async def start() -> None:
        server = Server(load_settings(), Clock())
        await server.start()
        await server.close()

    asyncio.run(start())
    return Latchkey(environment)


@pytest.fixture
def first(latchkey: Latchkey) -> str:
    """The ``kid`` of the key that the start has made."""
    (key,) = latchkey.listed()
    kid: str = key["kid"]
    return kid


@pytest.fixture
def rotated(latchkey: Latchkey, first: str) -> str:
    """The ``kid`` of a key that has taken over from the first one."""
    kid: str = latchkey.json("keys", "rotate", "--now")["kid"]
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    execute(
        update(SigningKey).values(active_from=long_ago - timedelta(hours=1)),
        update(SigningKey).where(SigningKey.kid == kid).values(active_from=long_ago),
    )
    return kid


def seconds_from_now(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


def write_pem(folder: Path, key: PrivateKeyTypes, passphrase: bytes = b"") -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    file = folder / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return str(file)


# keys list


def test_keys_are_listed_with_all_that_an_operator_needs(latchkey: Latchkey) -> None:
    (key,) = latchkey.listed()
    assert list(key) == KEY_MEMBERS
    assert (key["alg"], key["state"], key["retired_at"]) == ("ES256", "signing", None)
    assert key["created_at"] == key["active_from"]
    assert -60 < seconds_from_now(key["created_at"]) <= 0


def test_no_keys_are_an_empty_list(environment: pytest.MonkeyPatch) -> None:
    assert Latchkey(environment).json("keys", "list") == []


def test_keys_are_listed_as_a_table_for_people(latchkey: Latchkey, first: str) -> None:
    result = latchkey.run("keys", "list")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if first in line]
    assert "ES256" in line
    assert "signing" in line


def test_nothing_private_is_listed(latchkey: Latchkey) -> None:
    output = latchkey.run("keys", "list").stdout + json.dumps(latchkey.json("keys", "list"))
    assert "PRIVATE" not in output
    assert "gAAAA" not in output  # how everything begins that Fernet encrypted


# keys rotate


def test_a_rotation_tells_the_new_key_and_both_times(latchkey: Latchkey, first: str) -> None:
    told = latchkey.json("keys", "rotate")
    assert list(told) == ["kid", "active_from", "older_keys_retire_at", "kids"]
    assert latchkey.states() == {told["kid"]: "pending", first: "signing"}
    assert 540 < seconds_from_now(told["active_from"]) <= 600
    between = datetime.fromisoformat(told["older_keys_retire_at"]) - datetime.fromisoformat(
        told["active_from"]
    )
    assert between == timedelta(seconds=902)
    listed = {key["kid"]: key for key in latchkey.listed()}
    assert listed[told["kid"]]["active_from"] == told["active_from"]
    assert listed[first]["retired_at"] == told["older_keys_retire_at"]


def pending(latchkey: Latchkey) -> dict[str, str]:
    """The algorithms by the key that waits for its time."""
    listed = latchkey.json("keys", "list")
    return {key["kid"]: key["alg"] for key in listed if key["state"] == "pending"}


def test_a_rotation_replaces_the_key_of_every_algorithm_in_use(latchkey: Latchkey) -> None:
    latchkey.json("clients", "create", "Web", "--grant", "password", "--id-token-alg", "EdDSA")
    told = latchkey.json("keys", "rotate")
    waiting = pending(latchkey)
    assert sorted(waiting.values()) == ["ES256", "EdDSA", "RS256"]
    assert sorted(told["kids"]) == sorted(waiting)
    assert waiting[told["kid"]] == "ES256"


def test_a_rotation_of_one_algorithm_leaves_the_others(latchkey: Latchkey) -> None:
    told = latchkey.json("keys", "rotate", "--alg", "RS256")
    assert pending(latchkey) == {told["kid"]: "RS256"}
    assert told["kids"] == [told["kid"]]


def test_after_the_documented_commands_no_leaked_key_is_published(latchkey: Latchkey) -> None:
    leaked = {key["kid"]: key["alg"] for key in latchkey.json("keys", "list")}
    assert set(leaked.values()) == {"ES256", "RS256"}
    latchkey.json("keys", "rotate", "--now")
    for kid in leaked:
        latchkey.json("keys", "retire", kid)
    for key in latchkey.json("keys", "list"):
        if key["kid"] in leaked:
            assert seconds_from_now(key["retired_at"]) <= 2
        else:
            assert key["retired_at"] is None


def test_a_rotation_at_once_signs_in_two_seconds(latchkey: Latchkey, first: str) -> None:
    told = latchkey.json("keys", "rotate", "--now")
    assert seconds_from_now(told["active_from"]) <= 2
    assert set(latchkey.states()) == {told["kid"], first}


def test_a_second_rotation_is_refused_and_one_at_once_brings_the_key_forward(
    latchkey: Latchkey,
) -> None:
    waiting = latchkey.json("keys", "rotate")
    assert latchkey.refused("keys", "rotate") == (
        f"the key {waiting['kid']} is already pending: `keys rotate --now` makes it sign at once"
    )
    forward = latchkey.json("keys", "rotate", "--now")
    assert forward["kid"] == waiting["kid"]
    assert forward["active_from"] < waiting["active_from"]


def test_a_rotation_follows_the_configured_algorithm(latchkey: Latchkey, first: str) -> None:
    latchkey.environment.setenv("LATCHKEY_ACCESS_TOKEN_ALG", "EdDSA")
    kid = latchkey.json("keys", "rotate")["kid"]
    assert [key["kid"] for key in latchkey.listed("EdDSA")] == [kid]
    assert latchkey.states() == {first: "signing"}


@pytest.mark.parametrize(
    "arguments",
    [("rotate",), ("rotate", "--now"), ("import",)],
    ids=["rotate", "rotate_now", "import"],
)
def test_a_key_is_not_added_under_a_secret_that_the_running_workers_do_not_have(
    latchkey: Latchkey, first: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    if arguments == ("import",):
        arguments = ("import", write_pem(tmp_path, ec.generate_private_key(ec.SECP256R1())))
    latchkey.environment.setenv("LATCHKEY_SECRET_KEY", OTHER_SECRET)
    line = latchkey.refused("keys", *arguments)
    assert "LATCHKEY_SECRET_KEY" in line
    assert latchkey.states() == {first: "signing"}


# keys retire


def test_a_key_that_has_a_successor_is_retired(
    latchkey: Latchkey, first: str, rotated: str
) -> None:
    assert latchkey.states() == {rotated: "signing", first: "published"}
    assert latchkey.json("keys", "retire", first) == {"kid": first, "state": "retired"}
    assert latchkey.states() == {rotated: "signing", first: "retired"}


def test_the_last_key_is_not_retired(latchkey: Latchkey, first: str) -> None:
    assert latchkey.refused("keys", "retire", first) == (
        "no other key could sign: run `keys rotate --now` first"
    )
    assert latchkey.states() == {first: "signing"}


def test_a_key_whose_id_begins_with_a_dash_is_retired(latchkey: Latchkey, tmp_path: Path) -> None:
    file, kid = tmp_path / "dash.pem", ""
    while not kid.startswith("-"):
        file.write_bytes(generate_private_key("ES256"))
        kid = parse_private_key(file.read_bytes())[0].kid
    latchkey.json("keys", "import", str(file))
    execute(update(SigningKey).values(active_from=datetime.now(UTC) - timedelta(hours=1)))
    latchkey.json("keys", "rotate", "--now")
    assert latchkey.json("keys", "retire", kid) == {"kid": kid, "state": "retired"}


def test_an_unknown_key_is_not_retired(latchkey: Latchkey) -> None:
    assert latchkey.refused("keys", "retire", "unknown") == "there is no published key unknown"


# keys import


def test_an_imported_key_waits_for_its_time(latchkey: Latchkey, first: str, tmp_path: Path) -> None:
    file = write_pem(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    told = latchkey.json("keys", "import", str(file))
    assert list(told) == ["kid", "active_from", "older_keys_retire_at"]
    assert 540 < seconds_from_now(told["active_from"]) <= 600
    assert latchkey.states() == {told["kid"]: "pending", first: "signing"}


def test_an_imported_key_signs_in_two_seconds_when_activated(
    latchkey: Latchkey, tmp_path: Path
) -> None:
    file = write_pem(tmp_path, ed25519.Ed25519PrivateKey.generate())
    told = latchkey.json("keys", "import", file, "--activate")
    assert seconds_from_now(told["active_from"]) <= 2
    assert [key["kid"] for key in latchkey.listed("EdDSA")] == [told["kid"]]


def test_a_file_that_is_not_there_is_refused(latchkey: Latchkey) -> None:
    line = latchkey.refused("keys", "import", "missing.pem")
    assert line == "missing.pem cannot be read: No such file or directory"


def test_a_weak_key_is_refused(latchkey: Latchkey, first: str, tmp_path: Path) -> None:
    file = write_pem(tmp_path, rsa.generate_private_key(65537, 1024))
    assert latchkey.refused("keys", "import", file) == (
        "the key cannot be used: a signing key must be RSA of 2048 bits or more, P-256, or Ed25519"
    )
    assert latchkey.states() == {first: "signing"}


def test_a_key_with_a_passphrase_is_refused(latchkey: Latchkey, tmp_path: Path) -> None:
    file = write_pem(tmp_path, ec.generate_private_key(ec.SECP256R1()), b"open")
    assert latchkey.refused("keys", "import", file) == (
        "the key cannot be used: the private key is protected by a passphrase: remove it first"
    )


def test_a_key_that_is_here_already_is_refused(latchkey: Latchkey, tmp_path: Path) -> None:
    file = write_pem(tmp_path, ed25519.Ed25519PrivateKey.generate())
    kid = latchkey.json("keys", "import", file, "--activate")["kid"]
    assert latchkey.refused("keys", "import", file) == f"the key {kid} already exists"


@pytest.mark.parametrize(
    "arguments",
    [("keys",), ("keys", "retire"), ("keys", "import"), ("keys", "rotate", "--soon")],
    ids=["no_command", "no_kid", "no_file", "an_unknown_option"],
)
def test_bad_usage_exits_with_2(latchkey: Latchkey, arguments: tuple[str, ...]) -> None:
    assert latchkey.run(*arguments).exit_code == 2


# purge


def test_a_purge_tells_what_it_deleted(latchkey: Latchkey) -> None:
    before = latchkey.json("purge")
    assert {"logins", "revoked_tokens", "signing_keys"} <= set(before)
    assert set(before.values()) == {0}
    over = datetime.now(UTC) - timedelta(days=1, seconds=1)
    execute(
        insert(RevokedToken).values(token_id="over", expires_at=over),
        insert(RevokedToken).values(token_id="good", expires_at=over + timedelta(hours=1)),
    )
    assert latchkey.json("purge") == before | {"revoked_tokens": 1}
    assert latchkey.json("purge") == before


def test_a_purge_tells_it_to_people_as_a_table(latchkey: Latchkey) -> None:
    result = latchkey.run("purge")
    assert result.exit_code == 0
    assert "revoked_tokens" in result.stdout


# A database that is not ready


@pytest.fixture
def empty(backend: Backend, environment: pytest.MonkeyPatch) -> Iterator[Latchkey]:
    """The command line on a database without tables."""
    url = backend.empty()
    environment.setenv("LATCHKEY_DATABASE_URL", url)
    yield Latchkey(environment)
    backend.drop(url)


@pytest.mark.parametrize(
    "arguments",
    [("keys", "list"), ("keys", "rotate"), ("keys", "retire", "x"), ("purge",)],
    ids=["list", "rotate", "retire", "purge"],
)
def test_a_database_that_is_not_migrated_is_told_in_one_line(
    empty: Latchkey, arguments: tuple[str, ...]
) -> None:
    assert empty.refused(*arguments) == ("the database is not migrated: run `latchkey db upgrade`")


# In a process of its own


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """With the environment of the test."""
    return run_latchkey(*arguments, settings={}, folder=Path.cwd())


def test_the_commands_work_as_processes(latchkey: Latchkey, first: str) -> None:
    rotation = in_a_process("keys", "rotate", "--json")
    assert (rotation.returncode, rotation.stderr) == (0, "")
    kid = json.loads(rotation.stdout)["kid"]
    assert latchkey.states() == {kid: "pending", first: "signing"}
    again = in_a_process("keys", "rotate", "--json")
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (1, "", 1)


def test_a_wrong_secret_stops_the_server_with_one_line(latchkey: Latchkey) -> None:
    latchkey.environment.setenv("LATCHKEY_SECRET_KEY", OTHER_SECRET)
    stopped = in_a_process("serve", "--port", "8765")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr == (
        "latchkey: LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with: "
        "add the older one after a comma\n"
    )
