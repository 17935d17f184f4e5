"""An upgrade without downtime: the code of before the newest migration runs on the new schema."""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect

from app.database.migrations import alembic_config
from app.database.schema import ROOT
from tests.support.databases import Backend
from tests.support.forked import LIBRARIES
from tests.support.processes import development
from tests.support.schemas import in_transaction

FIRST_TO_EXPAND = "0013"
"""Migrations before it are older than the rule."""

SCRIPTS = ScriptDirectory.from_config(alembic_config("sqlite://"))

SINCE = [
    script
    for script in [*SCRIPTS.walk_revisions()][::-1]
    if script.revision >= FIRST_TO_EXPAND and not getattr(script.module, "contracts", "")
]

STORY = """
import asyncio, json
import httpx2
from app.main import create_app

PASSWORD = {"grant_type": "password", "username": "alice", "password": "alice-in-wonderland"}

async def main():
    app = create_app()
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
    ):
        ready = await http.get("/readyz")
        login = await http.post("/token", data=PASSWORD)
        tokens = login.json()
        bearer = {"Authorization": "Bearer " + tokens["access_token"]}
        me = await http.get("/users/me", headers=bearer)
        again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        refreshed = await http.post("/token", data=again)
        service = ("demo-service", "demo-service-secret-for-development-only")
        own = await http.post("/token", data={"grant_type": "client_credentials"}, auth=service)
        wrong = await http.post("/token", data={**PASSWORD, "password": "wrong"})
        page = await http.get("/docs")
        ended = await http.post("/revoke", data={"token": refreshed.json()["refresh_token"]})
        answers = [ready, login, me, refreshed, own, wrong, page, ended]
        print(json.dumps([answer.status_code for answer in answers]))

asyncio.run(main())
"""


def git(*arguments: str) -> bytes:
    """What git prints; skips where there is no history to look at."""
    try:
        finished = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, check=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git, and the history of the code")
    return finished.stdout


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it was before the newest migration."""
    newest = SCRIPTS.get_revision("head")
    assert isinstance(newest, Script)
    added = git("log", "--follow", "--diff-filter=A", "--format=%H", "-1", "--", newest.path)
    commit = f"{added.decode().strip()}^" if added else "HEAD"  # it is not committed yet
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def seeded(backend: Backend) -> Generator[str]:
    url = backend.seeded()
    yield url
    backend.drop(url)


def test_the_previous_code_logs_users_in_on_the_new_schema(previous: Path, seeded: str) -> None:
    (previous / "story.py").write_text(STORY)
    environment = {**os.environ, **development(seeded)}
    finished = LIBRARIES.run("story", environment=environment, folder=previous, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == [200] * 5 + [400, 200, 200]


Columns = Mapping[str, Mapping[str, Any]]


def columns(url: str) -> Mapping[str, Columns]:
    """The columns of each table by their names."""

    def read(connection: Connection) -> Mapping[str, Columns]:
        inspector = inspect(connection)
        return {
            table: {column["name"]: column for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }

    return in_transaction(url, lambda connection: connection.run_sync(read))


def what_breaks(old: Columns, new: Columns) -> list[str]:
    """What the code of before would miss in a table, or not know that it has to say."""
    gone = [f"{name} is gone" for name in old if name not in new]
    unsaid = [
        f"{name} has no default"
        for name, column in new.items()
        if (name not in old or old[name]["nullable"])
        and not column["nullable"]
        and column["default"] is None
    ]
    return gone + unsaid


def test_migrations_expand_until_one_says_what_it_contracts(sqlite: Backend) -> None:
    """A migration that has ``contracts`` says there which release used it last.

    A table that is gone as a whole is that of a deleted feature.
    """
    url = sqlite.empty()
    config = alembic_config(url)
    for script in SINCE:
        command.upgrade(config, str(script.down_revision))
        before = columns(url)
        command.upgrade(config, script.revision)
        after = columns(url)
        broken = {
            table: found
            for table in before
            if table in after and (found := what_breaks(before[table], after[table]))
        }
        assert broken == {}, script.path
    sqlite.drop(url)


def test_the_rule_finds_what_breaks_the_previous_code() -> None:
    kept: dict[str, Any] = {"nullable": False, "default": None}
    old: Columns = {"id": kept, "dropped": kept, "tightened": {"nullable": True, "default": None}}
    new: Columns = {
        "id": kept,
        "tightened": kept,
        "optional": {"nullable": True, "default": None},
        "defaulted": {"nullable": False, "default": "''"},
        "needed": kept,
    }
    assert what_breaks(old, new) == [
        "dropped is gone",
        "tightened has no default",
        "needed has no default",
    ]
