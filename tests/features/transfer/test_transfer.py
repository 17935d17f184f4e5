"""Exporting from one database and importing into another."""

import asyncio
import json
import unicodedata
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher as Argon2
from passlib.hash import (
    bcrypt,
    django_pbkdf2_sha256,
    pbkdf2_sha256,
    pbkdf2_sha512,
    scrypt,
    sha512_crypt,
)
from sqlalchemy import select

from app.features import load_features
from app.models import Client, Scope, User
from app.server import Server
from tests.conftest import make_settings
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import NO_METADATA, NO_PROFILE
from tests.support.grants import NAMES
from tests.support.shell import Shell, assert_line
from tests.support.started import started

PASSWORD = "correct horse battery staple"
TYPED = unicodedata.normalize("NFD", "Šárka má dlouhé heslo")


def cheap(handler: Any, **cost: int) -> Callable[[str], str]:
    """How passlib hashes at that cost."""
    hasher: Callable[[str], str] = handler.using(**cost).hash
    return hasher


HASHES: dict[str, Callable[[str], str]] = {
    "bcrypt": cheap(bcrypt, rounds=4),
    "pbkdf2_sha256": cheap(pbkdf2_sha256, rounds=10),
    "pbkdf2_sha512": cheap(pbkdf2_sha512, rounds=10),
    "scrypt": cheap(scrypt, rounds=4),
    "sha512_crypt": cheap(sha512_crypt, rounds=1000),
    "django_pbkdf2_sha256": cheap(django_pbkdf2_sha256, rounds=10),
    "django_argon2": lambda password: (
        "argon2" + Argon2(time_cost=2, memory_cost=16, parallelism=1).hash(password)
    ),
    "argon2 of another cost": Argon2(time_cost=2, memory_cost=16, parallelism=1).hash,
    "argon2 of our cost": Argon2(time_cost=1, memory_cost=8, parallelism=1).hash,
}
"""How other systems hash, at the lowest cost."""


@pytest.fixture
def elsewhere(sqlite: Backend) -> Generator[Shell]:
    """The command line on a second fresh database."""
    url = sqlite.migrated()
    yield Shell(url)
    sqlite.drop(url)


@pytest.fixture
def full(shell: Shell) -> Shell:
    """A database with something of every kind."""
    shell.json("scopes", "create", "reports:read", "--description", "Read your reports")
    arguments = ("--email", "ada@example.com", "--scope", "reports:read", "--scope", "profile")
    shell.json("users", "create", "Ada", *arguments)
    shell.json("users", "create", "bob")
    shell.json("users", "disable", "bob")
    shell.json(
        "clients",
        "create",
        "Shop",
        "--client-id",
        "shop",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
        "--redirect-uri",
        "https://shop.example.com/callback",
        "--post-logout-redirect-uri",
        "https://shop.example.com/bye",
        "--scope",
        "reports:read",
        "--default-scope",
        "profile",
        "--auth-method",
        "client_secret_post",
        "--id-token-alg",
        "EdDSA",
        "--no-pkce",
        "--introspect",
        "any",
    )
    shell.json("clients", "create", "App", "--client-id", "app", "--public", "--grant", "password")
    shell.json("clients", "disable", "app")
    return shell


def export(shell: Shell, *options: str) -> str:
    result = shell("export", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def count_scopes(shell: Shell) -> int:
    return len(shell.json("scopes", "list"))


def load(shell: Shell, document: str | dict[str, Any]) -> Any:
    """Import from stdin; return what the command prints."""
    text = document if isinstance(document, str) else json.dumps(document)
    return shell.json("import", "-", stdin=text)


def stored(shell: Shell, *columns: Any) -> list[tuple[Any, ...]]:
    async def main() -> list[tuple[Any, ...]]:
        server = Server(make_settings(database_url=shell.url), TestClock())
        async with server.database.read() as connection:
            rows = [tuple(row) for row in await connection.execute(select(*columns))]
        await server.close()
        return rows

    return asyncio.run(main())


OF_FEATURES = {kind.section: 0 for feature in load_features() for kind in feature.kinds}
"""What features transfer, of which these documents have nothing."""


# The same again


@pytest.mark.parametrize("options", [(), ("--with-hashes",)], ids=["plain", "with hashes"])
def test_what_was_imported_is_exported_identically(
    full: Shell, elsewhere: Shell, options: tuple[str, ...]
) -> None:
    document = export(full, *options)
    told = {"scopes": count_scopes(full), "users": 2, "clients": 2, **OF_FEATURES}
    assert load(elsewhere, document) == told
    assert export(elsewhere, *options) == document


@pytest.mark.parametrize("options", [(), ("--with-hashes",)], ids=["plain", "with hashes"])
def test_importing_again_changes_nothing(
    full: Shell, elsewhere: Shell, options: tuple[str, ...]
) -> None:
    document = export(full, *options)
    load(elsewhere, document)
    load(elsewhere, document)
    assert export(elsewhere, *options) == document


def test_importing_where_it_came_from_changes_nothing(full: Shell) -> None:
    document = export(full, "--with-hashes")
    load(full, document)
    assert export(full, "--with-hashes") == document


def test_an_export_is_one_json_document(full: Shell) -> None:
    document = full.json("export")
    assert document == json.loads(export(full))
    assert document["format"] == 1
    assert document["scopes"] == full.json("scopes", "list")
    assert document["users"][0] | {"id": ""} == {
        "id": "",
        "username": "Ada",
        "email": "ada@example.com",
        "email_verified": False,
        **NO_PROFILE,
        "scopes": ["profile", "reports:read"],
        "disabled": False,
        "password_hash": None,
    }
    assert document["clients"][1] == {
        **NO_METADATA,
        "client_id": "shop",
        "name": "Shop",
        "public": False,
        "grant_types": ["password", "refresh_token"],
        "auth_methods": ["client_secret_post"],
        "redirect_uris": ["https://shop.example.com/callback"],
        "post_logout_redirect_uris": ["https://shop.example.com/bye"],
        "scopes": ["profile", "reports:read"],
        "default_scopes": ["profile"],
        "id_token_alg": "EdDSA",
        "require_pkce": False,
        "every_scope": False,
        "introspect": "any",
        "disabled": False,
        "secrets": None,
    }
    assert (document["users"][1]["username"], document["users"][1]["disabled"]) == ("bob", True)
    assert (document["clients"][0]["client_id"], document["clients"][0]["disabled"]) == (
        "app",
        True,
    )


def test_a_client_with_every_scope_has_those_of_where_it_is_imported(full: Shell) -> None:
    docs = {"client_id": "docs", "name": "Docs", "public": True, "grant_types": ["password"]}
    load(full, {"clients": [{**docs, "every_scope": True}]})
    document = json.loads(export(full))
    (found,) = [client for client in document["clients"] if client["client_id"] == "docs"]
    assert found["every_scope"]
    assert found["scopes"] == sorted(scope["name"] for scope in document["scopes"])


def test_hashes_are_exported_only_on_request(full: Shell) -> None:
    assert "argon2" not in export(full)
    with_hashes = json.loads(export(full, "--with-hashes"))
    assert with_hashes["users"][0]["password_hash"].startswith("$argon2id$")
    assert len(with_hashes["clients"][1]["secrets"][0]["secret_hash"]) == 64
    assert with_hashes["clients"][0]["secrets"] is None


def test_an_import_without_hashes_keeps_passwords_and_secrets(full: Shell) -> None:
    before = export(full, "--with-hashes")
    load(full, export(full))
    assert export(full, "--with-hashes") == before


def test_what_the_document_does_not_name_is_not_touched(full: Shell) -> None:
    before = json.loads(export(full, "--with-hashes"))
    load(full, {"users": [{"username": "carol"}]})
    after = json.loads(export(full, "--with-hashes"))
    after["users"] = [user for user in after["users"] if user["username"] != "carol"]
    assert after == before


def test_a_user_without_an_id_is_found_by_name(full: Shell) -> None:
    (ada, _) = json.loads(export(full))["users"]
    load(full, {"users": [{"username": "ADA", "scopes": ["email"]}]})
    found = next(u for u in json.loads(export(full))["users"] if u["id"] == ada["id"])
    assert found == ada | {"username": "ADA", "email": None, "scopes": ["email"]}


def test_a_user_with_an_id_is_renamed(full: Shell) -> None:
    (ada, _) = json.loads(export(full))["users"]
    load(full, {"users": [ada | {"username": "lovelace"}]})
    found = next(u for u in json.loads(export(full))["users"] if u["id"] == ada["id"])
    assert found == ada | {"username": "lovelace"}


def test_the_sentence_of_a_scope_is_brought_to_what_the_document_says(full: Shell) -> None:
    load(full, {"scopes": [{"name": "reports:read", "description": "Another sentence"}]})
    scopes = json.loads(export(full))["scopes"]
    assert {"name": "reports:read", "description": "Another sentence"} in scopes


def test_a_document_is_read_from_a_file(full: Shell, elsewhere: Shell, tmp_path: Path) -> None:
    file = tmp_path / "records.json"
    file.write_text(export(full))
    told = elsewhere.json("import", str(file))
    assert told == {"scopes": count_scopes(full), "users": 2, "clients": 2, **OF_FEATURES}
    assert export(elsewhere) == file.read_text()


# What is refused

BCRYPT = HASHES["bcrypt"](PASSWORD)
ARGON2 = HASHES["argon2 of our cost"](PASSWORD)
SPA = {"client_id": "spa", "name": "SPA", "public": True, "grant_types": ["password"]}


@pytest.mark.parametrize(
    ("document", "line"),
    [
        pytest.param({"format": 2}, "-: format: Input should be 1", id="another format"),
        pytest.param(
            {"users": [{"name": "ada"}]}, "-: users.0.username: Field required", id="no name"
        ),
        pytest.param({"teams": []}, "-: teams: Extra inputs are not permitted", id="unknown kind"),
        pytest.param(
            {"users": [{"username": "ada", "scopes": ["nothing"]}]},
            "users.0 'ada': there is no scope 'nothing'",
            id="unknown scope of a user",
        ),
        pytest.param(
            {
                "clients": [
                    {
                        "client_id": "a",
                        "name": "A",
                        "grant_types": ["password"],
                        "scopes": ["nothing"],
                    }
                ]
            },
            "clients.0 'a': there is no scope 'nothing'",
            id="unknown scope of a client",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": "{SSHA}abc"}]},
            "users.0 'ada': the password hash is of an unknown kind",
            id="unknown kind of hash",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": PASSWORD}]},
            "users.0 'ada': the password hash is of an unknown kind",
            id="plain password",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": ""}]},
            "users.0 'ada': the password hash is of an unknown kind",
            id="empty hash",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": BCRYPT[:-3]}]},
            "users.0 'ada': the password hash is malformed",
            id="hash that was cut",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": ARGON2.rsplit("$", 1)[0]}]},
            "users.0 'ada': the password hash is malformed",
            id="salt without a hash",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": f"{ARGON2}!"}]},
            "users.0 'ada': the password hash is malformed",
            id="hash that is no base64",
        ),
        pytest.param(
            {"users": [{"username": "ada", "password_hash": f"{ARGON2}\n"}]},
            "users.0 'ada': the password hash is malformed",
            id="hash with the end of its line",
        ),
        pytest.param(
            {"users": [{"username": "ada"}, {"username": "ADA", "disabled": True}]},
            "users.2 'ADA': this appears twice in the document",
            id="a user twice",
        ),
        pytest.param(
            {"clients": [SPA, SPA]},
            "clients.2 'spa': this appears twice in the document",
            id="a client twice",
        ),
        pytest.param(
            {"scopes": [{"name": "a", "description": text} for text in ("A", "B")]},
            "scopes.2 'a': this appears twice in the document",
            id="a scope twice",
        ),
        pytest.param(
            {"clients": [SPA | {"secrets": [{"secret_hash": "0" * 64}]}]},
            "clients.0 'spa': a public client cannot have a secret or an authentication method",
            id="public client with a secret",
        ),
        pytest.param(
            {"users": [{"username": " ada"}]},
            "-: users.0.username: a user name cannot contain control characters, or start or end "
            "with a space",
            id="bad name",
        ),
        pytest.param(
            {"users": [{"username": "ada", "email": "ada"}]},
            "-: users.0.email: an e-mail address must have the form name@domain",
            id="bad address",
        ),
        pytest.param(
            {"clients": [{"client_id": "a", "name": "A", "grant_types": []}]},
            f"clients.0 'a': a client needs at least one grant ({NAMES}), or to introspect any "
            "token",
            id="client without a grant",
        ),
        pytest.param(
            {
                "clients": [
                    {
                        "client_id": "a",
                        "name": "A",
                        "grant_types": ["password"],
                        "redirect_uris": ["http://app.example.com/"],
                    }
                ]
            },
            "-: clients.0.redirect_uris.0: a redirect URI must use https, except on the loopback "
            "interface",
            id="bad redirect URI",
        ),
        pytest.param(
            {
                "clients": [
                    {
                        "client_id": "a",
                        "name": "A",
                        "grant_types": ["password"],
                        "secrets": [{"secret_hash": "plain"}],
                    }
                ]
            },
            "-: clients.0.secrets.0.secret_hash: String should match pattern '^[0-9a-f]{64}$'",
            id="secret that is no hash",
        ),
        pytest.param(
            {"scopes": [{"name": "a b", "description": "x"}]},
            "scopes.0 'a b': a scope must have 1 to 128 printable ASCII characters, with no space, "
            '" or \\',
            id="bad scope",
        ),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused_in_one_line_and_nothing_is_imported(
    shell: Shell, document: dict[str, Any], line: str
) -> None:
    good = {
        "scopes": [{"name": "half", "description": "Half"}],
        "users": [{"username": "half"}],
        "clients": [{"client_id": "half", "name": "Half", "grant_types": ["password"]}],
    }
    document = {
        kind: good.get(kind, []) + document.get(kind, [])
        if isinstance(document.get(kind, []), list)
        else document[kind]
        for kind in [*good, *(set(document) - set(good))]
    }
    line = (
        line.replace("users.0", "users.1")
        .replace("clients.0", "clients.1")
        .replace("scopes.0", "scopes.1")
    )
    assert_line(shell("import", "-", stdin=json.dumps(document)), line)
    assert stored(shell, User.username) == []
    assert stored(shell, Client.client_id) == []
    assert ("half",) not in stored(shell, Scope.name)
    assert shell.events() == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="not closed"),
        pytest.param("users: []", id="YAML"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
    ],
)
def test_what_is_no_document_is_refused_in_one_line(shell: Shell, text: str) -> None:
    result = shell("import", "-", stdin=text)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("latchkey: -: ")


def test_a_file_that_is_not_there_is_refused_in_one_line(shell: Shell) -> None:
    result = shell("import", "gone.json")
    assert_line(result, "gone.json cannot be read: No such file or directory")


def test_a_file_that_is_not_utf8_is_refused_in_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "latin1.json").write_bytes(b'{"users": [{"username": "Andr\xe9"}]}')
    assert_line(shell("import", "latin1.json"), "latin1.json is not UTF-8")


def test_a_name_that_somebody_else_has_already_is_refused(full: Shell) -> None:
    document = {"users": [{"id": "00000000-0000-4000-8000-000000000000", "username": "ada"}]}
    before = export(full)
    result = full("import", "-", stdin=json.dumps(document))
    assert_line(
        result,
        "users.0 'ada': a user with this name exists under another id: remove the id from "
        "the document to change that user",
    )
    assert export(full) == before


def test_a_user_who_is_named_by_id_and_by_name_in_one_document_is_refused(full: Shell) -> None:
    (ada, _) = json.loads(export(full))["users"]
    document = {"users": [ada, {"username": "ADA", "scopes": ["email"]}]}
    result = full("import", "-", stdin=json.dumps(document))
    assert_line(result, "users.1 'ADA': this appears twice in the document")


def test_a_client_with_the_id_of_a_user_is_refused(full: Shell) -> None:
    """Both become the ``sub`` of tokens (RFC 9068, section 5)."""
    (ada, _) = json.loads(export(full))["users"]
    client = {"client_id": ada["id"], "name": "App", "grant_types": ["client_credentials"]}
    result = full("import", "-", stdin=json.dumps({"clients": [client]}))
    reason = "a client id cannot have the form of a user id"
    assert_line(result, f"clients.0 {ada['id']!r}: {reason}")


# Secrets


def test_a_secret_that_has_expired_does_not_come_back_with_an_import(
    full: Shell, elsewhere: Shell
) -> None:
    full.json("clients", "rotate-secret", "shop", "--overlap", "0")
    load(elsewhere, export(full, "--with-hashes"))
    (_, shop) = json.loads(export(elsewhere, "--with-hashes"))["clients"]
    assert len(shop["secrets"]) == 1


def test_a_secret_that_has_leaked_stays_dead_when_an_export_is_imported_again(
    full: Shell,
) -> None:
    new = full.json(
        "clients", "create", "Robot", "--client-id", "robot", "--grant", "client_credentials",
        "--default-scope", "items:read",
    )["client_secret"]  # fmt: skip
    rotated = full.json("clients", "rotate-secret", "robot", "--overlap", "0")["client_secret"]
    load(full, export(full, "--with-hashes"))
    assert ask_for_tokens(full, {"robot": new}) == [401]
    assert ask_for_tokens(full, {"robot": rotated}) == [200]


def test_a_secret_that_is_rotated_out_still_expires_after_an_import(full: Shell) -> None:
    old = full.json(
        "clients", "create", "Robot", "--client-id", "robot", "--grant", "client_credentials",
        "--default-scope", "items:read",
    )["client_secret"]  # fmt: skip
    full.json("clients", "rotate-secret", "robot", "--overlap", "60")
    load(full, export(full, "--with-hashes"))
    assert ask_for_tokens(full, {"robot": old}, later=62) == [401]


def test_after_an_import_the_secret_that_is_rotated_out_is_the_current_one(
    full: Shell, elsewhere: Shell
) -> None:
    """Both are then of one age, and the older one has only days left."""
    clients = [f"robot{number}" for number in range(4)]  # the order of the two is up to chance
    current = {}
    old = {}
    for name in clients:
        old[name] = full.json(
            "clients", "create", name, "--client-id", name, "--grant", "client_credentials",
            "--default-scope", "items:read",
        )["client_secret"]  # fmt: skip
        current[name] = full.json("clients", "rotate-secret", name)["client_secret"]
    load(elsewhere, export(full, "--with-hashes"))
    for name in clients:
        elsewhere.json("clients", "rotate-secret", name)
    assert ask_for_tokens(elsewhere, current) == [200] * 4
    assert ask_for_tokens(elsewhere, old) == [401] * 4


def test_a_client_that_was_public_for_a_while_has_its_old_secrets_no_more(shell: Shell) -> None:
    robot = {
        "client_id": "robot",
        "name": "Robot",
        "grant_types": ["password"],
        "default_scopes": ["items:read"],
    }
    secret = shell.json(
        "clients", "create", "Robot", "--client-id", "robot", "--grant", "password"
    )["client_secret"]  # fmt: skip
    load(shell, {"clients": [robot | {"public": True}]})
    load(shell, {"clients": [robot | {"grant_types": ["client_credentials"]}]})
    assert ask_for_tokens(shell, {"robot": secret}) == [401]
    rotated = shell.json("clients", "rotate-secret", "robot")["client_secret"]
    assert ask_for_tokens(shell, {"robot": rotated}) == [200]


def ask_for_tokens(shell: Shell, secrets: dict[str, str], *, later: float = 0) -> list[int]:
    """The statuses that clients with these secrets get at ``/token``."""

    async def main() -> list[int]:
        async with started(shell.application(later + 2)) as http:
            return [
                (
                    await http.post(
                        "/token", data={"grant_type": "client_credentials"}, auth=(name, secret)
                    )
                ).status_code
                for name, secret in secrets.items()
            ]

    return asyncio.run(main())


# Users from elsewhere


def log_in(shell: Shell, username: str, *passwords: str) -> list[int]:
    """The statuses of logins with these passwords, one after the other."""

    async def one(http: httpx2.AsyncClient, password: str) -> int:
        form = {
            "grant_type": "password",
            "username": username,
            "password": password,
            "client_id": "app",
        }
        return (await http.post("/token", data=form)).status_code

    async def main() -> list[int]:
        async with started(shell.application(2)) as http:
            return [await one(http, password) for password in passwords]

    return asyncio.run(main())


def bring(shell: Shell, password_hash: str) -> None:
    """Import a user with that hash, and a client to log in through."""
    client = {
        "client_id": "app",
        "name": "App",
        "public": True,
        "grant_types": ["password"],
        "default_scopes": ["profile"],
    }
    user = {"username": "ada", "scopes": ["profile"], "password_hash": password_hash}
    load(shell, {"users": [user], "clients": [client]})


def hash_of_ada(shell: Shell) -> str:
    ((found,),) = stored(shell, User.password_hash)
    return str(found)


@pytest.mark.parametrize("kind", HASHES)
def test_a_user_with_a_hash_from_elsewhere_logs_in_and_has_argon2_then(
    shell: Shell, kind: str
) -> None:
    imported = HASHES[kind](PASSWORD)
    bring(shell, imported)
    assert log_in(shell, "ada", "wrong horse battery staple", PASSWORD) == [400, 200]
    now = hash_of_ada(shell)
    assert now.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (now == imported) is (kind == "argon2 of our cost")
    assert log_in(shell, "ada", PASSWORD, "wrong horse battery staple") == [200, 400]


@pytest.mark.parametrize("kind", HASHES)
def test_a_wrong_password_does_not_replace_a_hash_from_elsewhere(shell: Shell, kind: str) -> None:
    imported = HASHES[kind](PASSWORD)
    bring(shell, imported)
    assert log_in(shell, "ada", "wrong horse battery staple", "") == [400, 400]
    assert hash_of_ada(shell) == imported.removeprefix("argon2")  # of Django


@pytest.mark.parametrize("kind", HASHES)
def test_a_password_that_was_hashed_as_typed_logs_in_and_is_normalised_then(
    shell: Shell, kind: str
) -> None:
    bring(shell, HASHES[kind](TYPED))
    assert log_in(shell, "ada", TYPED) == [200]
    assert hash_of_ada(shell).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    composed = unicodedata.normalize("NFC", TYPED)
    assert composed != TYPED
    assert log_in(shell, "ada", TYPED, composed) == [200, 200]


@pytest.mark.parametrize("kind", HASHES)
def test_a_password_that_was_hashed_normalised_logs_in_however_it_is_typed(
    shell: Shell, kind: str
) -> None:
    bring(shell, HASHES[kind](unicodedata.normalize("NFKC", TYPED)))
    assert log_in(shell, "ada", TYPED) == [200]


def test_an_imported_user_who_is_disabled_does_not_log_in(shell: Shell) -> None:
    bring(shell, HASHES["bcrypt"](PASSWORD))
    load(shell, {"users": [{"username": "ada", "scopes": ["profile"], "disabled": True}]})
    assert log_in(shell, "ada", PASSWORD) == [400]


DISABLED = {"username": "ada", "scopes": ["profile"], "disabled": True}
REPLACED = {
    "username": "ada",
    "scopes": ["profile"],
    "password_hash": HASHES["bcrypt"]("another horse battery staple"),
}
THE_SAME = {"username": "ada", "scopes": ["profile"], "email": "ada@example.com"}


@pytest.mark.parametrize(
    ("user", "statuses"),
    [
        pytest.param(DISABLED, [401, 400], id="disabled"),
        pytest.param(REPLACED, [401, 400], id="another password"),
        pytest.param(THE_SAME, [200, 200], id="another address"),
    ],
)
def test_an_import_ends_the_logins_of_whoever_it_disables_or_gives_another_password(
    shell: Shell, user: dict[str, Any], statuses: list[int]
) -> None:
    """Access token and refresh token, as the API and the command line do."""
    policy = {
        "client_id": "app",
        "name": "App",
        "public": True,
        "grant_types": ["password", "refresh_token"],
        "default_scopes": ["profile"],
    }
    ada = {"username": "ada", "scopes": ["profile"]}
    bring = {"users": [ada | {"password_hash": HASHES["bcrypt"](PASSWORD)}], "clients": [policy]}
    load(shell, bring)

    async def main() -> list[int]:
        app = shell.application(2)
        async with started(app) as http:
            form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
            answer = (await http.post("/token", data=form | {"client_id": "app"})).json()
            await asyncio.to_thread(load, shell, {"users": [user]})
            me = await http.get(
                "/users/me", headers={"Authorization": f"Bearer {answer['access_token']}"}
            )
            form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
            again = await http.post("/token", data=form | {"client_id": "app"})
            return [me.status_code, again.status_code]

    assert asyncio.run(main()) == statuses


def test_the_administrators_of_a_document_may_take_turns_in_any_order(shell: Shell) -> None:
    shell.json("users", "create", "ada", "--scope", "users:write")
    shell.json("users", "create", "bob")
    bob = {"username": "bob", "scopes": ["users:write"]}
    load(shell, {"users": [{"username": "ada"}, bob]})
    assert shell.json("users", "show", "ada")["scopes"] == []
    result = shell("import", "-", stdin=json.dumps({"users": [bob | {"disabled": True}]}))
    assert_line(result, "This is the last administrator: create another one first.")


def test_a_rename_to_a_name_that_somebody_has_is_refused(full: Shell) -> None:
    (ada, _) = json.loads(export(full))["users"]
    result = full("import", "-", stdin=json.dumps({"users": [ada | {"username": "BOB"}]}))
    assert_line(result, "users.0 'BOB': a user named 'BOB' already exists")


def test_an_imported_user_without_a_hash_logs_in_with_no_password(shell: Shell) -> None:
    bring(shell, HASHES["bcrypt"](PASSWORD))
    load(shell, {"users": [{"username": "eve", "scopes": ["profile"]}]})
    assert log_in(shell, "eve", PASSWORD, "") == [400, 400]
