"""``latchkey resources``, as an operator types it."""

from pathlib import Path

import pytest

from tests.support.shell import Shell, assert_line

URI = "https://api.example.com/orders"


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    made = Shell(database_url)
    arguments = ("--client-id", "shop", "--grant", "password", "--default-scope", "profile")
    made.json("clients", "create", "Shop", *arguments)
    return made


def test_a_resource_is_registered_changed_and_deleted(latchkey: Shell) -> None:
    options = ("--name", "Orders", "--scope", "items:read", "--client", "shop")
    made = latchkey.json("resources", "create", URI, *options)
    assert made == {
        "identifier": URI,
        "name": "Orders",
        "scopes": ["items:read"],
        "clients": ["shop"],
        "server": None,
        "self_registered": False,
        "id": made["id"],
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    assert latchkey.json("resources", "list") == [made]
    assert latchkey.json("resources", "show", URI) == made
    changed = latchkey.json(
        "resources", "update", URI, "--scope", "", "--client", "", "--server", "shop"
    )
    emptied = {"scopes": [], "clients": [], "server": "shop"}
    assert changed == {**made, **emptied, "updated_at": changed["updated_at"]}
    assert latchkey.json("resources", "update", URI, "--server", "")["server"] is None
    assert latchkey.json("resources", "delete", URI) == {"identifier": URI, "deleted": True}
    assert_line(latchkey("resources", "show", URI), "There is no such resource.")


def test_what_is_no_uri_is_refused_in_one_line(latchkey: Shell) -> None:
    told = "a resource must be an absolute URI without fragment"
    assert_line(latchkey("resources", "create", "orders"), told)


@pytest.mark.parametrize("uri", ["HTTP://127.0.0.1:8000/", "urn:example:here"])
def test_this_server_itself_is_not_opened_to_clients_of_anybody(latchkey: Shell, uri: str) -> None:
    told = "this server itself cannot be open to clients that registered themselves"
    audience = {"audience": "urn:example:here"}
    assert_line(latchkey("resources", "create", uri, "--self-registered", **audience), told)
    assert latchkey.json("resources", "list") == []
    latchkey.json("resources", "create", uri)
    assert_line(latchkey("resources", "update", uri, "--self-registered", **audience), told)
    assert latchkey.json("resources", "show", uri)["self_registered"] is False
