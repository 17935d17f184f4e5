"""What the tests with a browser ask for by name, and what is behind the pages."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from app.identity.profile import NewUser
from app.identity.users import create_user
from app.security.passwords import PasswordHasher
from tests.support.browsers import (
    InDatabase,
    browser,
    chromium,
    context,
    docs,
    in_database,
    live,
    live_database_url,
    page,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = [
    "browser",
    "chromium",
    "context",
    "docs",
    "in_database",
    "live",
    "live_database_url",
    "page",
]


@dataclass(frozen=True)
class Person:
    """Somebody who may log in."""

    id: uuid.UUID
    name: str
    password: str


PASSWORD = "correct horse battery staple"

PERSON_SCOPES = ("openid", "profile", "email", "account", "items:read", "items:write")


@pytest.fixture(scope="package")
def password_hash() -> str:
    """As cheap as the server's own."""
    passwords = PasswordHasher(memory_kib=8, time_cost=1, parallelism=1, queue=1)
    hashed = passwords.hash_now(PASSWORD)
    passwords.close()
    return hashed


@pytest.fixture(scope="package")
def add_person(in_database: InDatabase, password_hash: str) -> Callable[[], Person]:
    """Makes users whom no other test knows."""

    def add() -> Person:
        name = f"person-{uuid.uuid4().hex[:8]}"

        async def insert(connection: AsyncConnection) -> uuid.UUID:
            return await create_user(
                connection,
                NewUser(username=name, email=f"{name}@example.com", scopes=PERSON_SCOPES),
                password_hash=password_hash,
                now=datetime.now(UTC),
            )

        return Person(in_database(insert), name, PASSWORD)

    return add


@pytest.fixture
def person(add_person: Callable[[], Person]) -> Person:
    return add_person()


WELCOME = "Welcome back"


class _Application(BaseHTTPRequestHandler):
    """A client's own pages: each has one heading; ``/onward?URL`` sends on to that address."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        path, _, onward = self.path.partition("?")
        if path == "/onward":
            self.send_response(303)
            self.send_header("Location", onward)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page = f"<!doctype html><link rel=icon href=data:,><title>Shop</title><h1>{WELCOME}</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def _application() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Application) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="package")
def application(chromium: str) -> Generator[str]:
    """The base URL of a client that greets whoever comes back."""
    with _application() as url:
        yield url


@pytest.fixture(scope="package")
def other_application(chromium: str) -> Generator[str]:
    """Another origin, such as the client sends its users on to."""
    with _application() as url:
        yield url
