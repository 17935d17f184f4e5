"""``docs/tutorial.md``, step by step: what each shows is what it says."""

import os
import re
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx2
import pytest

from app.database.migrations import upgrade
from tests.features import of_all_features
from tests.support.followed import reader
from tests.support.forked import Forked, fork_server
from tests.support.live_server import CHEAP_DEVELOPMENT, ROOT, LiveServer, free_port, seed_demo

pytestmark = of_all_features

STEPS = (ROOT / "docs/tutorial.md").read_text().split("\n## ")


class Following:
    """What a reader does, who keeps one terminal for each of two servers."""

    def __init__(self, folder: Path) -> None:
        self.database = f"sqlite:///{folder}/latchkey.db"
        upgrade(self.database)
        seed_demo(self.database)
        self.server = LiveServer(self.database, CHEAP_DEVELOPMENT, folder)
        self.port = free_port()
        self.shop: Forked | None = None
        self.reader = reader(folder)
        self.reader.start = self.start
        self.reader.repeated = ["grep unauthorized_client"]
        self.reader.replaced = {
            "127.0.0.1:8000": f"127.0.0.1:{self.server.port}",
            "127.0.0.1:9000": f"127.0.0.1:{self.port}",
            "--port 9000": f"--port {self.port}",
        }

    def start(self, line: str) -> None:
        if line.startswith("make run"):
            self.server.start()
        else:
            self.restart_the_shop()

    def restart_the_shop(self) -> None:
        self.stop_the_shop()
        line = ["uvicorn", "--app-dir", "shop", "--port", str(self.port), "--log-level", "warning"]
        environment = self.reader.environment_of_a_program()
        with open(os.devnull, "r+b") as nothing:
            self.shop = fork_server(environment).start(
                *(*line, "main:app"),
                environment=environment,
                folder=self.reader.folder,
                streams=(nothing, nothing, nothing),
            )
        deadline = time.monotonic() + 60
        with httpx2.Client(trust_env=False) as client:
            while time.monotonic() < deadline:
                try:
                    client.get(f"http://127.0.0.1:{self.port}/openapi.json")
                    return
                except httpx2.TransportError:
                    time.sleep(0.05)
        raise AssertionError("the shop does not start")

    def stop_the_shop(self) -> None:
        if self.shop is not None:
            self.shop.stop()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[int, str]]:
    """What the commands of each step print; all of them succeed, one step after the other."""
    following = Following(tmp_path_factory.mktemp("tutorial"))
    try:
        yield {step: following.reader.follow(text) for step, text in enumerate(STEPS)}
    finally:
        following.stop_the_shop()
        following.server.stop()


def test_it_has_ten_steps() -> None:
    assert [title.partition(".")[0] for title in STEPS[1:]] == [str(n) for n in range(1, 11)]


def test_the_login_of_the_tutorial_works(printed: Mapping[int, str]) -> None:
    assert printed[1].endswith('"the orders of johndoe"')


def test_users_and_their_scopes_are_there(printed: Mapping[int, str]) -> None:
    assert "John Doe" in printed[3]


def test_the_same_password_gets_a_token_that_the_shop_takes(printed: Mapping[int, str]) -> None:
    assert re.search(r'"the orders of [0-9a-f-]{36}"$', printed[6])


def test_a_token_without_the_scope_is_refused_and_one_with_it_is_not(
    printed: Mapping[int, str],
) -> None:
    assert 'scope="orders:read"' in printed[7]
    assert "the orders of" in printed[7]


def test_the_client_may_no_longer_send_passwords(printed: Mapping[int, str]) -> None:
    assert '"error":"unauthorized_client"' in printed[9]


def test_the_trail_has_the_logins(printed: Mapping[int, str]) -> None:
    assert "login.succeeded" in printed[10]
