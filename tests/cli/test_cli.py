"""The operator's command line: what it does, and what it prints."""

import asyncio
import errno
import json
import sqlite3
import threading
import uuid
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import typer
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import Result

from app.cli.command import FailingInOneLine
from app.clock import Clock
from app.database.engines import Database
from app.errors import InvalidError
from app.identity.registration import check_redirect_uri
from app.models import Base, Client, ClientScope, ClientSecret, User, UserScope
from app.security.opaque import hash_secret
from app.server import Server
from app.serving import supervisor
from app.serving.worker import Serving
from app.settings import DEVELOPMENT_SECRET_KEY, SettingsError
from tests.conftest import make_settings
from tests.features import brought
from tests.support.databases import Backend
from tests.support.factories import NO_METADATA, NO_PROFILE
from tests.support.grants import NAMES, ONE_OF_THEM
from tests.support.processes import development, production, run_latchkey
from tests.support.shell import Shell

Read = TypeVar("Read")

PASSWORD = "correct horse battery staple"
SECRET = "a-client-secret-of-40-characters-or-more"

NOT_MIGRATED = "latchkey: the database is not migrated: run `latchkey db upgrade`\n"


@pytest.fixture(autouse=True)
def _no_dotenv_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def latchkey(database_url: str) -> Shell:
    return Shell(database_url)


@pytest.fixture
def unmigrated(backend: Backend) -> Generator[Shell]:
    url = backend.empty()
    yield Shell(url)
    backend.drop(url)


def read(url: str, work: Callable[[AsyncConnection], Awaitable[Read]]) -> Read:
    async def main() -> Read:
        database = Database(url)
        try:
            async with database.read() as connection:
                return await work(connection)
        finally:
            await database.close()

    return asyncio.run(main())


def rows(url: str, *columns: Any) -> list[tuple[Any, ...]]:
    async def work(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.execute(select(*columns))]

    return read(url, work)


def count(url: str, table: type[Base]) -> int:
    return len(rows(url, *table.__table__.primary_key))


def password_matches(url: str, username: str, password: str) -> bool:
    async def main() -> bool:
        server = Server(make_settings(database_url=url), Clock())
        async with server.database.read() as connection:
            stored = await connection.scalar(
                select(User.password_hash).where(User.username == username)
            )
        matches, _ = await server.passwords.verify(password, stored)
        await server.close()
        return matches

    return asyncio.run(main())


def assert_refused(result: Result, line: str) -> None:
    """Exit code 1, one line on stderr, and nothing on stdout."""
    assert (result.exit_code, result.stderr, result.stdout) == (1, f"latchkey: {line}\n", "")


# db


def test_an_upgrade_migrates_the_database_and_says_so(unmigrated: Shell) -> None:
    assert unmigrated.json("db", "upgrade") == {"schema_state": "current"}
    assert unmigrated.json("db", "check") == {"schema_state": "current"}
    assert unmigrated.json("db", "upgrade") == {"schema_state": "current"}


def test_a_check_of_an_empty_database_fails(unmigrated: Shell) -> None:
    result = unmigrated("db", "check", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        '{"schema_state": "missing"}\n',
        NOT_MIGRATED,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("seed-demo",), id="seed-demo"),
        pytest.param(("users", "create", "bob"), id="users create"),
        pytest.param(("clients", "create", "App", "--grant", "password"), id="clients create"),
        pytest.param(("serve",), id="serve"),
    ],
)
def test_a_command_on_an_empty_database_says_to_migrate_it(
    unmigrated: Shell, arguments: tuple[str, ...]
) -> None:
    result = unmigrated(*arguments)
    assert (result.exit_code, result.stderr) == (1, NOT_MIGRATED)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("db", "upgrade"), id="db upgrade"),
        pytest.param(("db", "check"), id="db check"),
        pytest.param(("users", "create", "bob"), id="users create"),
        pytest.param(("serve",), id="serve"),
    ],
)
# aiosqlite's thread may still report a failed connection when the command's event loop is closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("how", ["no such server", "no such database"])
def test_a_command_without_a_database_fails_in_one_line(
    latchkey: Shell, arguments: tuple[str, ...], how: str, tmp_path: Path
) -> None:
    if latchkey.url.startswith("sqlite"):
        file = tmp_path / ("no folder/latchkey.db" if how == "no such server" else "text.db")
        (tmp_path / "text.db").write_text("this is text and not a database\n" * 40)
        url = f"sqlite:///{file}"
    elif how == "no such server":
        url = f"postgresql://postgres@/latchkey?host={tmp_path}"
    else:
        url = latchkey.url.replace("/test_", "/gone_")
    before = set(threading.enumerate())
    result = latchkey(*arguments, database_url=url)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # so that what it reports is this test's to ignore, and not the next one's
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("latchkey: the database ")
    assert result.stderr.count("\n") == 1


# seed-demo


def test_the_demo_data_is_loaded_and_listed(latchkey: Shell) -> None:
    seeded = latchkey.json("seed-demo")
    assert (seeded["seeded"], seeded["users"]) == (True, ["alice", "admin", "disabled"])
    others = [*brought("DEMO_CLIENTS")]
    assert seeded["clients"] == ["first-party", "swagger-ui", "demo-web", "demo-service", *others]
    assert password_matches(latchkey.url, "alice", "alice-in-wonderland")
    assert {n: at is None for n, at in rows(latchkey.url, User.username, User.disabled_at)} == {
        "alice": True,
        "admin": True,
        "disabled": False,
    }


def test_loading_the_demo_data_twice_changes_nothing(latchkey: Shell) -> None:
    latchkey.json("seed-demo")
    before = rows(latchkey.url, User.id, User.password_hash), rows(latchkey.url, Client.client_id)
    latchkey.json("seed-demo")
    after = rows(latchkey.url, User.id, User.password_hash), rows(latchkey.url, Client.client_id)
    assert [sorted(each) for each in after] == [sorted(each) for each in before]


def test_loading_the_demo_data_adds_what_is_missing(latchkey: Shell) -> None:
    latchkey.json("users", "create", "alice", "--password-stdin", stdin=PASSWORD)
    latchkey.json("seed-demo")
    assert count(latchkey.url, User) == 3
    assert password_matches(latchkey.url, "alice", PASSWORD)


def test_the_demo_data_is_loaded_into_an_empty_database_if_that_is_asked(
    latchkey: Shell,
) -> None:
    assert latchkey.json("seed-demo", "--if-empty")["seeded"] is True
    assert count(latchkey.url, User) == 3
    assert latchkey.json("seed-demo", "--if-empty")["seeded"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("users", "create", "bob"), id="a user"),
        pytest.param(("clients", "create", "App", "--grant", "password"), id="a client"),
    ],
)
def test_the_demo_data_is_not_added_to_what_is_there_if_that_is_asked(
    latchkey: Shell, arguments: tuple[str, ...]
) -> None:
    latchkey.json(*arguments)
    assert latchkey.json("seed-demo", "--if-empty")["seeded"] is False
    assert count(latchkey.url, User) + count(latchkey.url, Client) == 1


def test_the_demo_data_is_refused_in_production(latchkey: Shell) -> None:
    latchkey.settings = production(latchkey.url)
    assert_refused(
        latchkey("seed-demo"),
        "demo data is for development: set LATCHKEY_ENVIRONMENT=development",
    )
    assert count(latchkey.url, User) == 0


def just_now(record: dict[str, Any]) -> dict[str, Any]:
    """The times of a record that was made this minute."""
    created = datetime.fromisoformat(record["created_at"])
    assert timedelta() <= datetime.now(UTC) - created < timedelta(minutes=1)
    return {
        "created_at": record["created_at"],
        "updated_at": record["created_at"],
        "disabled_at": None,
    }


# users create


def test_a_user_is_created_with_a_generated_password_that_is_shown(latchkey: Shell) -> None:
    record = latchkey.json("users", "create", "Bob", "--email", "bob@example.com")
    assert record == {
        "id": str(uuid.UUID(record["id"])),
        "username": "Bob",
        "email": "bob@example.com",
        "email_verified": False,
        **NO_PROFILE,
        "has_password": True,
        "scopes": ["account", "email", "offline_access", "openid", "profile"],
        "inherited_scopes": [],
        **just_now(record),
        "password": record["password"],
    }
    assert len(record["password"]) >= 43
    assert password_matches(latchkey.url, "Bob", record["password"])
    assert rows(latchkey.url, User.id, User.username_key, User.email, User.email_verified) == [
        (uuid.UUID(record["id"]), "bob", "bob@example.com", False)
    ]
    assert sorted(scope for (scope,) in rows(latchkey.url, UserScope.scope)) == sorted(
        record["scopes"]
    )


def test_each_generated_password_is_another(latchkey: Shell) -> None:
    passwords = {latchkey.json("users", "create", name)["password"] for name in ("a", "b", "c")}
    assert len(passwords) == 3


def test_a_user_has_the_scopes_that_are_given_and_no_others(latchkey: Shell) -> None:
    record = latchkey.json("users", "create", "bob", "--scope", "items:read", "--scope", "profile")
    assert record["scopes"] == ["items:read", "profile"]
    assert sorted(rows(latchkey.url, UserScope.scope)) == [("items:read",), ("profile",)]


def test_a_password_from_stdin_is_not_shown(latchkey: Shell) -> None:
    result = latchkey("users", "create", "bob", "--password-stdin", stdin=PASSWORD)
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert "password" not in latchkey.json(
        "users", "create", "eve", "--password-stdin", stdin=PASSWORD
    )


@pytest.mark.parametrize(
    ("stdin", "password"),
    [
        pytest.param(PASSWORD, PASSWORD, id="no newline"),
        pytest.param(f"{PASSWORD}\n", PASSWORD, id="one newline is lost"),
        pytest.param(f"{PASSWORD}\r\n", PASSWORD, id="one of Windows is lost"),
        pytest.param(f" {PASSWORD} \n", f" {PASSWORD} ", id="space stays"),
        pytest.param("пароль из многих слов\n", "пароль из многих слов", id="not ASCII"),
    ],
)
def test_a_password_from_stdin_loses_one_newline(
    latchkey: Shell, stdin: str, password: str
) -> None:
    latchkey.json("users", "create", "bob", "--password-stdin", stdin=stdin)
    assert password_matches(latchkey.url, "bob", password)


NOT_ONE_LINE = (
    "the input is not accepted: there are control characters in it, or more than one line"
)


@pytest.mark.parametrize(
    ("password", "line"),
    [
        pytest.param("", "a password must have at least 15 characters", id="empty"),
        pytest.param("fourteen chars", "a password must have at least 15 characters", id="short"),
        pytest.param("x" * 1025, "a password can have at most 1024 characters", id="long"),
        pytest.param(f"{PASSWORD}\x00", NOT_ONE_LINE, id="with NUL"),
        pytest.param(f"{PASSWORD}\n\n", NOT_ONE_LINE, id="with two newlines"),
        pytest.param(
            "BOB-THE-BUILDER",
            "a password must differ from the user name",
            id="the name of the user",
        ),
    ],
)
def test_a_password_that_breaks_a_rule_is_refused(
    latchkey: Shell, password: str, line: str
) -> None:
    result = latchkey("users", "create", "bob-the-builder", "--password-stdin", stdin=password)
    assert_refused(result, line)
    assert count(latchkey.url, User) == 0


def test_the_least_length_of_a_password_is_a_setting(latchkey: Shell) -> None:
    arguments = ("users", "create", "bob", "--password-stdin")
    assert latchkey(*arguments, stdin="eight ch", password_min_length="8").exit_code == 0


@pytest.mark.parametrize(
    "name", ["bob", "BOB", "\uff42\uff4f\uff42"], ids=["same", "case", "width"]
)
def test_a_second_user_of_the_same_name_is_refused(latchkey: Shell, name: str) -> None:
    latchkey.json("users", "create", "Bob")
    result = latchkey("users", "create", name)
    assert_refused(result, f"a user named {name!r} already exists")
    assert count(latchkey.url, User) == 1


CONTROL = "a user name cannot contain control characters, or start or end with a space"
NO_NAME = "username: String should have at least 1 character"
LONG_NAME = "username: String should have at most 128 characters"
NO_UTF8 = "username: Input should be a valid string, unable to parse raw data as a unicode string"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        pytest.param("", NO_NAME, id="empty"),
        pytest.param("x" * 129, LONG_NAME, id="long"),
        pytest.param(" bob", CONTROL, id="space before"),
        pytest.param("bob\n", CONTROL, id="newline"),
        pytest.param("b\x1bob", CONTROL, id="escape"),
        pytest.param("b\u202eob", CONTROL, id="right to left"),
        pytest.param("b\udcffob", NO_UTF8, id="bytes that are no UTF-8"),
    ],
)
def test_a_name_that_no_user_can_have_is_refused(latchkey: Shell, name: str, line: str) -> None:
    assert_refused(latchkey("users", "create", name), line)
    assert count(latchkey.url, User) == 0


@pytest.mark.parametrize(
    "email", ["", "bob", "@example.com", "bob@", "b b@example.com", "b\x00@example.com"]
)
def test_what_is_no_address_is_refused(latchkey: Shell, email: str) -> None:
    result = latchkey("users", "create", "bob", "--email", email)
    assert_refused(result, "an e-mail address must have the form name@domain")
    assert count(latchkey.url, User) == 0


def test_a_user_cannot_have_an_unknown_scope(latchkey: Shell) -> None:
    result = latchkey("users", "create", "bob", "--scope", "profile", "--scope", "cakes:eat")
    assert_refused(result, "there is no scope 'cakes:eat'")
    assert count(latchkey.url, User) == 0


# clients create


def test_a_client_is_created_with_an_id_and_a_secret_that_are_shown(latchkey: Shell) -> None:
    record = latchkey.json("clients", "create", "My app", "--grant", "password")
    assert record == {
        **NO_METADATA,
        "client_id": record["client_id"],
        "client_secret": record["client_secret"],
        "name": "My app",
        "public": False,
        "grant_types": ["password"],
        "auth_methods": ["client_secret_basic", "client_secret_post"],
        "self_registered": False,
        "every_scope": False,
        **just_now(record),
    }
    assert len(record["client_id"]) >= 20
    assert len(record["client_secret"]) >= 43
    assert rows(latchkey.url, ClientSecret.client_id, ClientSecret.secret_hash) == [
        (record["client_id"], hash_secret(record["client_secret"]))
    ]


STORED = (
    Client.client_id,
    Client.name,
    Client.is_public,
    Client.grant_types,
    Client.auth_methods,
    Client.redirect_uris,
    Client.post_logout_redirect_uris,
    Client.id_token_alg,
    Client.require_pkce,
    Client.introspect,
    Client.disabled_at,
)


def test_a_client_without_options_has_the_safe_defaults(latchkey: Shell) -> None:
    record = latchkey.json("clients", "create", "My app", "--grant", "password")
    assert rows(latchkey.url, *STORED) == [
        (
            record["client_id"],
            "My app",
            False,
            ["password"],
            ["client_secret_basic", "client_secret_post"],
            [],
            [],
            "RS256",
            True,
            "own",
            None,
        )
    ]
    assert rows(latchkey.url, ClientScope.scope) == []


def test_a_client_is_stored_with_every_option_that_is_given(latchkey: Shell) -> None:
    options = {
        "--client-id": ["app"],
        "--grant": ["password", "refresh_token"],
        "--redirect-uri": ["https://app.example/cb", "com.example.app:/cb"],
        "--post-logout-redirect-uri": ["https://app.example/bye"],
        "--scope": ["openid", "items:read"],
        "--default-scope": ["profile", "items:read"],
        "--auth-method": ["client_secret_post"],
        "--id-token-alg": ["EdDSA"],
        "--introspect": ["any"],
    }
    pairs = [part for name, values in options.items() for value in values for part in (name, value)]
    record = latchkey.json(
        "clients", "create", "My app", *pairs, "--no-pkce", "--client-secret-stdin", stdin=SECRET
    )
    assert record == {
        **NO_METADATA,
        "client_id": "app",
        "name": "My app",
        "public": False,
        "grant_types": ["password", "refresh_token"],
        "auth_methods": ["client_secret_post"],
        "redirect_uris": ["https://app.example/cb", "com.example.app:/cb"],
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "scopes": ["items:read", "openid", "profile"],
        "default_scopes": ["items:read", "profile"],
        "id_token_alg": "EdDSA",
        "self_registered": False,
        "require_pkce": False,
        "introspect": "any",
        "every_scope": False,
        **just_now(record),
    }
    assert rows(latchkey.url, *STORED) == [
        (
            "app",
            "My app",
            False,
            ["password", "refresh_token"],
            ["client_secret_post"],
            ["https://app.example/cb", "com.example.app:/cb"],
            ["https://app.example/bye"],
            "EdDSA",
            False,
            "any",
            None,
        )
    ]
    assert sorted(rows(latchkey.url, ClientScope.scope, ClientScope.is_default)) == [
        ("items:read", True),
        ("openid", False),
        ("profile", True),
    ]


def test_a_public_client_has_no_secret(latchkey: Shell) -> None:
    record = latchkey.json("clients", "create", "App", "--public", "--grant", "password")
    assert record == {
        **NO_METADATA,
        "client_id": record["client_id"],
        "name": "App",
        "public": True,
        "grant_types": ["password"],
        "auth_methods": ["none"],
        "self_registered": False,
        "every_scope": False,
        **just_now(record),
    }
    assert rows(latchkey.url, Client.is_public, Client.auth_methods) == [(True, ["none"])]
    assert count(latchkey.url, ClientSecret) == 0


@pytest.mark.parametrize(
    ("stdin", "secret"),
    [
        pytest.param(f"{SECRET}\n", SECRET, id="one newline is lost"),
        pytest.param("x" * 32, "x" * 32, id="the shortest"),
        pytest.param("x" * 1024, "x" * 1024, id="the longest"),
        pytest.param("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", None, id="punctuation"),
    ],
)
def test_a_client_secret_is_taken_from_stdin(
    latchkey: Shell, stdin: str, secret: str | None
) -> None:
    latchkey.json(
        "clients", "create", "App", "--grant", "password", "--client-secret-stdin", stdin=stdin
    )
    assert rows(latchkey.url, ClientSecret.secret_hash) == [(hash_secret(secret or stdin),)]


SHORT = "a client secret must have 32 or more printable ASCII characters"


@pytest.mark.parametrize(
    "stdin",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 31, id="short"),
        pytest.param("x" * 31 + "\n", id="short but for the newline"),
        pytest.param("x" * 1025, id="long"),
        pytest.param("x y" * 20, id="space"),
        pytest.param("é" * 40, id="not ASCII"),
    ],
)
def test_a_client_secret_that_breaks_a_rule_is_refused(latchkey: Shell, stdin: str) -> None:
    result = latchkey(
        "clients", "create", "App", "--grant", "password", "--client-secret-stdin", stdin=stdin
    )
    assert_refused(result, SHORT)
    assert count(latchkey.url, Client) == 0


def test_a_client_secret_of_two_lines_is_refused(latchkey: Shell) -> None:
    stdin = "x" * 40 + "\n\n"
    result = latchkey(
        "clients", "create", "App", "--grant", "password", "--client-secret-stdin", stdin=stdin
    )
    assert_refused(result, NOT_ONE_LINE)
    assert count(latchkey.url, Client) == 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param(
            (),
            f"a client needs at least one grant ({NAMES}), or to introspect any token",
            id="no grant",
        ),
        pytest.param(
            ("--grant", "client_credentials", "--default-scope", "profile"),
            "client_credentials cannot be granted scopes about a user: choose another default "
            "scope",
            id="defaults that it never gets",
        ),
        pytest.param(
            ("--grant", "implicit"),
            f"grant_types.0: {ONE_OF_THEM}",
            id="unknown grant",
        ),
        pytest.param(
            ("--grant", "password", "--scope", "cakes:eat"),
            "there is no scope 'cakes:eat'",
            id="unknown scope",
        ),
        pytest.param(
            ("--grant", "password", "--default-scope", "cakes:eat"),
            "there is no scope 'cakes:eat'",
            id="unknown default scope",
        ),
        pytest.param(
            ("--grant", "password", "--auth-method", "private_key_jwt"),
            "auth_methods.0: Input should be 'client_secret_basic' or 'client_secret_post'",
            id="unknown method",
        ),
        pytest.param(
            ("--grant", "password", "--id-token-alg", "HS256"),
            "id_token_alg: Input should be 'RS256', 'ES256' or 'EdDSA'",
            id="unknown algorithm",
        ),
        pytest.param(
            ("--grant", "password", "--introspect", "all"),
            "introspect: Input should be 'own' or 'any'",
            id="unknown policy",
        ),
        pytest.param(
            ("--grant", "password", "--client-id", "my app"),
            "a client id must have 1 to 255 printable ASCII characters and no spaces",
            id="space in the id",
        ),
        pytest.param(
            ("--grant", "password", "--client-id", ""),
            "a client id must have 1 to 255 printable ASCII characters and no spaces",
            id="empty id",
        ),
        pytest.param(
            ("--grant", "password", "--client-id", "x" * 256),
            "client_id: String should have at most 255 characters",
            id="long id",
        ),
        pytest.param(
            ("--public", "--grant", "client_credentials"),
            "client_credentials is only for confidential clients (RFC 6749, section 4.4)",
            id="public with client_credentials",
        ),
        pytest.param(
            ("--public", "--grant", "password", "--auth-method", "client_secret_basic"),
            "a public client cannot have a secret or an authentication method",
            id="public with a method",
        ),
        pytest.param(
            ("--public", "--grant", "password", "--no-pkce"),
            "only a confidential client can be exempt from PKCE",
            id="public without PKCE",
        ),
        pytest.param(
            ("--public", "--grant", "password", "--introspect", "any"),
            "only a confidential client can introspect",
            id="public that introspects",
        ),
    ],
)
def test_a_client_that_breaks_a_rule_is_refused(
    latchkey: Shell, options: tuple[str, ...], line: str
) -> None:
    assert_refused(latchkey("clients", "create", "App", *options), line)
    assert count(latchkey.url, Client) == 0


def test_a_public_client_with_a_secret_is_refused(latchkey: Shell) -> None:
    result = latchkey(
        "clients",
        "create",
        "App",
        "--public",
        "--grant",
        "password",
        "--client-secret-stdin",
        stdin=SECRET,
    )
    assert_refused(result, "a public client cannot have a secret or an authentication method")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        pytest.param("", "name: String should have at least 1 character", id="empty"),
        pytest.param(" ", "a client name must have 1 to 255 characters", id="blank"),
        pytest.param("x" * 256, "name: String should have at most 255 characters", id="long"),
    ],
)
def test_a_client_needs_a_name(latchkey: Shell, name: str, line: str) -> None:
    assert_refused(latchkey("clients", "create", name, "--grant", "password"), line)


def test_all_the_rules_that_a_client_breaks_are_counted_in_the_one_line(
    latchkey: Shell,
) -> None:
    options = ("--public", "--grant", "client_credentials", "--no-pkce")
    line = (
        "client_credentials is only for confidential clients (RFC 6749, section 4.4) (and 1 more)"
    )
    assert_refused(latchkey("clients", "create", "App", *options), line)


def test_a_second_client_of_the_same_id_is_refused(latchkey: Shell) -> None:
    arguments = ("clients", "create", "App", "--client-id", "app", "--grant", "password")
    latchkey.json(*arguments)
    assert_refused(latchkey(*arguments), "a client with the id 'app' already exists")
    assert count(latchkey.url, ClientSecret) == 1


@pytest.mark.parametrize(
    "spelled", [str, str.upper, lambda text: text.replace("-", "")], ids=["as is", "upper", "hex"]
)
def test_a_client_cannot_have_the_id_of_a_user(
    latchkey: Shell, spelled: Callable[[str], str]
) -> None:
    user_id = spelled(latchkey.json("users", "create", "bob")["id"])
    result = latchkey("clients", "create", "App", "--client-id", user_id, "--grant", "password")
    assert_refused(result, "a client id cannot have the form of a user id")


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb",
        "https://app.example",
        "https://app.example:8443/cb?tenant=1",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:9000/cb",
        "http://[::1]:9000/cb",
        "http://localhost:9000/cb",
        "com.example.app:/cb",
        "com.example.app://cb",
    ],
)
def test_a_redirect_uri_that_is_exact_and_safe_is_accepted(uri: str) -> None:
    check_redirect_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("", id="empty"),
        pytest.param("/cb", id="relative"),
        pytest.param("//app.example/cb", id="no scheme"),
        pytest.param("app.example/cb", id="host and path"),
        pytest.param("https://", id="no host"),
        pytest.param("https:///cb", id="path without host"),
        pytest.param("https:cb", id="no slashes"),
        pytest.param("https://[::1/cb", id="bracket not closed"),
        pytest.param("https://app.example:port/cb", id="port is a word"),
        pytest.param("https://app.example:99999/cb", id="port out of range"),
        pytest.param("https://app.example/cb#part", id="fragment"),
        pytest.param("https://app.example/cb#", id="empty fragment"),
        pytest.param("https://user@app.example/cb", id="user"),
        pytest.param("https://user:pw@app.example/cb", id="password"),
        pytest.param("https://@app.example/cb", id="empty user"),
        pytest.param("https://app.example;sandbox/cb", id="semicolon in the host"),
        pytest.param("https://app.example,evil.example/cb", id="comma in the host"),
        pytest.param("https://app.example'/cb", id="quote in the host"),
        pytest.param('https://app.example"/cb', id="double quote in the host"),
        pytest.param("com.example.app://a;b/cb", id="semicolon in the host of a private scheme"),
        pytest.param("https://*.app.example/cb", id="wildcard host"),
        pytest.param("https://app.example/*", id="wildcard path"),
        pytest.param("https://app.example/c b", id="space"),
        pytest.param(" https://app.example/cb", id="space before"),
        pytest.param("https://app.example/cb\n", id="newline"),
        pytest.param("https://app.example/cb\t", id="tab"),
        pytest.param("https://app.example\\@evil.example/", id="backslash"),
        pytest.param("https://app.example/é", id="Latin-1"),
        pytest.param("https://app.example/🔑", id="beyond the first plane"),
        pytest.param("https://\u0430pp.example/cb", id="Cyrillic host"),
        pytest.param("http://app.example/cb", id="http"),
        pytest.param("http://127.0.0.1.evil.example/cb", id="looks like loopback"),
        pytest.param("http://localhost.evil.example/cb", id="looks like localhost"),
        pytest.param("http://10.0.0.1/cb", id="http in a private network"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("JavaScript://app.example/%0aalert(1)", id="javascript in another case"),
        pytest.param("data:text/html,hello", id="data"),
        pytest.param("vbscript:hello", id="vbscript"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("blob:https://app.example/1", id="blob"),
        pytest.param("about:blank", id="about"),
        pytest.param("chrome-extension://abcdefgh/cb", id="an extension's page"),
        pytest.param("ms-msdt:/id", id="a tool of the system"),
        pytest.param("search-ms:query", id="a search of the system"),
        pytest.param("smb://app.example/cb", id="a file server"),
    ],
)
def test_any_other_redirect_uri_is_refused(uri: str) -> None:
    with pytest.raises(InvalidError, match=r"^a (redirect URI|private-use scheme) "):
        check_redirect_uri(uri)


@pytest.mark.parametrize("option", ["--redirect-uri", "--post-logout-redirect-uri"])
def test_a_client_with_one_bad_redirect_uri_is_refused(latchkey: Shell, option: str) -> None:
    uris = (option, "https://app.example/cb", option, "https://app.example/cb#part")
    result = latchkey("clients", "create", "App", "--grant", "password", *uris)
    assert_refused(result, "a redirect URI cannot have a fragment")
    assert count(latchkey.url, Client) == 0


# How commands answer


def test_a_record_is_printed_for_people_unless_json_is_asked(latchkey: Shell) -> None:
    result = latchkey("users", "create", "bob", "--scope", "profile", "--scope", "email")
    assert (result.exit_code, result.stderr) == (0, "")
    words = result.stdout.replace("│", " ").split()
    assert "bob" in words
    assert words[words.index("scopes") + 1 :][:2] == ["email", "profile"]
    password = words[words.index("password") + 1]
    assert password_matches(latchkey.url, "bob", password)
    assert "The password is shown only once." in result.stdout


def test_a_long_value_is_printed_in_one_piece(latchkey: Shell) -> None:
    client_id = "x" * 255
    options = ("--client-id", client_id, "--grant", "password")
    assert client_id in latchkey("clients", "create", "App", *options).stdout


def test_a_secret_is_shown_with_a_note_that_it_is_shown_once(latchkey: Shell) -> None:
    result = latchkey("clients", "create", "App", "--grant", "password")
    assert "The secret is shown only once." in result.stdout
    public = latchkey("clients", "create", "App", "--public", "--grant", "password")
    assert "secret" not in public.stdout


def test_what_is_refused_is_said_on_stderr_also_with_json(latchkey: Shell) -> None:
    result = latchkey("users", "create", "", "--json")
    assert_refused(result, NO_NAME)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("users", "create"), id="argument missing"),
        pytest.param(("users", "create", "a", "b"), id="argument too many"),
        pytest.param(("users", "create", "a", "--nothing"), id="unknown option"),
        pytest.param(("users", "create", "a", "--scope"), id="value missing"),
        pytest.param(("users", "bake"), id="unknown command"),
        pytest.param(("cakes",), id="unknown noun"),
        pytest.param(("serve", "--port", "high"), id="no number"),
        pytest.param(("serve", "--workers", "0"), id="number out of range"),
    ],
)
def test_bad_usage_is_exit_code_2(latchkey: Shell, arguments: tuple[str, ...]) -> None:
    result = latchkey(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("db", "check"), id="db check"),
        pytest.param(("users", "create", "bob"), id="users create"),
        pytest.param(("serve",), id="serve"),
    ],
)
def test_a_bad_setting_stops_every_command_with_its_line(
    latchkey: Shell, arguments: tuple[str, ...]
) -> None:
    result = latchkey(*arguments, access_token_ttl="soon")
    assert_refused(
        result,
        "LATCHKEY_ACCESS_TOKEN_TTL is not accepted: Input should be a valid integer, "
        "unable to parse string as an integer",
    )


def test_a_process_of_its_own_prints_one_json_object_and_reads_stdin(
    database_url: str, tmp_path: Path
) -> None:
    settings = development(database_url)
    arguments = ("users", "create", "bob", "--scope", "profile", "--password-stdin", "--json")
    created = run_latchkey(*arguments, settings=settings, folder=tmp_path, stdin=f"{PASSWORD}\n")
    record = json.loads(created.stdout)
    assert (created.returncode, created.stderr, record) == (
        0,
        "",
        {
            "id": record["id"],
            "username": "bob",
            "email": None,
            "email_verified": False,
            **NO_PROFILE,
            "has_password": True,
            "scopes": ["profile"],
            "inherited_scopes": [],
            **just_now(record),
        },
    )
    assert password_matches(database_url, "bob", PASSWORD)
    again = run_latchkey("users", "create", "", "--json", settings=settings, folder=tmp_path)
    assert (again.returncode, again.stdout, again.stderr) == (1, "", f"latchkey: {NO_NAME}\n")


# serve


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Serving]:
    """What is to be served, without serving it."""
    calls: list[Serving] = []

    def note(serving: Serving, workers: int = 1) -> int:
        calls.append(serving)
        return 0

    monkeypatch.setattr("app.cli.serve.serve_alone", note)
    monkeypatch.setattr("app.cli.serve.serve_together", note)
    # It changes the logging of the whole process.
    unchanged = {"version": 1, "incremental": True}
    monkeypatch.setattr("app.cli.serve.log_config", lambda *_: unchanged)
    # The command may set it for its workers; this takes it away again.
    monkeypatch.setenv("LATCHKEY_ISSUER", "")
    monkeypatch.delenv("LATCHKEY_ISSUER")
    return calls


def test_the_server_is_started_as_the_options_say(latchkey: Shell, served: list[Serving]) -> None:
    result = latchkey("serve", "--host", "::1", "--port", "9000", "--workers", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    (serving,) = served
    assert (serving.host, serving.port, serving.uds, serving.root_path) == ("::1", 9000, None, "")
    config = serving.config()
    assert config.proxy_headers is False  # app.web.proxies reads them
    assert config.server_header is False


def test_the_options_of_connections_reach_the_server(
    latchkey: Shell, served: list[Serving]
) -> None:
    options = ("--uds", "/run/latchkey.sock", "--root-path", "/auth")
    bounds = ("--keep-alive", "9", "--limit-concurrency", "7", "--grace", "3")
    assert latchkey("serve", *options, *bounds).exit_code == 0
    config = served[0].config()
    assert (config.uds, config.root_path) == ("/run/latchkey.sock", "/auth")
    assert (config.timeout_keep_alive, config.limit_concurrency) == (9, 7)
    assert served[0].grace == 3


@pytest.mark.parametrize("path", ["/auth", "/of/us"])
def test_the_prefix_may_be_the_path_of_the_issuer(
    latchkey: Shell, served: list[Serving], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("LATCHKEY_ISSUER", f"https://id.example{path}")
    result = latchkey("serve", "--root-path", path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert served[0].root_path == path


@pytest.mark.parametrize("option", [("--host", "0.0.0.0"), ("--port", "9000")])
def test_a_socket_beside_an_address_is_bad_usage(
    latchkey: Shell, served: list[Serving], option: tuple[str, str]
) -> None:
    assert latchkey("serve", "--uds", "/run/latchkey.sock", *option).exit_code == 2
    assert served == []


@pytest.mark.parametrize(
    ("prefix", "line"),
    [
        ("/token", "--root-path must not begin with /token, which is a route"),
        ("/users/of/us", "--root-path must not begin with /users, which is a route"),
        ("auth", "--root-path must be a path such as /auth"),
        ("/auth/", "--root-path must be a path such as /auth"),
        ("/", "--root-path must be a path such as /auth"),
    ],
)
def test_a_prefix_that_requests_cannot_be_told_by_stops_the_start(
    latchkey: Shell, served: list[Serving], prefix: str, line: str
) -> None:
    assert_refused(latchkey("serve", "--root-path", prefix), line)
    assert served == []


def test_a_path_that_is_too_long_for_a_socket_is_one_line(
    latchkey: Shell, served: list[Serving]
) -> None:
    path = f"/tmp/{'a' * 120}"
    latchkey("serve", "--uds", path)
    with pytest.raises(SettingsError) as refused, served[0].listening():
        pass
    assert str(refused.value) == f"cannot listen on {path}: AF_UNIX path too long"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_socket_is_left_where_it_is(
    latchkey: Shell, served: list[Serving], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "there"
    path.write_text("kept") if kind == "file" else path.mkdir()
    latchkey("serve", "--uds", str(path))
    with pytest.raises(SettingsError) as refused, served[0].listening():
        pass
    assert str(refused.value) == f"cannot listen on {path}: it is there and is no socket"
    assert path.exists()


def test_an_idle_connection_stays_longer_than_a_proxy_keeps_it(
    latchkey: Shell, served: list[Serving]
) -> None:
    assert latchkey("serve").exit_code == 0
    assert served[0].keep_alive > 120  # as long as Caddy does


def test_proxies_have_a_grace_in_production(latchkey: Shell, served: list[Serving]) -> None:
    latchkey.settings = production(latchkey.url)
    assert latchkey("serve").exit_code == 0
    assert [each.grace for each in served] == [5]


def test_nobody_waits_for_proxies_in_development(latchkey: Shell, served: list[Serving]) -> None:
    assert latchkey("serve").exit_code == 0
    assert [each.grace for each in served] == [0]


def test_the_issuer_in_development_has_the_port_of_the_command(
    latchkey: Shell, served: list[Serving]
) -> None:
    result = latchkey("serve", "--port", "9000")
    assert "http://127.0.0.1:9000/docs" in result.stdout
    assert len(served) == 1


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("localhost", "http://127.0.0.1:9000"),
        ("127.0.0.2", "http://127.0.0.2:9000"),
        ("::1", "http://[::1]:9000"),
    ],
)
def test_the_issuer_in_development_is_where_the_server_listens(
    latchkey: Shell, served: list[Serving], host: str, issuer: str
) -> None:
    result = latchkey("serve", "--host", host, "--port", "9000")
    assert f"{issuer}/docs" in result.stdout
    assert len(served) == 1


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_does_not_exist_is_bad_usage(
    latchkey: Shell, served: list[Serving], port: str
) -> None:
    assert latchkey("serve", "--port", port).exit_code == 2
    assert served == []


def test_the_issuer_has_the_port_also_when_the_dotenv_file_says_development(
    latchkey: Shell, served: list[Serving]
) -> None:
    del latchkey.settings["LATCHKEY_ENVIRONMENT"]
    Path(".env").write_text("LATCHKEY_ENVIRONMENT=development\n")
    result = latchkey("serve", "--port", "9000")
    assert "http://127.0.0.1:9000/docs" in result.stdout
    assert len(served) == 1


def test_the_issuer_of_the_dotenv_file_is_used_in_development(
    latchkey: Shell, served: list[Serving]
) -> None:
    Path(".env").write_text("LATCHKEY_ISSUER=https://dev.example.com\n")
    result = latchkey("serve", "--port", "9000")
    assert "https://dev.example.com/docs" in result.stdout
    assert len(served) == 1


def test_the_demo_login_is_told_only_when_it_works(latchkey: Shell, served: list[Serving]) -> None:
    assert "alice-in-wonderland" not in latchkey("serve").stdout
    latchkey.json("seed-demo")
    assert "alice-in-wonderland" in latchkey("serve").stdout
    assert len(served) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_demo_data_is_served_on_loopback(latchkey: Shell, served: list[Serving], host: str) -> None:
    latchkey.json("seed-demo")
    assert latchkey("serve", "--host", host).exit_code == 0
    assert [serving.host for serving in served] == [host]


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "127.0.0.1.example.com", ""]
)
def test_demo_data_is_not_served_on_a_network(
    latchkey: Shell, served: list[Serving], host: str
) -> None:
    latchkey.json("seed-demo")
    result = latchkey("serve", "--host", host)
    assert_refused(
        result,
        f"the demo data is in the database, and {host} is not loopback: anyone who can "
        "reach it can log in. Set LATCHKEY_ALLOW_DEMO_ON_NETWORK=true if that is intended",
    )
    assert served == []


def test_demo_data_is_served_on_a_network_if_that_is_allowed(
    latchkey: Shell, served: list[Serving]
) -> None:
    latchkey.json("seed-demo")
    result = latchkey("serve", "--host", "0.0.0.0", allow_demo_on_network="true")
    assert result.exit_code == 0
    assert len(served) == 1


def test_an_application_without_demo_data_is_served_on_a_network(
    latchkey: Shell, served: list[Serving]
) -> None:
    latchkey.json("users", "create", "alice", "--password-stdin", stdin=PASSWORD)
    assert latchkey("serve", "--host", "0.0.0.0").exit_code == 0
    assert len(served) == 1


@pytest.mark.parametrize("allowed", ["false", "true"])
def test_demo_data_is_not_served_in_production(
    latchkey: Shell, served: list[Serving], allowed: str
) -> None:
    latchkey.json("seed-demo")
    latchkey.settings = production(latchkey.url)
    assert_refused(
        latchkey("serve", allow_demo_on_network=allowed),
        "the demo data is in the database: its passwords are public. Delete it",
    )
    assert served == []


def test_production_is_served_without_a_greeting(latchkey: Shell, served: list[Serving]) -> None:
    latchkey.settings = production(latchkey.url)
    result = latchkey("serve", "--host", "0.0.0.0")
    assert (result.exit_code, result.output) == (0, "")
    assert len(served) == 1


def test_a_development_secret_is_not_served_in_production(
    latchkey: Shell, served: list[Serving]
) -> None:
    latchkey.settings = production(latchkey.url)
    assert_refused(
        latchkey("serve", secret_key=DEVELOPMENT_SECRET_KEY),
        "LATCHKEY_SECRET_KEY is a published key: generate 32 random bytes",
    )
    assert served == []


def test_a_confidential_default_client_stops_the_start(
    latchkey: Shell, served: list[Serving]
) -> None:
    latchkey.json("clients", "create", "App", "--client-id", "app", "--grant", "password")
    assert_refused(
        latchkey("serve", default_client_id="app"),
        "LATCHKEY_DEFAULT_CLIENT_ID must be the id of a public client",
    )
    assert served == []


@pytest.fixture
def no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root file system that is read-only, without a place for temporary files."""

    def fail() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", fail)


@pytest.mark.usefixtures("no_temporary_folder")
def test_metrics_of_several_workers_say_that_they_need_a_folder(
    latchkey: Shell, served: list[Serving]
) -> None:
    result = latchkey("serve", "--workers", "2", metrics="true")
    assert (result.exit_code, result.stderr) == (
        1,
        "latchkey: LATCHKEY_METRICS with several workers needs a folder that can be written to: "
        "set TMPDIR\n",
    )
    assert served == []


@pytest.mark.usefixtures("no_temporary_folder")
def test_workers_are_started_without_a_folder_for_temporary_files() -> None:
    assert supervisor._context().get_start_method() == "spawn"


def test_a_folder_that_is_missing_is_what_a_command_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cause = sqlite3.OperationalError("unable to open database file")
    with pytest.raises(typer.Exit), FailingInOneLine():
        raise OperationalError(None, None, cause)
    line = "the database cannot be opened: its folder is missing or cannot be written to"
    assert capsys.readouterr().err == f"latchkey: {line}\n"
