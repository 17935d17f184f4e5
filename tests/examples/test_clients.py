"""Each example of a client, as a program of its own or in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.conftest import EXAMPLES, PASSWORD, SECRET, USERNAME, python

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ORDERS = ["a book", "a pen"]
TIMEOUT = 60


@pytest.fixture
def environment(issuer: str, orders_api: str, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "ISSUER": issuer, "API": orders_api, "KEPT": str(tmp_path / "login")}


def run(
    example: str, *arguments: str, env: dict[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python(*arguments),
        cwd=EXAMPLES / example,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def orders_in(finished: subprocess.CompletedProcess[str]) -> list[Any]:
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line)["orders"] for line in finished.stdout.splitlines()]


# The password grant


def test_the_script_asks_for_the_password_once_and_logs_out(environment: dict[str, str]) -> None:
    script = ("script_password", "orders.py")
    first = run(*script, USERNAME, env=environment, stdin=PASSWORD + "\n")
    assert orders_in(first) == [ORDERS]
    kept = Path(environment["KEPT"])
    assert kept.stat().st_mode & 0o777 == 0o600
    before = kept.read_text()
    assert orders_in(run(*script, USERNAME, env=environment)) == [ORDERS]
    assert kept.read_text() != before
    assert orders_in(run(*script, "--log-out", env=environment)) == []
    refused = run(*script, USERNAME, env=environment)
    assert (refused.returncode, refused.stderr) == (1, "a password is needed\n")


def test_the_script_asks_again_when_the_login_is_over(environment: dict[str, str]) -> None:
    Path(environment["KEPT"]).write_text(json.dumps({"refresh_token": "gone"}))
    script = ("script_password", "orders.py")
    finished = run(*script, USERNAME, env=environment, stdin=PASSWORD + "\n")
    assert orders_in(finished) == [ORDERS]


# Client credentials


def test_the_service_gets_a_token_for_itself(environment: dict[str, str]) -> None:
    client = {"CLIENT_ID": "example-service", "CLIENT_SECRET": SECRET}
    finished = run("service_client_credentials", "report.py", env=environment | client)
    assert orders_in(finished) == [ORDERS] * 3


# The code flow


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def log_in_on_the_page(page: Page) -> None:
    page.get_by_label("User name").fill(USERNAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Allow").click()


def test_the_native_application_logs_in_through_the_browser(
    page: Page, environment: dict[str, str]
) -> None:
    program = subprocess.Popen(
        python("orders.py"),
        cwd=EXAMPLES / "native_loopback",
        env={**environment, "BROWSER": "true"},  # the test opens what is printed
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stderr is not None
        while not (line := program.stderr.readline()).startswith("http"):
            assert line, "the application ended"
        page.goto(line.strip())
        log_in_on_the_page(page)
        page.get_by_text("You can close this window").wait_for()
        stdout, _ = program.communicate(timeout=TIMEOUT)
    finally:
        program.kill()
        program.communicate()
    assert json.loads(stdout)["orders"] == ORDERS


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def spa(issuer: str, spa_port: int, tmp_path: Path) -> Generator[str]:
    """The single-page application with our issuer, on its own origin."""
    folder = tmp_path / "spa"
    shutil.copytree(EXAMPLES / "spa_pkce", folder)
    config = folder / "config.js"
    config.write_text(re.sub(r"http://127\.0\.0\.1:8000", issuer, config.read_text()))
    with ThreadingHTTPServer(
        ("127.0.0.1", spa_port), partial(Quiet, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{spa_port}/"
        server.shutdown()
        thread.join()


def test_the_single_page_application_logs_in_renews_and_logs_out(spa: str, page: Page) -> None:
    page.goto(spa)
    page.get_by_role("button", name="Log in").click()
    log_in_on_the_page(page)
    page.get_by_text(f"You are {USERNAME}.").wait_for()
    assert page.url == spa  # no code in the address, nor in the history
    # As if the access token were about to end: two requests at once renew it once.
    statuses = page.evaluate(
        """async () => {
            const later = Date.now() + 3600_000;
            const { issuer } = await import("./config.js");
            const { fetchWithToken } = await import("./app.js");
            Date.now = () => later;
            const asked = [1, 2].map(() => fetchWithToken(`${issuer}/userinfo`));
            return (await Promise.all(asked)).map((response) => response.status);
        }"""
    )
    assert statuses == [200, 200]
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("You are not logged in.").wait_for()
    assert page.get_by_role("alert").inner_text() == ""


def test_the_single_page_application_refuses_an_answer_that_it_did_not_ask_for(
    spa: str, page: Page
) -> None:
    page.goto(f"{spa}?code=stolen&state=guessed")
    page.get_by_text("Somebody else's answer came back.").wait_for()
