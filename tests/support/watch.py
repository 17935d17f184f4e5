"""Which secrets were sent to a server and issued by it, and where traces of them are.

An HTTP client notes every secret in its requests and in their answers. What the server wrote
meanwhile, at debug level, is kept: logs, output, the rows of its database and its files.
"""

import contextlib
import io
import json
import logging
import re
from base64 import b64decode
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx2
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.log import log_config
from app.server import Server
from tests.support.flow import dump
from tests.support.routes import operations_of

SECRET_FIELDS = frozenset(
    {
        *("password", "current_password", "new_password", "client_secret", "api_key", "key"),
        *("access_token", "refresh_token", "id_token", "token", "id_token_hint"),
        *("code", "code_verifier", "form_token", "request"),
        *("mfa_token", "recovery_code", "secret"),
    }
)
"""The names of parameters and members that hold secrets, in both directions."""

PUBLISHED = ("/metrics", "/openapi.json", "/audit", "/.well-known/jwks.json")

DEBUGGED = ("", "sqlalchemy", "asyncpg", "uvicorn", "latchkey", "asyncio", "aiosqlite")


@dataclass
class Watch:
    """What was seen."""

    secrets: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    """What was typed as the name of a user who does not exist: it may be a password."""
    reached: set[tuple[str, str]] = field(default_factory=set)
    """Method and path of the routes that answered without an error."""
    errors: list[str] = field(default_factory=list)
    """The bodies and headers of the answers that were errors."""
    published: list[str] = field(default_factory=list)
    """The bodies of the answers that tell of everybody."""
    log: io.StringIO = field(default_factory=io.StringIO)
    output: io.StringIO = field(default_factory=io.StringIO)
    rows: str = ""
    files: bytes = b""

    def note(self, name: str, value: Any) -> None:
        is_id = isinstance(value, str) and re.fullmatch(r"[0-9a-f-]{36}", value)
        if name in SECRET_FIELDS and isinstance(value, str) and len(value) >= 8 and not is_id:
            self.secrets.add(value)

    def note_all(self, members: Any) -> None:
        """The secrets of a JSON value, at any depth."""
        if isinstance(members, dict):
            for name, value in members.items():
                self.note(name, value)
                self.note_all(value)
        elif isinstance(members, list):
            for value in members:
                self.note_all(value)

    async def collect(self, server: Server) -> None:
        """Read what is in the database now, and in its files if it is a file."""
        await server.audit_batch.write()
        logged = self.log.tell()
        self.rows = await dump(server)
        self.log.seek(logged)
        self.log.truncate()  # SQLAlchemy has logged what was read just now
        if server.database.is_sqlite:
            path = Path(server.database.url.removeprefix("sqlite:///"))
            self.files = b"".join(each.read_bytes() for each in path.parent.glob(path.name + "*"))

    def places(self) -> Mapping[str, str]:
        """Where nothing may be found, and the text that is there."""
        return {
            "log": self.log.getvalue(),
            "output": self.output.getvalue(),
            "errors": "\n".join(self.errors),
            "published": "\n".join(self.published),
            "rows": self.rows,
            "files": self.files.decode("latin-1"),
        }

    def found(self) -> list[tuple[str, str]]:
        """Each place with a secret that is there."""
        found = []
        for place, text in self.places().items():
            known = self.secrets if place == "errors" else self.secrets | self.names
            found += [
                (place, secret)
                for secret in sorted(known)
                if any(form in text for form in forms_of(secret))
            ]
        return found


def forms_of(secret: str) -> set[str]:
    """A secret as it is and as it is written in addresses and JSON; of a JWT its signature too."""
    forms = {secret, quote_plus(secret), json.dumps(secret)[1:-1]}
    signature = secret.rpartition(".")[2]
    if secret.count(".") == 2 and len(signature) > 40:
        forms.add(signature)
    return forms


def watched(http: httpx2.AsyncClient, app: FastAPI, watch: Watch) -> None:
    """Let ``http`` note what it sends and receives."""
    routes = [
        (context.path_regex, method, path)
        for context in iter_route_contexts(app.routes)
        for method, path in operations_of(context)
    ]

    async def sent(request: httpx2.Request) -> None:
        for name, value in parse_qsl(request.url.query.decode()):
            watch.note(name, value)
        body = request.content.decode()
        if request.headers.get("content-type", "").startswith("application/json"):
            watch.note_all(json.loads(body))
        else:
            for name, value in parse_qsl(body):
                watch.note(name, value)
        for value in re.findall(r"=([^;]+)", request.headers.get("cookie", "")):
            watch.secrets.add(value)
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            watch.secrets |= {credentials, b64decode(credentials).decode().partition(":")[2]}
        elif scheme == "Bearer":
            watch.secrets.add(credentials)
        if "x-api-key" in request.headers:
            watch.secrets.add(request.headers["x-api-key"])

    async def received(response: httpx2.Response) -> None:
        await response.aread()
        request = response.request
        if response.status_code >= 400:
            # A form that is shown again holds what its browser has sent already, as do links there;
            # and what goes on with a login is told in the error that asks for more.
            theirs = r'<input type="hidden"[^>]*>|\?request=[^"]*|"mfa_token":"[^"]*"'
            body = re.sub(theirs, "", response.text)
            watch.errors.append(f"{response.headers}\n{body}")
        else:
            watch.reached |= {
                (method, path)
                for regex, method, path in routes
                if method == request.method and regex.match(request.url.path)
            }
        if request.url.path in PUBLISHED:
            watch.published.append(response.text)
        for header in response.headers.get_list("set-cookie"):
            watch.secrets.add(header.partition(";")[0].partition("=")[2].strip('"') or header)
        for name, value in parse_qsl(urlsplit(response.headers.get("location", "")).query):
            watch.note(name, value)
        is_json = response.headers.get("content-type", "").startswith("application/json")
        if is_json and response.content and request.url.path != "/openapi.json":
            watch.note_all(response.json())
        else:
            for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', response.text):
                watch.note(name, value)

    http.event_hooks = {"request": [sent], "response": [received]}


@contextlib.contextmanager
def debugging(watch: Watch) -> Generator[None]:
    """Keep all that is logged, as the server's own formatter writes it, and all that is printed.

    Engines ask for their level when they are made: create the application inside.
    """
    made = log_config("json", access_log=True)["formatters"]["line"]
    factory = made.pop("()")
    handler = logging.StreamHandler(watch.log)
    handler.setFormatter(factory(**made))
    loggers = [logging.getLogger(name) for name in DEBUGGED]
    of_the_client = logging.getLogger("httpx2")
    before = [(logger, logger.level) for logger in (*loggers, of_the_client)]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    of_the_client.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stdout(watch.output), contextlib.redirect_stderr(watch.output):
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in before:
            logger.setLevel(level)


@contextlib.asynccontextmanager
async def watching(
    app: FastAPI, http: httpx2.AsyncClient, watch: Watch
) -> AsyncGenerator[httpx2.AsyncClient]:
    """Watch ``http`` at the started ``app``, and look at what is left in the end."""
    watched(http, app, watch)
    yield http
    await watch.collect(app.state.server)
