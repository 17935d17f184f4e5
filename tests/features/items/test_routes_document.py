"""The route of docs/routes.md, pasted into a copy of the project word for word."""

import re
from collections.abc import Generator

import httpx2
import pytest

from tests.support.followed import Reader, reader_of_a_copy
from tests.support.live_server import CHEAP_DEVELOPMENT, ROOT, LiveServer

DOCUMENT = (ROOT / "docs/routes.md").read_text()


def block(language: str, begins: str) -> str:
    """The one code block of the document that begins so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    (found,) = [each for each in blocks if each.lstrip().startswith(begins)]
    return str(found)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """What a clone has after ``make run``: the code, the command, and a database with demo data."""
    copy = reader_of_a_copy(tmp_path_factory.mktemp("clone"))
    copy.run("export LATCHKEY_ENVIRONMENT=development\n.venv/bin/latchkey db upgrade --json")
    copy.run(".venv/bin/latchkey seed-demo --json")
    return copy


@pytest.fixture(scope="module")
def http(clone: Reader) -> Generator[httpx2.Client]:
    """A client of the server that runs with the route of the document."""
    (clone.folder / "app" / "features" / "reports.py").write_text(block("python", '"""Reports'))
    main = clone.folder / "app" / "main.py"
    code = main.read_text()
    code = code.replace("\nfrom app", "\n" + block("python", "from app.features") + "from app", 1)
    code = code.replace(
        "    learn_classes(", block("python", "app.include_router") + "    learn_classes(", 1
    )
    main.write_text(code)
    clone.run(block("sh", "export"))
    settings = {**CHEAP_DEVELOPMENT, "PYTHONPATH": str(clone.folder)}
    server = LiveServer("sqlite:///./latchkey.db", settings, clone.folder)
    try:
        server.start()
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            yield client
    finally:
        server.stop()


def log_in(http: httpx2.Client, scope: str) -> dict[str, str]:
    """The header of alice, with a token for ``scope``, from the login that the document shows."""
    login = block("sh", "curl")
    form = dict(re.findall(r"-d (\w+)=(\S+)", login))
    assert form["scope"] == "reports:read"
    response = http.post("/token", data={**form, "scope": scope})
    assert response.status_code == 200, response.text
    assert response.json()["scope"] == scope
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


def test_the_route_answers_whoever_has_the_scope(http: httpx2.Client) -> None:
    response = http.get("/reports", headers=log_in(http, "reports:read"))
    assert (response.status_code, response.json()) == (200, "the reports of alice")


def test_the_route_refuses_whoever_lacks_the_scope(http: httpx2.Client) -> None:
    response = http.get("/reports", headers=log_in(http, "profile"))
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert response.json()["scope"] == "reports:read"


def test_the_route_refuses_whoever_has_no_token(http: httpx2.Client) -> None:
    assert http.get("/reports").status_code == 401


def test_the_route_that_writes_writes(http: httpx2.Client) -> None:
    headers = log_in(http, "reports:write")
    assert http.post("/reports", json={"title": "March"}, headers=headers).status_code == 201
    items = http.get("/items", headers=log_in(http, "items:read")).json()["items"]
    assert [item["title"] for item in items] == ["March"]


def test_the_route_that_writes_refuses_whoever_may_only_read(http: httpx2.Client) -> None:
    headers = log_in(http, "reports:read")
    assert http.post("/reports", json={"title": "April"}, headers=headers).status_code == 403


def test_the_scopes_are_offered_in_the_docs(http: httpx2.Client) -> None:
    document = http.get("/openapi.json").json()
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert flow["scopes"]["reports:read"] == "Read your reports"


def test_the_client_still_has_every_scope(http: httpx2.Client) -> None:
    """``clients add-scope`` takes nothing away: the login of the other examples goes on."""
    assert log_in(http, "account profile reports:read")
