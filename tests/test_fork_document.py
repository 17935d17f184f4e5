"""``docs/fork.md`` is followed from its first line to its last, in one copy of the project."""

import json
import os
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx2
import jwt
import pytest

from tests.features import of_all_features
from tests.support.databases import Backend
from tests.support.followed import Reader, reader_of_a_copy
from tests.support.live_server import CHEAP_DEVELOPMENT, ROOT, LiveServer

pytestmark = of_all_features

DOCUMENT = "docs/fork.md"

DATABASE = "postgresql://latchkey:…@127.0.0.1/latchkey"

WHO = ("AUTHOR", "COMMITTER")

UPSTREAM = '''"""Something that is new upstream."""

revision = "upstream"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
'''


def git(folder: Path, *arguments: str) -> None:
    who = {f"GIT_{whose}_{what}": "ada@example.com" for whose in WHO for what in ("NAME", "EMAIL")}
    subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **who}, check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory, postgresql: Backend) -> Reader:
    """A clone in which every section was followed, on a database with demo data."""
    copy = reader_of_a_copy(tmp_path_factory.mktemp("fork"))
    copy.replaced = {DATABASE: postgresql.empty()}
    git(copy.folder, "init", "--initial-branch=main")
    (copy.folder / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    git(copy.folder, "add", "--all")
    git(copy.folder, "commit", "--message", "As it was cloned")
    upstream(copy)
    copy.run(
        "export LATCHKEY_ENVIRONMENT=development\n"
        ".venv/bin/latchkey db upgrade\n.venv/bin/latchkey seed-demo"
    )
    text, rest = (ROOT / DOCUMENT).read_text().split("\n## Take over what is new here\n")
    copy.follow(text)
    git(copy.folder, "add", "--all")
    git(copy.folder, "commit", "--message", "Our own")
    copy.follow(rest)
    return copy


def upstream(copy: Reader) -> None:
    """Let the clone have a remote on which somebody has added a migration since."""
    folder = copy.folder.parent / "upstream"
    git(copy.folder, "clone", str(copy.folder), str(folder))
    versions = folder / "migrations/versions"
    revisions = [file.read_text() for file in versions.glob("*.py")]
    known = {
        found[1] for text in revisions if (found := re.search(r'^revision = "(\w+)"', text, re.M))
    }
    before = {
        name for text in revisions for name in re.findall(r'^down_revision = "(\w+)"', text, re.M)
    }
    (newest,) = known - before
    (versions / "2030_01_01_upstream.py").write_text(UPSTREAM.lstrip().format(newest=newest))
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "Go on upstream")
    git(copy.folder, "remote", "add", "upstream", str(folder))
    git(copy.folder, "config", "user.name", "Ada")
    git(copy.folder, "config", "user.email", "ada@example.com")


@pytest.fixture(scope="module")
def http(fork: Reader) -> Generator[httpx2.Client]:
    """A client of the server that the fork is in the end."""
    settings = {**CHEAP_DEVELOPMENT, **fork.environment, "PYTHONPATH": str(fork.folder)}
    server = LiveServer(fork.environment["LATCHKEY_DATABASE_URL"], settings, fork.folder)
    try:
        server.start()
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            yield client
    finally:
        server.stop()


ALICE = {"grant_type": "password", "username": "alice", "password": "alice-in-wonderland"}

SCOPES = "notes:read notes:write account profile openid"


@pytest.fixture(scope="module")
def token(http: httpx2.Client) -> str:
    answer = http.post("/token", data={**ALICE, "scope": SCOPES})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["access_token"]
    return found


@pytest.fixture(scope="module")
def me(http: httpx2.Client, token: str) -> dict[str, str]:
    """The header of alice, who has written down one thing."""
    headers = {"Authorization": f"Bearer {token}"}
    assert http.post("/notes", json={"text": "Buy tea"}, headers=headers).status_code == 201
    return headers


def test_the_table_keeps_what_the_routes_are_given(http: httpx2.Client, me: dict[str, str]) -> None:
    assert http.get("/notes", headers=me).json() == ["Buy tea"]
    assert http.get("/notes").status_code == 401


def test_the_tests_of_the_document_pass(fork: Reader) -> None:
    told = fork.run(".venv/bin/python -m pytest -n 0 -q tests/features/notes -k sqlite")
    assert "2 passed" in told


def test_the_page_leads_to_the_login_and_then_shows_the_notes(
    http: httpx2.Client, me: dict[str, str]
) -> None:
    with httpx2.Client(base_url=http.base_url, trust_env=False) as browser:
        assert browser.get("/notebook").headers["location"].endswith("/login")
        form = browser.get("/login").text
        (form_token,) = re.findall(r'name="form_token" value="([^"]+)"', form)
        fields = {"username": "alice", "password": ALICE["password"], "form_token": form_token}
        assert browser.post("/login", data=fields).status_code == 303
        assert "<li>Buy tea</li>" in browser.get("/notebook").text
        assert 'name="nickname" type="text" value="Al"' in browser.get("/account").text
        italian = browser.get("/notebook", headers={"Accept-Language": "it"})
        assert "<h1>Il tuo taccuino</h1>" in italian.text


def test_the_claim_is_told(http: httpx2.Client, me: dict[str, str]) -> None:
    told = http.get("/userinfo", headers=me).json()
    assert (told["notes"], told["nickname"]) == (1, "Al")


def test_the_mail_is_in_the_mailbox(http: httpx2.Client, me: dict[str, str]) -> None:
    assert "A note was added to your notebook" in http.get("/mailbox").text


def test_a_ticket_logs_its_user_in_once(http: httpx2.Client, me: dict[str, str]) -> None:
    ticket = http.post("/tickets", headers=me).json()["ticket"]
    form = {
        "grant_type": "urn:acme:params:oauth:grant-type:ticket",
        "client_id": "television",
        "ticket": ticket,
    }
    answer = http.post("/token", data=form)
    assert answer.status_code == 200, answer.text
    who = http.get(
        "/users/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    ).json()
    assert who["username"] == "alice"
    again = http.post("/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_client_has_the_field_also_on_the_other_database(fork: Reader) -> None:
    shown = fork.run(".venv/bin/latchkey clients show television --json")
    assert json.loads(shown)["contact"] == "television@example.com"
    cleared = fork.run(".venv/bin/latchkey clients update television --contact '' --json")
    assert json.loads(cleared)["contact"] is None


def test_the_samples_are_gone(http: httpx2.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert [path for path in paths if path.startswith(("/items", "/schemes"))] == []


def test_the_documents_are_whole_without_the_samples(fork: Reader) -> None:
    told = fork.run(".venv/bin/python -m pytest -n 0 -q tests/test_documents.py")
    assert " passed" in told
    assert " failed" not in told


def test_tokens_are_signed_with_the_other_algorithm(token: str) -> None:
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"


def test_the_pages_have_the_other_name(http: httpx2.Client) -> None:
    assert "Wonderland Accounts" in http.get("/login").text
