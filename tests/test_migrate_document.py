"""The programs of ``docs/migrate.md``, on data as the other systems store it."""

import base64
import hashlib
import json
import sqlite3
import subprocess
import sys
import uuid
from asyncio import to_thread
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import argon2
import bcrypt
import httpx2
import pytest

from tests.features import of_all_features
from tests.support.databases import Backend
from tests.support.factories import add_client
from tests.support.followed import blocks
from tests.support.live_server import ROOT
from tests.support.shell import Shell
from tests.support.started import started

PASSWORD = "correct horse battery staple"

ADA = str(uuid.UUID(int=7))

Program = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Program:
    """What a program of the document prints, as JSON."""
    text = (ROOT / "docs/migrate.md").read_text()
    programs = {block.text.splitlines()[0][2:]: block.text for block in blocks(text)}

    def run(name: str, *arguments: str) -> dict[str, Any]:
        (tmp_path / name).write_text(programs[name])
        finished = subprocess.run(
            [sys.executable, name, *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        found: dict[str, Any] = json.loads(finished.stdout)
        return found

    return run


@pytest.fixture
def shell(sqlite: Backend) -> Shell:
    return Shell(sqlite.migrated())


async def imported(shell: Shell, document: dict[str, Any]) -> None:
    text = json.dumps(document)
    result = await to_thread(shell, "import", "-", stdin=text)
    assert result.exit_code == 0, result.output


async def shown(shell: Shell, username: str) -> Any:
    return await to_thread(shell.json, "users", "show", username)


@pytest.fixture
async def http(shell: Shell) -> AsyncGenerator[httpx2.AsyncClient]:
    app = shell.application()
    async with started(app) as client:
        await add_client(app.state.server, "trial", is_public=True)
        yield client


async def answer_of(
    http: httpx2.AsyncClient, username: str, password: str = PASSWORD, **more: str
) -> httpx2.Response:
    form = {"grant_type": "password", "username": username, "password": password}
    return await http.post("/token", data={"client_id": "trial", **form, **more})


async def test_users_of_the_tutorial_log_in_here(
    run: Program, shell: Shell, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    users = {
        name: {
            "username": name,
            "full_name": name.title(),
            "email": f"{name}@example.com",
            "hashed_password": argon2.PasswordHasher().hash(PASSWORD),
            "disabled": disabled,
        }
        for name, disabled in (("johndoe", False), ("alice", True))
    }
    (tmp_path / "main.py").write_text(f"fake_users_db = {users!r}\n")
    await imported(shell, run("from_fastapi_tutorial.py"))
    assert (await answer_of(http, "johndoe")).status_code == 200
    assert (await answer_of(http, "alice")).status_code == 400


async def test_users_of_fastapi_users_log_in_here_and_stay_who_they_are(
    run: Program, shell: Shell, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    database = sqlite3.connect(tmp_path / "theirs.db")
    database.execute(
        "CREATE TABLE user (id CHAR(36) PRIMARY KEY, email VARCHAR(320), hashed_password "
        "VARCHAR(1024), is_active BOOLEAN, is_superuser BOOLEAN, is_verified BOOLEAN)"
    )
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    row = (ADA, "ada@example.com", hashed, True, True, True)
    database.execute("INSERT INTO user VALUES (?, ?, ?, ?, ?, ?)", row)
    database.commit()
    await imported(shell, run("from_fastapi_users.py", f"sqlite:///{tmp_path}/theirs.db"))
    answer = await answer_of(http, "ada@example.com", scope="profile email")
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    me = (await http.get("/users/me", headers={"Authorization": f"Bearer {token}"})).json()
    assert (me["id"], me["email"], me["email_verified"]) == (ADA, "ada@example.com", True)
    assert "users:write" in (await shown(shell, "ada@example.com"))["scopes"]


@of_all_features
async def test_users_and_applications_of_django_oauth_toolkit_go_on_here(
    run: Program, shell: Shell, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    database = sqlite3.connect(tmp_path / "theirs.db")
    database.executescript(
        "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT, email TEXT,"
        " first_name TEXT, last_name TEXT, password TEXT, is_active BOOLEAN);"
        "CREATE TABLE oauth2_provider_application (id INTEGER PRIMARY KEY, client_id TEXT,"
        " name TEXT, client_type TEXT, authorization_grant_type TEXT, redirect_uris TEXT,"
        " client_secret TEXT,"
        " hash_client_secret BOOLEAN);"
    )
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1000)
    hashed = f"pbkdf2_sha256$1000$salt${base64.b64encode(key).decode()}"
    people = [
        (1, "ada", "ada@example.com", "Ada", "Lovelace", hashed, True),
        (2, "robot", "", "", "", "!unusable", True),
    ]
    database.executemany("INSERT INTO auth_user VALUES (?, ?, ?, ?, ?, ?, ?)", people)
    applications = [
        (1, "web", "", "confidential", "authorization-code", "https://a.example/cb", "s3", False),
        (2, "old", "Old", "confidential", "password", "", "pbkdf2_sha256$…", True),
        (3, "fragment", "", "public", "implicit", "https://b.example/cb", "", True),
    ]
    rows = "INSERT INTO oauth2_provider_application VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    database.executemany(rows, applications)
    database.commit()
    document = run("from_django_oauth_toolkit.py", f"sqlite:///{tmp_path}/theirs.db")
    await imported(shell, document)
    assert (await answer_of(http, "ada")).status_code == 200
    assert [client["client_id"] for client in document["clients"]] == ["web", "old"]
    introspected = await http.post("/introspect", data={"token": "x"}, auth=("web", "s3"))
    assert (introspected.status_code, introspected.json()) == (200, {"active": False})
    assert (await shown(shell, "robot"))["has_password"] is False


def credential(name: str) -> dict[str, str]:
    """A password as Keycloak exports it."""
    salt = b"sixteen bytes, so"
    if name == "argon2":
        costs = {"time_cost": 5, "memory_cost": 64, "parallelism": 1, "hash_len": 32}
        value = argon2.low_level.hash_secret_raw(
            PASSWORD.encode(), salt, type=argon2.Type.ID, **costs
        )
        more = {"hashLength": ["32"], "memory": ["64"], "type": ["id"], "version": ["1.3"]}
        how = {"hashIterations": 5, "additionalParameters": {**more, "parallelism": ["1"]}}
    else:
        # Keycloak derives 64 bytes for either.
        value = hashlib.pbkdf2_hmac(name[7:], PASSWORD.encode(), salt, 1000, 64)
        how = {"hashIterations": 1000, "additionalParameters": {}}
    stored = {"value": base64.b64encode(value).decode(), "salt": base64.b64encode(salt).decode()}
    return {
        "type": "password",
        "secretData": json.dumps({**stored, "additionalParameters": {}}),
        "credentialData": json.dumps({**how, "algorithm": name}),
    }


@of_all_features
async def test_users_and_clients_of_keycloak_go_on_here(
    run: Program, shell: Shell, http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    names = ["argon2", "pbkdf2-sha256", "pbkdf2-sha512"]
    users = [
        {
            "id": str(uuid.UUID(int=number)),
            "username": name,
            "email": f"{name}@example.com",
            "emailVerified": True,
            "enabled": True,
            "credentials": [credential(name)],
        }
        for number, name in enumerate(names, 1)
    ]
    service = {"id": ADA, "username": "service-account-web", "enabled": True}
    web = {
        "clientId": "shop",
        "publicClient": False,
        "secret": "from Keycloak",
        "standardFlowEnabled": True,
        "directAccessGrantsEnabled": True,
        "redirectUris": ["https://shop.example/cb", "https://shop.example/*"],
    }
    own = {"clientId": "admin-cli", "publicClient": True, "directAccessGrantsEnabled": True}
    realm = {
        "users": [*users, {**service, "serviceAccountClientId": "web"}],
        "clients": [web, own],
    }
    (tmp_path / "realm.json").write_text(json.dumps(realm))
    document = run("from_keycloak.py", "realm.json")
    await imported(shell, document)
    for name in names:
        answer = await answer_of(http, name, client_id="shop", client_secret="from Keycloak")
        assert answer.status_code == 200, (name, answer.text)
    (client,) = document["clients"]
    assert client["redirect_uris"] == ["https://shop.example/cb"]
    assert len(document["users"]) == 3
