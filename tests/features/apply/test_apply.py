"""``latchkey apply``: the database as a file declares it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.schema import ROOT
from app.features import load_features
from app.models import ClientSecret, User
from app.security.opaque import hash_secret
from app.server import Server
from tests.features import of_all_features
from tests.support.shell import Shell, assert_line

SECRET = "shop-secret-that-is-long-enough-to-be-one"
OTHER_SECRET = "another-secret-that-is-long-enough-to-be-one"

DECLARED = """
scopes:
  - name: reports:read
    description: Read your reports
users:
  - username: root
    all_scopes: true
    initial_password: {env: ROOT_PASSWORD}
  - username: ada
    email: ada@example.com
    scopes: [profile, reports:read]
clients:
  - client_id: shop
    name: Shop
    grant_types: [password, refresh_token]
    redirect_uris: [https://shop.example.com/callback]
    scopes: [reports:read]
    default_scopes: [openid]
    client_secret: {file: shop-secret}
  - client_id: app
    name: App
    public: true
    grant_types: [password]
    redirect_uris: [https://app.example.com/callback]
"""

PASSWORD = "correct horse battery staple"


@pytest.fixture
def secrets(no_dotenv_file: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file refers to."""
    Path("shop-secret").write_text(SECRET + "\n")
    monkeypatch.setenv("ROOT_PASSWORD", PASSWORD)


def apply(shell: Shell, document: str, *options: str) -> Any:
    """The changes that were made, or would be."""
    return shell.json("apply", "-", *options, stdin=document)


def brief(changes: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["change"], each["kind"], each["name"]) for each in changes]


def secret_hashes(shell: Shell, client_id: str) -> dict[str, bool]:
    """The hashes of the secrets of a client, and whether each ends."""

    async def work(server: Server) -> dict[str, bool]:
        query = select(ClientSecret.secret_hash, ClientSecret.expires_at)
        async with server.database.read() as connection:
            rows = await connection.execute(query.where(ClientSecret.client_id == client_id))
            return {row.secret_hash: row.expires_at is not None for row in rows}

    return shell.ask(work)


def everything(shell: Shell) -> list[Any]:
    """All that a file can declare of the core."""
    return [shell.json(noun, "list") for noun in ("scopes", "users", "clients")]


def password_of(shell: Shell, username: str) -> str | None:
    async def stored(connection: AsyncConnection) -> str | None:
        found: str | None = await connection.scalar(
            select(User.password_hash).where(User.username == username)
        )
        return found

    async def work(server: Server) -> str | None:
        async with server.database.read() as connection:
            return await stored(connection)

    return shell.ask(work)


# What is declared


def test_an_empty_database_is_brought_to_what_the_file_says(shell: Shell, secrets: None) -> None:
    assert brief(apply(shell, DECLARED)) == [
        ("created", "scope", "reports:read"),
        ("created", "user", "root"),
        ("created", "user", "ada"),
        ("created", "client", "shop"),
        ("created", "client", "app"),
    ]
    scopes = [scope["name"] for scope in shell.json("scopes", "list")]
    assert sorted(shell.json("users", "show", "root")["scopes"]) == sorted(scopes)
    ada = shell.json("users", "show", "ada")
    assert (ada["email"], ada["scopes"]) == ("ada@example.com", ["profile", "reports:read"])
    shop = shell.json("clients", "show", "shop")
    assert (shop["scopes"], shop["default_scopes"]) == (["openid", "reports:read"], ["openid"])
    assert secret_hashes(shell, "shop") == {hash_secret(SECRET): False}
    assert shell.json("clients", "show", "app")["public"] is True


def test_what_is_applied_again_changes_and_records_nothing(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    events = len(shell.events())
    before = everything(shell)
    assert apply(shell, DECLARED) == []
    assert everything(shell) == before
    assert len(shell.events()) == events


def test_a_dry_run_says_what_would_be_different_and_changes_nothing(
    shell: Shell, secrets: None
) -> None:
    before = everything(shell)
    announced = apply(shell, DECLARED, "--dry-run")
    assert everything(shell) == before
    assert shell.events() == []
    assert brief(announced) == brief(apply(shell, DECLARED))


def test_a_difference_is_told_field_by_field(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    other = DECLARED.replace("Read your reports", "Read reports").replace(
        "scopes: [profile, reports:read]", "scopes: [reports:read, email]"
    )
    assert apply(shell, other) == [
        {
            "kind": "scope",
            "name": "reports:read",
            "change": "changed",
            "fields": {"description": ["Read your reports", "Read reports"]},
        },
        {
            "kind": "user",
            "name": "ada",
            "change": "changed",
            "fields": {"scopes": [["profile", "reports:read"], ["email", "reports:read"]]},
        },
    ]


def test_a_difference_is_told_to_people(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    other = DECLARED.replace("scopes: [profile, reports:read]", "scopes: [reports:read, email]")
    other = other.replace("name: Shop", "name: The shop")
    result = shell("apply", "-", "--dry-run", stdin=other)
    assert result.stdout.splitlines() == [
        "~ user ada",
        "    scopes: +email -profile",
        "~ client shop",
        "    name: Shop → The shop",
        "2 changes to make. Nothing was changed.",
    ]
    assert shell("apply", "-", stdin=other).stdout.splitlines()[-1] == "2 changes made."
    assert shell("apply", "-", stdin=other).stdout == "Nothing to change.\n"


def test_a_file_is_yaml_or_json_and_secrets_are_found_beside_it(
    shell: Shell, tmp_path: Path
) -> None:
    folder = tmp_path / "declared"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    client = {"client_id": "orders", "name": "Orders", "grant_types": [], "introspect": "any"}
    document = {"clients": [{**client, "client_secret": {"file": "secret"}}]}
    (folder / "latchkey.json").write_text(json.dumps(document))
    shell.json("apply", str(folder / "latchkey.json"))
    assert secret_hashes(shell, "orders") == {hash_secret(SECRET): False}


def test_each_change_and_the_whole_are_in_the_audit_trail(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    types = [event.type for event in shell.events()]
    assert types.count("user.created") == 2
    (whole,) = shell.events(event_type="records.applied")
    assert (whole.actor, whole.details) == ("operator", {"created": 5})


# What stays


def test_what_the_file_does_not_name_stays(shell: Shell) -> None:
    shell.json("users", "create", "bob")
    apply(shell, "users: [{username: ada}]")
    assert shell.json("users", "show", "bob")["disabled_at"] is None


def test_what_is_not_said_of_a_user_stays_as_it_is(shell: Shell) -> None:
    shell.json("users", "create", "ada", "--email", "ada@example.com", "--scope", "email")
    shell.json("users", "disable", "ada")
    assert apply(shell, "users: [{username: Ada, scopes: [profile]}]") != []
    ada = shell.json("users", "show", "ada")
    assert (ada["email"], ada["scopes"]) == ("ada@example.com", ["profile"])
    assert ada["disabled_at"] is not None
    apply(shell, "users: [{username: ada, disabled: false}]")
    assert shell.json("users", "show", "ada")["disabled_at"] is None


def test_a_client_is_replaced_as_a_whole_but_stays_disabled(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    shell.json("clients", "disable", "shop")
    apply(shell, DECLARED.replace("    scopes: [reports:read]\n", ""))
    shop = shell.json("clients", "show", "shop")
    assert shop["scopes"] == ["openid"]
    assert shop["disabled_at"] is not None


def test_a_new_address_is_as_verified_as_the_file_says(shell: Shell) -> None:
    apply(shell, "users: [{username: ada, email: ada@example.com, email_verified: true}]")
    apply(shell, "users: [{username: ada, email: ada@example.org, email_verified: true}]")
    ada = shell.json("users", "show", "ada")
    assert (ada["email"], ada["email_verified"]) == ("ada@example.org", True)


# Secrets


def test_an_initial_password_is_given_once_and_is_the_users_own_from_then_on(
    shell: Shell, secrets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = "users: [{username: root, initial_password: {env: ROOT_PASSWORD}}]"
    shell.json("users", "create", "root", "--password-stdin", stdin="their own password of now")
    before = password_of(shell, "root")
    monkeypatch.delenv("ROOT_PASSWORD")
    assert apply(shell, document) == []
    assert password_of(shell, "root") == before


def test_a_user_who_has_no_password_gets_the_initial_one(shell: Shell, secrets: None) -> None:
    apply(shell, "users: [{username: ada}]")
    (change,) = apply(shell, "users: [{username: ada, initial_password: {env: ROOT_PASSWORD}}]")
    assert change["fields"] == {"has_password": [False, True]}


def test_a_new_client_secret_is_rotated_in(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    Path("shop-secret").write_text(OTHER_SECRET)
    (change,) = apply(shell, DECLARED)
    assert list(change["fields"]) == ["client_secret"]
    assert secret_hashes(shell, "shop") == {
        hash_secret(SECRET): True,
        hash_secret(OTHER_SECRET): False,
    }
    assert apply(shell, DECLARED) == []


def test_no_secret_is_shown(shell: Shell, secrets: None) -> None:
    shown = shell("apply", "-", stdin=DECLARED).stdout + str(shell.events())
    assert SECRET not in shown
    assert hash_secret(SECRET) not in shown
    assert PASSWORD not in shown


# What is to go


def test_what_is_declared_absent_is_deleted_with_what_refers_to_it_first(
    shell: Shell, secrets: None
) -> None:
    apply(shell, DECLARED)
    changes = apply(
        shell,
        """
        scopes: [{name: reports:read, absent: true}]
        users: [{username: ada, absent: true}, {username: root, scopes: [users:write,
                 clients:write, scopes:write]}, {username: nobody, absent: true}]
        clients: [{client_id: shop, absent: true}]
        """,
    )
    assert brief(changes) == [
        ("changed", "user", "root"),
        ("deleted", "client", "shop"),
        ("deleted", "user", "ada"),
        ("deleted", "scope", "reports:read"),
    ]
    assert [user["username"] for user in shell.json("users", "list")] == ["root"]


def test_the_last_administrator_stays(shell: Shell, secrets: None) -> None:
    apply(shell, DECLARED)
    result = shell("apply", "-", stdin="users: [{username: root, disabled: true}]")
    assert_line(result, "This is the last administrator: create another one first.")


# What is refused


OF_FEATURES = [kind.section for feature in load_features() for kind in feature.kinds]

SECTIONS = ", ".join(["scopes", "users", "clients", *OF_FEATURES])


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ("", f"the document must have sections: {SECTIONS}"),
        ("user: []", f"user: this section must be one of {SECTIONS}"),
        ("users: {ada: {}}", "users: this must be a list"),
        ("users: [{name: ada}]", "users.0: this must have a username"),
        (
            "users: [{username: ada}, {username: ADA}]",
            "users.1 'ADA': this appears twice in the document",
        ),
        (
            "users: [{username: ada, admin: true}]",
            "users.0 'ada': admin: Extra inputs are not permitted",
        ),
        (
            "users: [{username: ada, scopes: [reports]}]",
            "users.0 'ada': there is no scope 'reports'",
        ),
        (
            "users: [{username: ada, scopes: [], all_scopes: true}]",
            "users.0 'ada': scopes and all_scopes exclude each other",
        ),
        (
            "users: [{username: ada, initial_password: correct horse battery staple}]",
            "users.0 'ada': initial_password: a secret is {env: NAME} or {file: PATH}",
        ),
        (
            "users: [{username: ada, initial_password: {}}]",
            "users.0 'ada': initial_password: a secret is {env: NAME} or {file: PATH}",
        ),
        (
            "users: [{username: ada, initial_password: {text: correct horse battery staple}}]",
            "users.0 'ada': initial_password.text: a secret in the file itself is for "
            "`latchkey dev` alone",
        ),
        (
            "users: [{username: ada, initial_password: {env: ROOT_PASSWORD}}, {username: bob, "
            "initial_password: {env: WEAK_PASSWORD}}]",
            "users.1 'bob': initial_password: a password must have at least 15 characters",
        ),
        (
            "users: [{username: ada, initial_password: {env: NOWHERE}}]",
            "users.0 'ada': the environment variable NOWHERE is not set",
        ),
        (
            "users: [{username: ada, absent: true, scopes: []}]",
            "users.0 'ada': scopes: Extra inputs are not permitted",
        ),
        ("users: []\nusers: []", "-: line 1: the key 'users' appears twice"),
        pytest.param("[" * 5000 + "]" * 5000, "- is nested too deeply", id="deep"),
        ("users: [", "-: line 1: expected the node content, but found '<stream end>'"),
        (
            "clients: [{client_id: shop, name: Shop, grant_types: [client_credentials]}]",
            "clients.0 'shop': a new confidential client needs a client_secret: {env: NAME} or "
            "{file: PATH}",
        ),
        (
            "clients: [{client_id: shop, name: Shop, grant_types: [], introspect: any, "
            "client_secret: {env: NOWHERE}}]",
            "clients.0 'shop': the environment variable NOWHERE is not set",
        ),
        (
            "clients: [{client_id: shop, name: Shop, grant_types: [], introspect: any, "
            "client_secret: {file: nowhere}}]",
            "clients.0 'shop': the secret in nowhere cannot be read",
        ),
    ],
)
def test_what_cannot_be_declared_is_refused_with_its_place(
    shell: Shell, secrets: None, monkeypatch: pytest.MonkeyPatch, document: str, line: str
) -> None:
    monkeypatch.setenv("WEAK_PASSWORD", "weak")
    assert_line(shell("apply", "-", stdin=document), line)


def test_a_file_that_is_refused_at_its_end_changes_nothing(shell: Shell, secrets: None) -> None:
    before = everything(shell)
    result = shell("apply", "-", stdin=DECLARED.replace("public: true", "public: false"))
    assert result.exit_code == 1
    assert everything(shell) == before
    assert shell.events() == []


@of_all_features
@pytest.mark.parametrize("document", ["docs/administration.md", "docs/apply.md"])
def test_the_examples_of_the_documents_can_be_applied(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, document: str
) -> None:
    (example,) = re.findall(r"```yaml\n((?:scopes|users):.*?)```", read_document(document), re.S)
    example = re.sub(r"\{file: [^}]*\}", "{env: ROOT_PASSWORD}", example)
    monkeypatch.setenv("ROOT_PASSWORD", PASSWORD)
    monkeypatch.setenv("SHOP_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("ORDERS_CLIENT_SECRET", SECRET)
    assert apply(shell, example) != []
    assert apply(shell, example) == []


def read_document(name: str) -> str:
    return (ROOT / name).read_text()
