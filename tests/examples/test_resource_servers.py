"""Each example of a resource server, as a program of its own, with a real authorization server."""

import importlib.util
import json
import runpy
import threading
from collections.abc import Generator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.examples.conftest import (
    EXAMPLES,
    SECRET,
    Tokens,
    free_port,
    needs,
    python,
    running,
)

ASKING = {"CLIENT_ID": "example-api", "CLIENT_SECRET": SECRET, "CACHE_SECONDS": "0"}
"""Of those that introspect."""


class Behind(BaseHTTPRequestHandler):
    """The service behind nginx, which knows nothing of tokens."""

    def do_GET(self) -> None:
        body = {"subject": self.headers["X-Subject"], "token": self.headers["Authorization"]}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


def start_nginx(stack: ExitStack, issuer: str, folder: Path) -> str:
    nginx = needs("nginx", "nginx")
    ports = {old: str(free_port()) for old in ("8001", "8002", "8003")}
    conf = (EXAMPLES / "nginx_auth_request" / "nginx.conf").read_text()
    for old, new in ports.items():
        conf = conf.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    (folder / "nginx.conf").write_text(conf)
    behind = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", int(ports["8003"])), Behind))
    thread = threading.Thread(target=behind.serve_forever, args=(0.05,))
    thread.start()
    stack.callback(thread.join)
    stack.callback(behind.shutdown)
    check = running(
        python("check.py"),
        port=int(ports["8002"]),
        folder=EXAMPLES / "nginx_auth_request",
        environment={"ISSUER": issuer, "PORT": ports["8002"], **ASKING},
        log=folder / "check.log",
    )
    stack.enter_context(check)
    return stack.enter_context(
        running(
            [nginx, "-p", str(folder), "-c", "nginx.conf"],
            port=int(ports["8001"]),
            folder=folder,
            environment={},
            log=folder / "nginx.log",
        )
    )


def start(stack: ExitStack, kind: str, issuer: str, folder: Path) -> str:
    if kind == "nginx_auth_request":
        return start_nginx(stack, issuer, folder)
    port = free_port()
    environment = {"ISSUER": issuer, "PORT": str(port)}
    where = EXAMPLES / kind
    match kind:
        case "fastapi_jwks" | "fastapi_introspection":
            command = python("-m", "uvicorn", "main:app", "--port", str(port))
            environment |= ASKING
        case "flask_authlib":
            if importlib.util.find_spec("flask") is None:
                pytest.skip("Flask is missing: pip install flask")
            command = python("-m", "flask", "run", "--port", str(port))
        case "django_authlib":
            if importlib.util.find_spec("django") is None:
                pytest.skip("Django is missing: pip install django")
            command = python("app.py", "runserver", "--noreload", str(port))
        case _:
            node = needs("node", "nodejs")
            if not (where / "node_modules" / "express").exists():
                pytest.skip("Express is missing: npm install in examples/express")
            command = [node, "server.js"]
    program = running(command, port=port, folder=where, environment=environment, log=folder / "log")
    return stack.enter_context(program)


VERIFYING = ["fastapi_jwks", "flask_authlib", "django_authlib", "express"]
INTROSPECTING = ["fastapi_introspection", "nginx_auth_request"]


@pytest.fixture(scope="module", params=[*VERIFYING, *INTROSPECTING])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def orders(kind: str, issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of the protected route."""
    with ExitStack() as stack:
        yield start(stack, kind, issuer, tmp_path_factory.mktemp(kind)) + "/orders"


def ask(url: str, token: str | None = None, **headers: str) -> httpx2.Response:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return httpx2.get(url, headers=headers, trust_env=False)


def challenge(response: httpx2.Response) -> str:
    assert len(response.headers.get_list("www-authenticate")) == 1
    found: str = response.headers["www-authenticate"]
    assert found.lower().startswith("bearer")
    return found


def subject_of(issuer: str, token: str) -> str:
    me: dict[str, Any] = ask(f"{issuer}/users/me", token).json()
    return str(me["id"])


def test_a_good_token_with_the_scope_opens_the_route(
    orders: str, issuer: str, log_in: Tokens
) -> None:
    token = log_in()["access_token"]
    response = ask(orders, token)
    assert response.status_code == 200
    assert response.json()["subject"] == subject_of(issuer, token)


def test_without_a_token_the_route_asks_for_one(orders: str) -> None:
    response = ask(orders)
    assert response.status_code == 401
    assert "error=" not in challenge(response) or "missing" in challenge(response)


@pytest.mark.parametrize("token", ["nonsense", "e30.e30.AAAA"])
def test_what_is_no_token_is_refused(orders: str, token: str) -> None:
    response = ask(orders, token)
    assert response.status_code == 401
    challenge(response)


def test_a_token_without_the_scope_is_refused(orders: str, log_in: Tokens) -> None:
    response = ask(orders, log_in("profile")["access_token"])
    assert response.status_code == 403
    assert "insufficient_scope" in response.headers.get("www-authenticate", response.text)


def test_a_refresh_token_opens_nothing(orders: str, log_in: Tokens) -> None:
    assert ask(orders, log_in()["refresh_token"]).status_code == 401


def test_a_changed_token_is_refused(orders: str, log_in: Tokens) -> None:
    head, claims, signature = log_in()["access_token"].split(".")
    changed = f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    assert ask(orders, changed).status_code == 401


def test_a_revoked_token_is_refused_at_once_by_those_that_ask(
    kind: str, orders: str, issuer: str, log_in: Tokens
) -> None:
    token = log_in()["access_token"]
    assert ask(orders, token).status_code == 200
    form = {"client_id": "example-script", "token": token}
    httpx2.post(f"{issuer}/revoke", data=form, trust_env=False).raise_for_status()
    assert ask(orders, token).status_code == (401 if kind in INTROSPECTING else 200)


def test_nobody_can_say_who_they_are_in_a_header(
    kind: str, orders: str, issuer: str, log_in: Tokens
) -> None:
    token = log_in()["access_token"]
    answer = ask(orders, token, **{"X-Subject": "somebody else"}).json()
    assert answer["subject"] == subject_of(issuer, token)
    if kind == "nginx_auth_request":
        assert answer["token"] is None  # what is behind nginx sees no token


def test_the_introspecting_example_asks_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (ASKING | {"CACHE_SECONDS": "10"}).items():
        monkeypatch.setenv(name, value)
    example = runpy.run_path(str(EXAMPLES / "fastapi_introspection" / "main.py"))
    cache = example["Cache"]()
    asked: list[str] = []

    def introspect(token: str) -> dict[str, Any]:
        asked.append(token)
        return {"active": False}

    monkeypatch.setitem(type(cache).get.__globals__, "introspect", introspect)
    answers = [cache.get(token) for token in ("a", "a", "b", "a")]
    assert (asked, answers) == (["a", "b"], [{"active": False}] * 4)
