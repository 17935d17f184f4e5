"""The wheel is a whole server: nothing of a checkout is needed beside it."""

import subprocess
import sys
import zipfile
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from app import NAME, VERSION
from app.database.migrations import ROOT
from tests.support.live_server import latchkey, live_server


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation; what it depends on is where the tests have it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("latchkey-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(installed)}


@pytest.fixture(scope="module")
def http(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[httpx2.Client]:
    """An HTTP client of the installed server, on a database that it migrated and seeded."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'latchkey.db'}"
    latchkey(url, "db", "upgrade", environment=environment)
    latchkey(url, "seed-demo", environment=environment)
    with (
        live_server(url, environment) as server,
        httpx2.Client(base_url=server.url, trust_env=False) as client,
    ):
        yield client


def test_the_command_is_the_installed_one(installed: Path, environment: dict[str, str]) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import app.database.migrations as m; print(m.SCRIPTS)"],
        env=environment,
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout == f"{installed / 'app' / 'migrations'}\n"
    (metadata,) = installed.glob("latchkey-*.dist-info")
    assert "latchkey = app.__main__:main" in (metadata / "entry_points.txt").read_text()


def test_an_installed_server_logs_a_user_in(http: httpx2.Client) -> None:
    form = {"grant_type": "password", "username": "alice", "password": "alice-in-wonderland"}
    token = http.post("/token", data=form).raise_for_status().json()["access_token"]
    me = http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert (me.status_code, me.json()["username"]) == (200, "alice")


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui.css", "/login", "/"])
def test_an_installed_server_has_its_pages(http: httpx2.Client, path: str) -> None:
    assert http.get(path).status_code == 200


def test_an_installed_command_tells_its_version(environment: dict[str, str]) -> None:
    told = latchkey("sqlite:///unused.db", "--version", environment=environment)
    assert told == f"{NAME} {VERSION}\n"
