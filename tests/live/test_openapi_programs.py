"""Programs that read the OpenAPI document: a linter, Postman, a generator of clients."""

import json
import subprocess
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.databases import Backend
from tests.support.live_server import serving
from tests.support.node import FOLDER, needs_node, run_program

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


def test_redocly_finds_no_error(document: Path) -> None:
    needs_node("@redocly/cli")
    assert "is valid" in run_program("redocly", "lint", str(document), "--extends=recommended")


def requests_in(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "item" in item:
            yield from requests_in(item["item"])
        else:
            yield item["request"]


def test_postman_gets_requests_that_run(document: Path, issuer: str, tmp_path: Path) -> None:
    needs_node("openapi-to-postmanv2")
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


def test_a_client_of_openapi_typescript_logs_in(document: Path, issuer: str) -> None:
    needs_node("openapi-typescript", "openapi-fetch")
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
