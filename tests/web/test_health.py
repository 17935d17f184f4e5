"""Probes: liveness says nothing of the database, readiness says everything."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import insert, text, update

from app.database.engines import Database
from app.database.migrations import alembic_config
from app.database.schema import revisions
from app.models import SigningKey
from app.security.encryption import Encryption
from app.security.jwt import generate_private_key, parse_private_key
from app.server import Server
from app.web.health import Health
from tests.support.clock import TestClock
from tests.support.schemas import several_migrations
from tests.support.shared import of_this_module_alone

__all__ = ["of_this_module_alone"]  # a fixture

READY = {
    "status": "ready",
    "database": "reachable",
    "schema_state": "current",
    "signing_key": "active",
    "checks": {"database": "pass", "schema": "pass", "signing_key": "pass"},
}

UNKNOWN = {"schema": "unknown", "signing_key": "unknown"}


async def assert_ready(http: httpx2.AsyncClient) -> None:
    response = await http.get("/readyz")
    assert (response.status_code, response.json()) == (200, READY)


async def assert_unready(http: httpx2.AsyncClient, **health: str) -> None:
    response = await http.get("/readyz")
    body = response.json()
    assert list(body.pop("checks")) == ["database", "schema", "signing_key"]
    assert (response.status_code, body) == (503, {"status": "unready", **health})
    assert response.headers["content-type"] == "application/json"


async def set_revision(server: Server, revision: str) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
        )


def unreachable(url: str, folder: Path, how: str) -> str:
    """A URL like ``url`` at which no database answers."""
    if url.startswith("sqlite"):
        file = folder / "no folder" / "latchkey.db"
        if how == "no such database":
            file = folder / "no-database.db"
            file.write_text("this is not a database, but it is long enough to look like one\n" * 9)
        return f"sqlite:///{file}"
    if how == "no such database":
        return url.replace("/test_", "/gone_")
    return f"postgresql://postgres@/latchkey?host={folder}"


async def test_a_process_that_answers_is_alive(http: httpx2.AsyncClient) -> None:
    response = await http.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_a_started_application_is_ready(http: httpx2.AsyncClient) -> None:
    await assert_ready(http)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_probe_is_not_stored(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("how", ["no such server", "no such database"])
async def test_an_application_without_its_database_is_alive_and_unready(
    http: httpx2.AsyncClient, server: Server, tmp_path: Path, how: str
) -> None:
    reachable = server.database
    server.database = Database(unreachable(reachable.url, tmp_path, how))
    try:
        for _ in range(2):
            await assert_unready(http, database="unreachable")
        assert (await http.get("/healthz")).status_code == 200
    finally:
        await server.database.close()
        server.database = reachable


async def test_a_sqlite_whose_disk_is_full_is_unready(
    http: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not server.database.is_sqlite:
        pytest.skip("PostgreSQL has a disk of its own")
    monkeypatch.setattr("app.database.engines.disk_usage", lambda _: SimpleNamespace(free=0))
    await assert_unready(http, database="read-only")
    monkeypatch.undo()
    await assert_ready(http)


@pytest.mark.parametrize(
    ("health", "checks"),
    [
        ({"database": "unreachable"}, {"database": "fail", **UNKNOWN}),
        ({"database": "read-only"}, {"database": "fail", **UNKNOWN}),
        (
            {"database": "reachable", "schema_state": "older"},
            {"database": "pass", "schema": "fail", "signing_key": "unknown"},
        ),
        (
            {"database": "reachable", "schema_state": "newer", "signing_key": "missing"},
            {"database": "pass", "schema": "pass", "signing_key": "fail"},
        ),
    ],
)
def test_readiness_names_each_check(health: dict[str, str], checks: dict[str, str]) -> None:
    assert Health(status="unready", **health).checks == checks


async def test_an_application_is_ready_again_when_its_database_is_back(
    http: httpx2.AsyncClient, server: Server, tmp_path: Path
) -> None:
    reachable = server.database
    server.database = Database(unreachable(reachable.url, tmp_path, "no such server"))
    await assert_unready(http, database="unreachable")
    await server.database.close()
    server.database = reachable
    await assert_ready(http)


async def test_connections_that_the_database_has_closed_are_replaced(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await assert_ready(http)
    await server.database.close()
    await assert_ready(http)


@several_migrations
async def test_an_application_on_an_older_schema_is_unready(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await set_revision(server, "0001")
    await assert_unready(http, database="reachable", schema_state="older")


async def test_an_application_on_a_newer_schema_is_ready(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await set_revision(server, "ffff")
    response = await http.get("/readyz")
    assert (response.status_code, response.json()) == (200, READY | {"schema_state": "newer"})


async def record_before(server: Server, other: str, newest: str) -> None:
    """Let the database tell of two revisions, of which the other is the one that it tells first."""
    async with server.database.transaction() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
        for revision in (other, newest):
            await connection.execute(
                text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision}
            )


async def test_a_revision_that_a_fork_has_not_merged_changes_nothing(
    http: httpx2.AsyncClient, server: Server
) -> None:
    newest, _ = revisions()
    await record_before(server, "0000", newest)
    await assert_ready(http)


@several_migrations
async def test_a_revision_that_a_fork_has_not_merged_does_not_hide_an_older_schema(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await record_before(server, "0000", "0001")
    await assert_unready(http, database="reachable", schema_state="older")


@pytest.mark.parametrize("statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version"])
async def test_an_application_without_a_schema_is_unready(
    http: httpx2.AsyncClient, server: Server, statement: str
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(text(statement))
    await assert_unready(http, database="reachable", schema_state="missing")


async def test_an_application_without_a_signing_key_is_unready(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(update(SigningKey).values(retired_at=clock.now()))
    clock.advance(2)
    await assert_unready(http, database="reachable", schema_state="current", signing_key="missing")


async def test_an_application_whose_only_key_is_not_active_yet_signs_with_it_and_is_ready(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    async with server.database.transaction() as connection:
        later = clock.now() + timedelta(minutes=10)
        await connection.execute(update(SigningKey).values(active_from=later))
    clock.advance(2)
    await assert_ready(http)


FOREIGN = Encryption(["the-secret-key-of-another-deployment"])


async def test_an_application_that_can_decrypt_no_signing_key_is_unready(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    encrypted = FOREIGN.encrypt(generate_private_key("ES256"))
    async with server.database.transaction() as connection:
        await connection.execute(
            update(SigningKey)
            .where(SigningKey.alg == "ES256")
            .values(kid="foreign", private_key=encrypted)
        )
    clock.advance(2)
    await assert_unready(http, database="reachable", schema_state="current", signing_key="missing")


async def test_an_application_that_cannot_decrypt_one_of_its_signing_keys_is_ready(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    pem = generate_private_key("ES256")
    key, jwk = parse_private_key(pem)
    async with server.database.transaction() as connection:
        await connection.execute(
            insert(SigningKey).values(
                kid=key.kid,
                alg=key.alg,
                public_jwk=jwk,
                private_key=FOREIGN.encrypt(pem),
                created_at=clock.now(),
                active_from=clock.now() + timedelta(seconds=1),
            )
        )
    clock.advance(2)
    await assert_ready(http)
    published = (await http.get("/.well-known/jwks.json")).json()["keys"]
    assert jwk in published


@several_migrations
def test_the_revision_that_counts_as_older_here_is_one() -> None:
    scripts = ScriptDirectory.from_config(alembic_config("sqlite://"))
    assert "0001" in {script.revision for script in scripts.walk_revisions()}
    assert scripts.get_current_head() != "0001"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
async def test_head_is_answered_like_get_without_a_body(
    http: httpx2.AsyncClient, path: str
) -> None:
    response, got = await http.head(path), await http.get(path)
    assert response.status_code == got.status_code == 200
    assert response.headers["content-length"] == got.headers["content-length"]
