"""Programs that read the OpenAPI document: a linter, Postman, generators of clients."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.databases import Backend
from tests.support.live_server import serving
from tests.support.node import FOLDER, run_program, with_node

GENERATORS = Path(__file__).parent.parent / "generators"

ALICE = {"username": "alice", "password": "alice-in-wonderland"}


@pytest.fixture(scope="module")
def issuer(sqlite: Backend) -> Generator[str]:
    """A server with the demo data."""
    with serving(sqlite.seeded()) as url:
        yield url


@pytest.fixture
def document(issuer: str, tmp_path: Path) -> Path:
    """Its document, as somebody downloads it."""
    with httpx2.Client(trust_env=False, timeout=10) as http:
        answer = http.get(f"{issuer}/openapi.json").raise_for_status()
    file = tmp_path / "openapi.json"
    file.write_text(answer.text)
    return file


@with_node("@redocly/cli")
def test_redocly_finds_no_error(document: Path) -> None:
    assert "is valid" in run_program("redocly", "lint", str(document), "--extends=recommended")


def requests_in(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "item" in item:
            yield from requests_in(item["item"])
        else:
            yield item["request"]


@with_node("openapi-to-postmanv2")
def test_postman_gets_requests_that_run(document: Path, issuer: str, tmp_path: Path) -> None:
    collection = tmp_path / "collection.json"
    run_program("openapi2postmanv2", "-s", str(document), "-o", str(collection))
    converted = json.loads(collection.read_text())
    assert {"baseUrl": issuer}.items() <= {
        each["key"]: each["value"] for each in converted["variable"]
    }.items()
    (me,) = (each for each in requests_in(converted["item"]) if each["name"] == "Get my account")
    auth = {each["key"]: each["value"] for each in me["auth"]["oauth2"]}
    form = {"grant_type": "password", "client_id": "swagger-ui", "scope": "profile", **ALICE}
    with httpx2.Client(trust_env=False, timeout=10) as http:
        token = http.post(auth["accessTokenUrl"], data=form).json()["access_token"]
        address = me["url"]["host"][0].replace("{{baseUrl}}", issuer)
        answer = http.request(
            me["method"],
            "/".join([address, *me["url"]["path"]]),
            headers={"Authorization": f"Bearer {token}"},
        )
    assert answer.json()["username"] == "alice"


@with_node("openapi-typescript", "openapi-fetch")
def test_a_client_of_openapi_typescript_logs_in(document: Path, issuer: str) -> None:
    types = run_program("openapi-typescript", str(document))
    assert '"/users/me"' in types
    done = subprocess.run(
        ["node", "generated_client.mjs", issuer, ALICE["username"], ALICE["password"]],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    me: Mapping[str, Any] = json.loads(done.stdout)
    assert me["username"] == "alice"


def with_generator(module: str) -> pytest.MarkDecorator:
    """Skip the test where a generator of Python's is missing."""
    reason = f"{module} is missing: pip install -r tests/generators/requirements.txt"
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=reason)


def run(*command: str | Path, folder: Path) -> str:
    """What a program prints in a folder from which it can import; it must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@with_generator("openapi_python_client")
def test_a_client_of_openapi_python_client_logs_in(document: Path, issuer: str) -> None:
    folder, made = document.parent, ("--output-path", "generated", "--meta", "none")
    generate = ("-m", "openapi_python_client", "generate", "--path", document, *made)
    run(sys.executable, *generate, folder=folder)
    program = GENERATORS / "of_openapi_python_client.py"
    assert run(sys.executable, program, issuer, *ALICE.values(), folder=folder) == "alice\n"


@with_generator("openapi_generator_cli")
@pytest.mark.skipif(
    shutil.which("java") is None, reason="Java is missing: apt-get install default-jdk-headless"
)
def test_a_client_of_openapi_generator_logs_in(document: Path, issuer: str) -> None:
    folder = document.parent
    generator = Path(sys.executable).with_name("openapi-generator-cli")
    run(generator, "generate", "-i", document, "-g", "python", "-o", folder, folder=folder)
    program = GENERATORS / "of_openapi_generator.py"
    assert run(sys.executable, program, issuer, *ALICE.values(), folder=folder) == "alice\n"


@with_node("@hey-api/openapi-ts", "typescript")
def test_a_client_of_hey_api_compiles_and_logs_in(document: Path) -> None:
    folder = document.parent
    options = {"module": "commonjs", "target": "es2022", "strict": True, "outDir": "out"}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    run_program("openapi-ts", "-i", str(document), "-o", str(folder / "generated"))
    shutil.copy(GENERATORS / "of_hey_api.ts", folder)
    run_program("tsc", "-p", str(folder))
    assert run("node", "out/of_hey_api.js", folder=folder) == "alice\n"
