"""``latchkey mfa`` and ``latchkey users reset-mfa``, as an operator types them."""

from pathlib import Path

import pytest

from app.errors import LoginRefused
from app.features.mfa.challenges import count_try_of
from app.identity.users import find_account
from app.server import Server
from tests.conftest import make_settings
from tests.features.mfa.phones import give_phone
from tests.support.clock import TestClock
from tests.support.factories import add_client, add_user
from tests.support.on_sqlite import backend as backend
from tests.support.shell import Shell, assert_line

MFA = "urn:latchkey:acr:mfa"


@pytest.fixture
def latchkey(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(database_url)


async def add_ada(server: Server) -> None:
    await add_client(server, "console")
    ada = await add_user(server, "ada")
    await give_phone(server, TestClock(), ada)


def test_what_is_required_is_listed_and_waived(latchkey: Shell) -> None:
    latchkey.ask(add_ada)
    of_ada = {"user": "ada", "client": None, "scope": None, "acr": MFA}
    of_console = {"user": None, "client": "console", "scope": None, "acr": MFA}
    of_scope = {"user": None, "client": None, "scope": "items:write", "acr": MFA}
    assert latchkey.json("mfa", "require", "--user", "ADA") == of_ada | {"user": "ADA"}
    assert latchkey.json("mfa", "require", "--client", "console") == of_console
    assert latchkey.json("mfa", "require", "--scope", "items:write") == of_scope
    assert latchkey.json("mfa", "require", "--scope", "items:write") == of_scope
    assert latchkey.json("mfa", "list") == [of_ada, of_console, of_scope]
    latchkey.json("mfa", "waive", "--client", "console")
    assert latchkey.json("mfa", "list") == [of_ada, of_scope]
    (event,) = latchkey.events(event_type="mfa.waived")
    assert (event.actor, event.client_id) == ("operator", "console")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["require", "--user", "nobody"], "there is no user 'nobody'"),
        (["require", "--client", "none"], "there is no client 'none'"),
        (["require", "--scope", "none"], "there is no scope 'none'"),
        (["waive", "--scope", "profile"], "nothing was required there"),
        (["require", "--scope", "profile", "--acr", "gold"], "no login reaches 'gold' here"),
    ],
)
def test_what_is_not_there_is_told(latchkey: Shell, arguments: list[str], line: str) -> None:
    assert_line(latchkey("mfa", *arguments), line)


@pytest.mark.parametrize("options", [[], ["--user", "ada", "--scope", "profile"]])
def test_one_of_them_is_named(latchkey: Shell, options: list[str]) -> None:
    result = latchkey("mfa", "require", *options)
    assert result.exit_code == 2
    assert "give one of --user, --client and --scope" in result.stderr


def test_a_lost_factor_is_reset(latchkey: Shell) -> None:
    latchkey.ask(add_ada)
    reset = latchkey.json("users", "reset-mfa", "ada")
    assert (reset["username"], reset["removed"]) == ("ada", ["otp", "recovery_code"])
    assert latchkey.json("users", "reset-mfa", "ada")["removed"] == []
    first, _ = latchkey.events(event_type="mfa.reset")
    assert (first.actor, first.details) == ("operator", {"methods": ["otp", "recovery_code"]})
    assert_line(latchkey("users", "reset-mfa", "nobody"), "there is no user 'nobody'")


def test_who_sent_too_many_wrong_codes_goes_on_at_once_when_unlocked(latchkey: Shell) -> None:
    latchkey.ask(add_ada)

    settings = make_settings(database_url=latchkey.url, login_max_failures=1)

    async def guess(server: Server) -> str:
        async with server.database.transaction() as connection:
            ada = await find_account(connection, "ada")
            assert ada is not None
            try:
                await count_try_of(connection, settings, ada.id, server.clock.now())
            except LoginRefused as refusal:
                return refusal.why
        return "let through"

    assert [latchkey.ask(guess) for _ in range(2)] == ["let through", "wait"]
    assert latchkey.json("users", "unlock", "ada")["unlocked"] is True
    assert latchkey.ask(guess) == "let through"
    (event,) = latchkey.events(event_type="login.unlocked")
    assert event.actor == "operator"


def test_a_client_takes_codes_behind_the_password_until_it_is_stopped(latchkey: Shell) -> None:
    latchkey.ask(add_ada)
    assert latchkey.json("mfa", "append-codes", "console") == [{"client_id": "console"}]
    assert latchkey.json("mfa", "append-codes") == [{"client_id": "console"}]
    assert latchkey.json("mfa", "append-codes", "console", "--stop") == []
    assert_line(latchkey("mfa", "append-codes", "none"), "there is no client 'none'")
