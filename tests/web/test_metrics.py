"""``GET /metrics``: what is counted, under which labels, and over several workers."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app import VERSION
from app.errors import LoginRefused
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.databases import Backend
from tests.support.factories import TestClient, TestUser, add_client, add_user, log_in, other_secret
from tests.support.live_server import START_TIMEOUT, latchkey, live_server
from tests.support.live_tokens import ALICE, http_client
from tests.support.started import app, clock, http, server, started

__all__ = ["app", "clock", "http", "server"]

Sample = tuple[str, frozenset[tuple[str, str]]]

AT_ONCE = 8


@pytest.fixture(scope="module")
def settings(sqlite: Backend) -> Settings:
    url = sqlite.migrated()
    return make_settings(database_url=url, metrics=True, login_max_failures=4)


@pytest.fixture(scope="module")
async def alice(server: Server) -> TestUser:
    return await add_user(server)


@pytest.fixture(scope="module")
async def web(server: Server) -> TestClient:
    return await add_client(server, grant_types=("password", "refresh_token"))


def read(text: str) -> dict[Sample, float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(http: httpx2.AsyncClient, url: str = "") -> dict[Sample, float]:
    response = await http.get(f"{url}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return read(response.text)


def sample(name: str, **labels: str) -> Sample:
    return f"latchkey_{name}", frozenset(labels.items())


class Counted:
    """What the requests of a test add."""

    def __init__(self, http: httpx2.AsyncClient, before: Mapping[Sample, float]) -> None:
        self._http = http
        self._before = before

    async def of(self, name: str, **labels: str) -> float:
        key = sample(name, **labels)
        return (await scrape(self._http)).get(key, 0) - self._before.get(key, 0)

    async def login(self, outcome: str, door: str = "token") -> float:
        return await self.of("logins_total", door=door, outcome=outcome)


@pytest.fixture
async def counted(http: httpx2.AsyncClient) -> Counted:
    return Counted(http, await scrape(http))


async def fail(http: httpx2.AsyncClient, web: TestClient, username: str) -> httpx2.Response:
    form = {"grant_type": "password", "username": username, "password": "wrong"}
    return await http.post("/token", data=form, auth=web.basic)


async def test_without_the_setting_there_is_no_such_address(sqlite: Backend) -> None:
    off = create_app(make_settings(database_url=sqlite.migrated()))
    async with started(off) as http:
        assert_problem(await http.get("/metrics"), 404)


async def test_it_is_not_in_the_openapi_document(http: httpx2.AsyncClient) -> None:
    assert "/metrics" not in (await http.get("/openapi.json")).json()["paths"]


async def test_the_version_is_told(http: httpx2.AsyncClient) -> None:
    told = {labels for name, labels in await scrape(http) if name == "latchkey_build_info"}
    assert [dict(labels)["version"] for labels in told] == [VERSION]


def test_the_version_is_that_of_the_package() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'\nversion = "{VERSION}"\n' in project


async def test_a_request_is_counted_by_the_template_of_its_route(
    http: httpx2.AsyncClient, counted: Counted
) -> None:
    await http.get("/users/somebody")
    route = {"method": "GET", "route": "/users/{user_id}"}
    assert await counted.of("http_requests_total", **route, status="401") == 1
    assert await counted.of("http_request_duration_seconds_count", **route) == 1


async def test_an_address_without_a_route_and_a_method_that_nobody_knows_are_others(
    http: httpx2.AsyncClient, counted: Counted
) -> None:
    await http.request("GUESS", "/wp-login.php")
    labels = {"method": "other", "route": "other", "status": "404"}
    assert await counted.of("http_requests_total", **labels) == 1


async def test_a_request_that_is_too_large_is_counted_too(
    http: httpx2.AsyncClient, counted: Counted
) -> None:
    await http.post("/token", data={"grant_type": "x" * 100_000})
    labels = {"method": "POST", "route": "/token", "status": "413"}
    assert await counted.of("http_requests_total", **labels) == 1


async def test_tokens_are_counted_by_grant_and_client(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, counted: Counted
) -> None:
    await log_in(http, alice, web)
    issued = {"grant_type": "password", "client_id": "web"}
    assert await counted.of("tokens_issued_total", **issued) == 1
    assert await counted.login("succeeded") == 1


async def test_a_refresh_and_a_reuse_are_counted_by_client(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, counted: Counted
) -> None:
    token = (await log_in(http, alice, web))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert (await http.post("/token", data=form, auth=web.basic)).status_code == 200
    assert_oauth2_error(await http.post("/token", data=form, auth=web.basic), "invalid_grant")
    refreshed = {"grant_type": "refresh_token", "client_id": "web"}
    assert await counted.of("tokens_issued_total", **refreshed) == 1
    assert await counted.of("refresh_tokens_reused_total", client_id="web") == 1


async def test_a_failed_login_is_counted_by_door_and_reason(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, counted: Counted
) -> None:
    await fail(http, web, alice.username)
    await fail(http, web, "nobody")
    await fail(http, web, "x" * 1000)
    assert await counted.login("wrong password") == 1
    assert await counted.login("unknown user") == 1
    assert await counted.login("impossible name") == 1


async def test_a_login_that_has_to_wait_is_counted(
    http: httpx2.AsyncClient, web: TestClient, counted: Counted
) -> None:
    answers = [(await fail(http, web, "guessed")).status_code for _ in range(6)]
    assert answers == [400] * 4 + [429] * 2
    assert await counted.login("throttled") == 2


async def test_a_login_that_finds_the_queue_full_is_counted(
    http: httpx2.AsyncClient,
    app: FastAPI,
    web: TestClient,
    counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def full(*_: object, **_options: object) -> None:
        raise LoginRefused("busy", reason="the login queue is full")

    server: Server = app.state.server
    monkeypatch.setattr(server.passwords, "verify", full)
    assert (await fail(http, web, "late")).status_code == 503
    assert await counted.login("queue full") == 1


async def test_hashes_that_wait_are_told(
    http: httpx2.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Server = app.state.server
    monkeypatch.setattr(server.passwords, "_pending", 3)
    await http.get("/healthz")
    assert (await scrape(http))[sample("password_hashes_pending")] == 3


async def test_nothing_that_was_sent_is_in_a_label(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    typed = other_secret()
    await fail(http, web, typed)
    await http.get(f"/{typed}?{typed}={typed}", headers={"User-Agent": typed, "Origin": typed})
    await http.request(typed.upper().replace("_", "-"), f"/users/{typed}")
    await http.get("/users/me", headers={"Authorization": f"Bearer {typed}"})
    await http.post("/token", data={"grant_type": typed, "client_id": typed, "scope": typed})
    await http.post("/token", data={"grant_type": "password"}, auth=(typed, typed))
    token = (await log_in(http, alice, web))["access_token"]
    text = (await http.get("/metrics")).text
    for secret in (typed, typed.upper().replace("_", "-"), alice.username, web.secret, token):
        assert secret not in text
    assert "127.0.0.1" not in text


async def test_a_file_that_a_worker_is_just_making_is_left_out(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    assert (await http.get("/metrics")).status_code == 200


async def count_over_two_workers(url: str, folder: Path) -> None:
    """Log in until both workers have counted; ask again after one of them was killed."""
    issued = sample("tokens_issued_total", grant_type="password", client_id="first-party")
    form = {"grant_type": "password", "client_id": "first-party", **ALICE}
    deadline = time.monotonic() + START_TIMEOUT
    logins = 0
    async with http_client() as http:
        http.headers["Connection"] = "close"  # each request may go to either worker
        while len(workers := workers_that_counted(folder)) < 2:
            assert time.monotonic() < deadline, "one worker does everything"
            answers = await asyncio.gather(
                *(http.post(f"{url}/token", data=form) for _ in range(AT_ONCE))
            )
            assert {answer.status_code for answer in answers} == {200}
            logins += AT_ONCE
        scrapes = [await scrape(http, url) for _ in range(AT_ONCE)]
        assert [each[issued] for each in scrapes] == [logins] * AT_ONCE
        assert {each[sample("password_hashes_pending")] for each in scrapes} == {0}

        killed = max(workers)
        os.kill(killed, signal.SIGKILL)
        while has_gauges(folder, killed):
            assert time.monotonic() < deadline, "the worker that ended is still among the gauges"
            assert (await scrape(http, url))[issued] == logins


def workers_that_counted(folder: Path) -> set[int]:
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("counter_*.db")}


def has_gauges(folder: Path, worker: int) -> bool:
    return any(folder.glob(f"gauge_live*_{worker}.db"))


def test_whichever_worker_is_asked_tells_the_sum_of_all(sqlite: Backend, tmp_path: Path) -> None:
    url = sqlite.migrated()
    latchkey(url, "seed-demo")
    environment = {"LATCHKEY_METRICS": "true", "TMPDIR": str(tmp_path)}
    with live_server(url, environment, workers=2) as server:
        (folder,) = tmp_path.glob("latchkey-metrics-*")
        asyncio.run(count_over_two_workers(server.url, folder))
    assert not folder.exists()
