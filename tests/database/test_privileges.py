"""Where one account of PostgreSQL migrates, and the server has another one."""

import asyncio
from collections.abc import Generator

import pytest

from app.clock import Clock
from app.server import Server
from app.settings import SettingsError
from tests.conftest import make_settings
from tests.support.databases import Backend
from tests.support.doctor import Doctor
from tests.support.schemas import execute
from tests.support.shell import Shell, assert_line

ACCOUNT = "of_the_server"

ALL_THAT_IT_NEEDS = (
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ACCOUNT}",
    f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {ACCOUNT}",
)


@pytest.fixture
def owners(postgresql: Backend) -> Generator[str]:
    """The URL of the account that has migrated."""
    url = postgresql.migrated()
    execute(url, f"CREATE ROLE {ACCOUNT} LOGIN")
    yield url
    execute(url, f"DROP OWNED BY {ACCOUNT}", f"DROP ROLE {ACCOUNT}")
    postgresql.drop(url)


@pytest.fixture
def servers(owners: str) -> str:
    """The URL of the account of the server, in the same database."""
    return owners.replace("//postgres@", f"//{ACCOUNT}@")


def start(url: str) -> None:
    async def main() -> None:
        server = Server(make_settings(database_url=url), Clock())
        try:
            await server.start()
        finally:
            await server.close()

    asyncio.run(main())


def test_a_schema_that_may_not_be_read_is_not_taken_for_none(servers: str) -> None:
    assert_line(
        Shell(servers)("db", "check"),
        "the database reported an error: permission denied for table alembic_version",
    )


@pytest.mark.parametrize(
    ("withheld", "named"),
    [
        ("INSERT ON audit_events", "audit_events"),
        ("DELETE ON failed_logins", "failed_logins"),
        ("USAGE ON SEQUENCE audit_events_id_seq", "audit_events_id_seq"),
    ],
)
def test_a_server_that_may_not_use_something_does_not_start_and_names_it(
    owners: str, servers: str, withheld: str, named: str
) -> None:
    execute(owners, *ALL_THAT_IT_NEEDS)
    start(servers)
    execute(owners, f"REVOKE {withheld} FROM {ACCOUNT}")
    with pytest.raises(SettingsError, match=rf"may not use {named}: see docs/operations\.md"):
        start(servers)


def test_the_doctor_names_what_the_account_may_not_use(
    owners: str, servers: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    execute(owners, *ALL_THAT_IT_NEEDS, f"REVOKE UPDATE ON users FROM {ACCOUNT}")
    assert Doctor(servers).finds()["privileges"] == "unsafe"
    assert Doctor(servers).sentence("privileges") == (
        "the account of the database may not use users"
    )
