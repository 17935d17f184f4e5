"""``latchkey app-passwords``, as an operator types it."""

from pathlib import Path

import pytest

from app.server import Server
from tests.features.app_passwords.given import TestAppPassword, give_app_password
from tests.support.factories import TestUser, add_client, add_user
from tests.support.on_sqlite import backend as backend
from tests.support.shell import Shell, assert_line


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(database_url)


def test_they_are_listed_and_revoked(latchkey: Shell) -> None:
    async def give(server: Server) -> list[tuple[TestUser, TestAppPassword]]:
        mail = await add_client(server, "mail")
        users = [await add_user(server, name) for name in ("ada", "bob")]
        return [(user, await give_app_password(server, user, mail)) for user in users]

    (_, adas), (_, bobs) = latchkey.ask(give)
    (listed,) = latchkey.json("app-passwords", "list", "ada")
    assert list(listed) == [
        *("id", "username", "client_id", "client_name", "name"),
        *("created_at", "expires_at", "last_used_at", "scopes"),
    ]
    assert (listed["id"], listed["username"], listed["client_id"]) == (str(adas.id), "ada", "mail")
    assert listed["scopes"] == ["items:read", "profile"]
    assert {each["id"] for each in latchkey.json("app-passwords", "list")} == {
        str(adas.id),
        str(bobs.id),
    }
    revoked = latchkey.json("app-passwords", "revoke", str(adas.id))
    assert revoked == {"id": str(adas.id), "revoked": True}
    assert latchkey.json("app-passwords", "list", "ada") == []
    (event,) = latchkey.events(event_type="app_password.revoked")
    assert (event.actor, event.client_id) == ("operator", "mail")
    assert event.details == {"app_password": str(adas.id)}
    again = latchkey("app-passwords", "revoke", str(adas.id))
    assert_line(again, "There is no such app password.")


def test_a_user_who_is_not_there_has_none(latchkey: Shell) -> None:
    assert_line(latchkey("app-passwords", "list", "nobody"), "there is no user 'nobody'")
