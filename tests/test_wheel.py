"""The wheel is a whole server under its own name: nothing of a checkout is needed beside it."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from app import IDENTIFIER, NAME, VERSION
from tests.features import beside, brought
from tests.support.installed import Installed, install_wheel
from tests.support.live_server import ROOT, START_TIMEOUT, free_port

DOCUMENT = (ROOT / "docs" / "testing.md").read_text()


def block(language: str) -> str:
    """The block of that language in the document, which has one."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return str(text)


pytestmark = beside("apply")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install_wheel(tmp_path_factory.mktemp("wheel"))


@contextmanager
def developing(
    installed: Installed, folder: Path, *options: str, port: int | None = None
) -> Generator[httpx2.Client]:
    """A client of ``latchkey dev``, until the block ends."""
    port = port or free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [installed.command, "dev", "--port", str(port), *options],
            cwd=folder,
            env=installed.environment,
            stdout=log,
            stderr=log,
        )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            deadline = time.monotonic() + START_TIMEOUT
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                with closing(socket.socket()) as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield client
    finally:
        process.terminate()
        assert process.wait(START_TIMEOUT) == 0


@pytest.fixture(scope="module")
def http(
    installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Generator[httpx2.Client]:
    """A client of the installed server with the demo data, which one command started."""
    with developing(installed, tmp_path_factory.mktemp("demo")) as client:
        yield client


def test_the_package_is_not_called_as_those_of_other_people_are(installed: Installed) -> None:
    look = f"print(find_spec('app'), find_spec('{IDENTIFIER}').name)"
    code = f"from importlib.util import find_spec; {look}"
    found = installed.run(installed.python, "-c", code, folder=installed.folder)
    assert found.stdout == f"None {IDENTIFIER}\n"


def test_nothing_in_it_speaks_of_the_old_name(installed: Installed) -> None:
    (package,) = installed.folder.glob(f"lib/python*/site-packages/{IDENTIFIER}")
    mention = re.compile(r"\b(from|import) app\b|[\"'`]app\.(main|pages|features)\b|-m app\b")
    speaking = [path for path in package.rglob("*.py") if mention.search(path.read_text())]
    assert speaking == []


def test_it_has_every_file_of_the_package_and_the_migrations(installed: Installed) -> None:
    (package,) = installed.folder.glob(f"lib/python*/site-packages/{IDENTIFIER}")

    def files(folder: Path) -> set[str]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in found if "__pycache__" not in path.parts}

    migrations = {f"migrations/{name}" for name in files(ROOT / "migrations")}
    assert files(package) == files(ROOT / "app") | migrations


def test_an_installed_command_tells_its_version(installed: Installed, tmp_path: Path) -> None:
    told = installed.run(installed.command, "--version", folder=tmp_path)
    assert told.stdout == f"{NAME} {VERSION}\n"


def test_an_installed_server_migrates_and_logs_a_user_in(http: httpx2.Client) -> None:
    form = {"grant_type": "password", "username": "alice", "password": "alice-in-wonderland"}
    token = http.post("/token", data=form).raise_for_status().json()["access_token"]
    me = http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert (me.status_code, me.json()["username"]) == (200, "alice")


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui.css", "/", *brought("SHOWN")])
def test_an_installed_server_has_its_pages(http: httpx2.Client, path: str) -> None:
    assert http.get(path).status_code == 200


def test_a_server_for_development_has_what_its_seed_says_and_keeps_it_where_it_is_told(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "seed.yaml").write_text(block("yaml"))
    options, port = ("--seed", "seed.yaml", "--database", "kept.db"), free_port()
    form = {"grant_type": "password", "client_id": "shop", "scope": "profile orders:read"}
    ada = {"username": "ada", "password": "correct horse battery staple"}
    alice = {"username": "alice", "password": "alice-in-wonderland"}
    with developing(installed, tmp_path, *options, port=port) as http:
        assert http.post("/token", data=form | alice).json()["error"] == "invalid_grant"
        token = http.post("/token", data=form | ada).json()["access_token"]
    with developing(installed, tmp_path, *options, port=port) as http:
        me = http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert me.status_code == 200


def test_a_seed_that_cannot_be_read_is_refused_in_one_line(
    installed: Installed, tmp_path: Path
) -> None:
    told = installed.run(installed.command, "dev", "--seed", "none.yaml", folder=tmp_path)
    assert told.returncode == 1
    assert told.stdout == f"{NAME}: none.yaml cannot be read: No such file or directory\n"


def test_a_project_of_somebody_else_tests_itself_with_it(
    installed: Installed, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / "tested_service", project)
    (project / "tests" / "test_of_the_document.py").write_text(block("python"))
    told = installed.run(installed.python, "-m", "pytest", "-q", "-W", "error", folder=project)
    assert re.search(r"^15 passed in ", told.stdout, re.MULTILINE), told.stdout
    assert told.returncode == 0
