"""HTTP Digest with clients as they are installed, and replays at two servers."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.features.schemes.answers import assert_recognised
from tests.features.schemes.dropin.rfc7616 import (
    PATH,
    Challenge,
    Login,
    challenged,
    challenges,
    send,
)
from tests.support.databases import Backend
from tests.support.factories import bearer
from tests.support.live_server import latchkey, serving, serving_twice

PASSWORD = "alice-digest-in-development"

SCOPES = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "account",
    "items:read",
    "items:write",
    "api-keys:read",
    "api-keys:write",
]

REPLAYS = 12
ROUNDS = 10

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl is missing: apt-get install curl"
)
needs_wget = pytest.mark.skipif(
    shutil.which("wget") is None, reason="wget is missing: apt-get install wget"
)


@pytest.fixture(scope="module")
def database_url(sqlite: Backend) -> str:
    """A database with the demo data."""
    url = sqlite.seeded()
    return url


@pytest.fixture(scope="module")
def live(database_url: str) -> Generator[str]:
    """The base URL of a server with the demo data."""
    with serving(database_url) as url:
        yield url


@pytest.fixture(scope="module")
def subject(live: str) -> str:
    """The id of alice."""
    with httpx2.Client(base_url=live, trust_env=False, timeout=20) as http:
        form = {
            "grant_type": "password",
            "username": "alice",
            "password": "alice-in-wonderland",
            "scope": "profile",
        }
        token = http.post("/token", data=form).json()["access_token"]
        found: str = http.get("/users/me", headers=bearer(token)).json()["id"]
    return found


@pytest.fixture(autouse=True)
def _loopback_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def assert_alice(answer: Any, subject: str) -> None:
    assert answer == {"scheme": "HTTPDigest", "subject": subject, "scopes": sorted(SCOPES)}


# curl


def curl(*arguments: str) -> list[str]:
    """The body of the last answer, and the status of each."""
    finished = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--write-out", "\n%{http_code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.rsplit("\n", 1)


@needs_curl
@pytest.mark.parametrize("query", ["", "?a=1&b=%20c"], ids=["without_a_query", "with_a_query"])
def test_curl_logs_in(live: str, subject: str, query: str) -> None:
    body, status = curl("--digest", "--user", f"alice:{PASSWORD}", f"{live}{PATH}{query}")
    assert status == "200"
    assert_alice(json.loads(body), subject)


@needs_curl
def test_curl_logs_in_when_it_may_choose_the_scheme(live: str, subject: str) -> None:
    body, status = curl("--anyauth", "--user", f"alice:{PASSWORD}", f"{live}{PATH}")
    assert status == "200"
    assert_alice(json.loads(body), subject)


@needs_curl
@pytest.mark.parametrize("user", ["alice:wrong", "nobody:x", "alice:alice-in-wonderland"])
def test_curl_is_refused_with_a_wrong_password(live: str, user: str) -> None:
    _, status = curl("--digest", "--user", user, f"{live}{PATH}")
    assert status == "401"


@needs_curl
def test_curl_logs_in_with_a_name_that_is_not_ascii_and_has_quotes(
    live: str, database_url: str
) -> None:
    name = 'Zoë "Ж" O\\Brien'
    latchkey(database_url, "users", "create", name, "--scope", "email")
    made = json.loads(latchkey(database_url, "users", "set-digest", name, "--json"))
    body, status = curl("--digest", "--user", f"{name}:{made['password']}", f"{live}{PATH}")
    assert (status, json.loads(body)["scopes"]) == ("200", ["email"])


# wget


def wget(live: str, password: str) -> subprocess.CompletedProcess[str]:
    login = ("--user=alice", f"--password={password}")
    return subprocess.run(
        ["wget", "-q", "-O-", "--tries=1", "--timeout=20", *login, f"{live}{PATH}?a=1"],
        capture_output=True,
        text=True,
        check=False,
    )


@needs_wget
def test_wget_logs_in(live: str, subject: str) -> None:
    finished = wget(live, PASSWORD)
    assert finished.returncode == 0, finished.stderr
    assert_alice(json.loads(finished.stdout), subject)


@needs_wget
def test_wget_is_refused_with_a_wrong_password(live: str) -> None:
    finished = wget(live, "wrong")
    assert (finished.returncode, finished.stdout) == (6, "")  # 6: authentication failed


# requests


def test_requests_logs_in_and_goes_on_with_its_nonce(live: str, subject: str) -> None:
    with requests.Session() as session:
        session.auth = HTTPDigestAuth("alice", PASSWORD)
        first = session.get(f"{live}{PATH}", timeout=20)
        again = [session.get(f"{live}{PATH}?n={n}", timeout=20) for n in range(3)]
    assert [each.status_code for each in first.history] == [401]
    assert [each.history for each in again] == [[], [], []]
    for response in (first, *again):
        assert response.status_code == 200
        assert_alice(response.json(), subject)


def test_requests_is_refused_with_a_wrong_password(live: str) -> None:
    auth = HTTPDigestAuth("alice", "wrong")
    assert requests.get(f"{live}{PATH}", auth=auth, timeout=20).status_code == 401


# httpx2


def test_httpx2_logs_in_and_goes_on_with_its_nonce(live: str, subject: str) -> None:
    auth = httpx2.DigestAuth("alice", PASSWORD)
    with httpx2.Client(base_url=live, trust_env=False, timeout=20, auth=auth) as http:
        first = http.get(PATH)
        again = [http.get(PATH, params={"n": n}) for n in range(3)]
    assert [each.status_code for each in first.history] == [401]
    assert [each.history for each in again] == [[], [], []]
    for response in (first, *again):
        assert_recognised(response, "HTTPDigest", subject, SCOPES)


def test_httpx2_is_refused_with_a_wrong_password(live: str) -> None:
    auth = httpx2.DigestAuth("alice", "wrong")
    with httpx2.Client(base_url=live, trust_env=False, timeout=20, auth=auth) as http:
        assert http.get(PATH).status_code == 401


# Two servers on one database, of each kind


@pytest.fixture(scope="module")
def two(backend: Backend) -> Generator[tuple[str, str]]:
    """The base URLs of two servers on one database with the demo data."""
    url = backend.seeded()
    with serving_twice(url) as urls:
        yield urls
    backend.drop(url)


def client(url: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=REPLAYS, max_keepalive_connections=REPLAYS)
    return httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20, limits=limits)


async def test_a_nonce_of_one_server_is_good_at_the_other(two: tuple[str, str]) -> None:
    async with client(two[0]) as first, client(two[1]) as second:
        login = Login("alice", PASSWORD, await challenged(first))
        answers = [
            await send(http, login.next(count).header())
            for count, http in enumerate([second, first, second], start=1)
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_a_response_that_one_server_has_accepted_is_refused_by_both(
    two: tuple[str, str],
) -> None:
    async with client(two[0]) as first, client(two[1]) as second:
        login = Login("alice", PASSWORD, await challenged(first), nc=2)
        assert (await send(first, login.header())).status_code == 200
        replayed = [
            await send(http, each.header())
            for http in (second, first)
            for each in (login, login.next(1))
        ]
    assert [answer.status_code for answer in replayed] == [401] * 4


async def test_of_simultaneous_replays_at_two_servers_exactly_one_is_accepted(
    two: tuple[str, str],
) -> None:
    async with client(two[0]) as first, client(two[1]) as second:
        servers = [first, second] * (REPLAYS // 2)
        for _ in range(ROUNDS):
            header = Login("alice", PASSWORD, await challenged(first)).header()
            answers = await asyncio.gather(*(send(http, header) for http in servers))
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [200] + [401] * (REPLAYS - 1)


async def test_tampered_and_foreign_requests_are_refused_by_both_servers(
    two: tuple[str, str],
) -> None:
    async with client(two[0]) as first, client(two[1]) as second:
        login = Login("alice", PASSWORD, await challenged(first))
        foreign = Challenge("", login.challenge.parameters | {"nonce": "1.x.y"})
        for http in (first, second):
            for answer in (
                await send(http, login.header(), uri=PATH + "?a=1"),
                await send(http, replace(login, uri="/items").header()),
                await send(http, replace(login, challenge=foreign).header()),
                await send(http, login.header(response="0" * 64)),
            ):
                assert len(challenges(answer)) == 2
        assert (await send(second, login.header())).status_code == 200


def test_a_nonce_expires_at_a_live_server_and_is_renewed_by_the_client(
    database_url: str,
) -> None:
    auth = httpx2.DigestAuth("alice", PASSWORD)
    with (
        serving(database_url, {"LATCHKEY_DIGEST_NONCE_TTL": "2"}) as url,
        httpx2.Client(base_url=url, trust_env=False, timeout=20, auth=auth) as http,
    ):
        stale: list[bool] = []
        deadline = time.monotonic() + 20
        while len(stale) < 2 and time.monotonic() < deadline:
            response = http.get(PATH)
            assert response.status_code == 200
            stale += [
                ", stale=true" in each.headers["www-authenticate"] for each in response.history
            ]
    assert stale == [False, True]
