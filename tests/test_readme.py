"""The README alone: from a clone to a token, and to a protected route of one's own.

``FRESH_CLONE=1`` makes a real clone, whose first ``make run`` installs everything, and looks at the
clock. Otherwise it is a copy that has what is installed here.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx2
import pytest

from tests.support.followed import Reader, blocks, reader_of_a_copy
from tests.support.live_server import ROOT, free_port

README = (ROOT / "README.md").read_text()

FRESH = bool(os.environ.get("FRESH_CLONE"))

UNTIL_A_TOKEN, UNTIL_A_ROUTE = 120, 600
"""Seconds after the clone, of the machine: whoever types takes longer."""

START_TIMEOUT = 600


class Newcomer:
    """Somebody who has a clone, the README, and two terminals."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        if FRESH:
            clone = ["git", "clone", "--quiet", str(ROOT), str(folder)]
            subprocess.run(clone, check=True)
            self.reader = Reader(folder, folder)
        else:
            folder.mkdir()
            self.reader = reader_of_a_copy(folder)
        self.began = time.monotonic()
        self.reader.replaced = {"127.0.0.1:8000": f"127.0.0.1:{self.port}"}
        self.reader.start = self.make_run
        self.server: subprocess.Popen[bytes] | None = None

    def make_run(self, _line: str) -> None:
        """Stop it, if it runs, and run it again."""
        self.stop()
        self.server = subprocess.Popen(
            ["make", "run", f"PORT={self.port}"],
            cwd=self.reader.folder,
            env=self.reader.environment_of_a_program(),
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        with httpx2.Client(trust_env=False) as client:
            while time.monotonic() < deadline:
                assert self.server.poll() is None
                try:
                    client.get(f"http://127.0.0.1:{self.port}/healthz")
                    return
                except httpx2.TransportError:
                    time.sleep(0.05)
        raise AssertionError("make run does not serve")

    def stop(self) -> None:
        if self.server is not None:
            os.killpg(self.server.pid, signal.SIGTERM)
            self.server.wait()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[str, str]]:
    """What the commands of each section print."""
    newcomer = Newcomer(tmp_path_factory.mktemp("newcomer") / "latchkey")
    try:
        found = {}
        for part in README.split("\n## ")[1:]:
            heading, _, text = part.partition("\n")
            # The suite is not run inside itself.
            found[heading] = newcomer.reader.follow(re.sub(r"^make test.*\n", "", text, flags=re.M))
            found[f"{heading}, after"] = str(time.monotonic() - newcomer.began)
        yield found
    finally:
        newcomer.stop()


def test_it_begins_with_two_commands() -> None:
    first = next(blocks(README))
    assert [line.partition("#")[0].strip() for line in first.text.splitlines()] == [
        "make run",
        "make test",
    ]


def test_it_is_two_screens() -> None:
    assert len(README.splitlines()) <= 130


def test_it_warns_of_the_password_grant_before_anything_is_run() -> None:
    assert "**When not to use the password grant.**" in README.partition("\n## Run it")[0]


def test_the_login_gets_a_token_that_opens_a_route(printed: Mapping[str, str]) -> None:
    assert '"username":"alice"' in printed["Log in"]


def test_the_route_of_ones_own_answers(printed: Mapping[str, str]) -> None:
    assert printed["Protect a route"].endswith('"the reports of alice"')


@pytest.mark.skipif(not FRESH, reason="FRESH_CLONE=1 installs everything anew")
def test_it_takes_two_minutes_to_a_token_and_ten_to_a_route(printed: Mapping[str, str]) -> None:
    assert float(printed["Log in, after"]) < UNTIL_A_TOKEN
    assert float(printed["Protect a route, after"]) < UNTIL_A_ROUTE
