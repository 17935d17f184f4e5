"""What comes from stdin, files and the environment is one line, whoever has written it."""

from pathlib import Path

import pytest

from app.settings import SettingsError, load_settings
from app.settings.single_line import NotOneLineError, single_line
from tests.support.databases import Backend
from tests.support.shell import Shell

PASSWORD = "correct horse battery staple"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"], ids=["none", "unix", "windows", "mac"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte_order_mark"])
def test_the_end_of_the_line_and_a_byte_order_mark_are_no_part_of_a_value(
    mark: str, end: str
) -> None:
    assert single_line(f"{mark} a value {end}") == " a value "


@pytest.mark.parametrize("text", ["two\nlines", "one\n\n", "a\x00b", "a\tb", "a\x1b[0m"])
def test_other_control_characters_are_refused(text: str) -> None:
    with pytest.raises(NotOneLineError):
        single_line(text)


def test_a_password_that_windows_pipes_in_logs_its_user_in(sqlite: Backend) -> None:
    url = sqlite.migrated()
    shell = Shell(url)
    shell.json("users", "create", "ada", "--password-stdin", stdin=f"\ufeff{PASSWORD}\r\n")
    twice = shell("users", "create", "bob", "--password-stdin", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert (twice.exit_code, twice.stderr) == (
        1,
        "latchkey: the input is not accepted: there are control characters in it, or more than "
        "one line\n",
    )

    async def verify(server: object) -> bool:
        from app.identity.users import find_account
        from app.server import Server

        assert isinstance(server, Server)
        async with server.database.read() as connection:
            account = await find_account(connection, "ada")
        assert account is not None
        return (await server.passwords.verify(PASSWORD, account.password_hash))[0]

    assert shell.ask(verify)
    sqlite.drop(url)


def test_a_setting_loses_the_end_of_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATCHKEY_ENVIRONMENT", "development")
    monkeypatch.setenv("LATCHKEY_DATABASE_URL", "sqlite:///./test.db\r\n")
    secret = tmp_path / "secret"
    secret.write_text("\ufeffa-secret-key-of-more-than-32-characters\n")
    monkeypatch.setenv("LATCHKEY_SECRET_KEY_FILE", str(secret))
    settings = load_settings()
    assert settings.database_url == "sqlite:///./test.db"
    assert settings.secret_keys == ["a-secret-key-of-more-than-32-characters"]


def test_a_setting_of_two_lines_stops_the_start_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATCHKEY_DATABASE_URL", "sqlite:///./one.db\nsqlite:///./two.db")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == (
        "LATCHKEY_DATABASE_URL is not accepted: there are control characters in it, or more than "
        "one line"
    )
