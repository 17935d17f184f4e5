"""Two servers that are asked over and over while an administrator decides once."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import Select

from app.database.engines import Database
from tests.support.databases import Backend
from tests.support.live_server import serving_twice
from tests.support.live_tokens import (
    TIMEOUT,
    http_client,
    log_in,
)
from tests.support.rounds import rounds_of_race

ROUNDS = rounds_of_race(2)


CONNECTIONS = 4


REQUESTS_OF_A_CONNECTION = 2000

"""At most; a race is over long before."""

TRIES = 3
"""Of a request of the administrator, on a database that is busy."""


SETTINGS = {
    "LATCHKEY_PASSWORD_HASH_MEMORY_KIB": "8192",
    "LATCHKEY_PASSWORD_HASH_TIME": "1",
    "LATCHKEY_METRICS": "true",
}


"""A hash that takes long enough for something to happen meanwhile, and how many wait for it."""


ADMIN = {"username": "admin", "password": "administrator-in-development"}


OLD_PASSWORD = "the password before it was replaced"


MANAGER_SCOPES = ["account", "api-keys:write", "items:read", "profile", "users:read", "users:write"]


Headers = dict[str, str]


Ask = Callable[[str], Awaitable[httpx2.Response]]


@dataclass(frozen=True)
class Person:
    """A user of one round."""

    id: str
    username: str
    headers: Headers
    """With an access token that permits all that they may."""

    @property
    def old_login(self) -> dict[str, str]:
        """Their name, and the password that they begin with."""
        return {"username": self.username, "password": OLD_PASSWORD}


@dataclass(frozen=True)
class Race:
    """Two servers, and an administrator who decides."""

    http: httpx2.AsyncClient
    urls: tuple[str, str]
    database_url: str
    admin: Headers

    def url(self, n: int) -> str:
        """The server that is told the decision of round ``n``."""
        return self.urls[n % 2]

    async def add_person(self) -> Person:
        """Another user, who manages users, and is logged in."""
        username = f"user-{uuid.uuid4().hex}"
        new = {"username": username, "password": OLD_PASSWORD, "scopes": MANAGER_SCOPES}
        made = await self.http.post(f"{self.urls[0]}/users", json=new, headers=self.admin)
        assert made.status_code == 201, made.text
        user = {"username": username, "password": OLD_PASSWORD}
        tokens = await log_in(self.http, self.urls[0], user, " ".join(MANAGER_SCOPES))
        return Person(made.json()["id"], username, bearer(tokens.access))

    async def decide(self, n: int, method: str, path: str, body: Any = None) -> None:
        """What the administrator does in round ``n``, which succeeds.

        The others write all the time, so that on SQLite it may not be their turn for seconds: then
        nothing was done, and the answer says to try again.
        """
        for _ in range(TRIES):
            answer = await self.http.request(
                method, f"{self.url(n)}{path}", json=body, headers=self.admin
            )
            if answer.status_code != 503:
                break
        assert answer.is_success, answer.text

    async def look_at(self, person: Person) -> dict[str, Any]:
        """A user, as the administrator sees them."""
        answer = await self.http.get(f"{self.urls[0]}/users/{person.id}", headers=self.admin)
        seen: dict[str, Any] = answer.json()
        return seen


def bearer(access_token: str) -> Headers:
    return {"Authorization": f"Bearer {access_token}"}


@pytest.fixture(scope="module")
def servers(backend: Backend) -> Generator[tuple[str, tuple[str, str]]]:
    """A database, and two servers on it."""
    database_url = backend.seeded()
    with serving_twice(database_url, SETTINGS) as urls:
        yield database_url, urls
    backend.drop(database_url)


@pytest.fixture
async def race(servers: tuple[str, tuple[str, str]]) -> AsyncGenerator[Race]:
    database_url, urls = servers
    async with http_client() as http:
        tokens = await log_in(http, urls[0], ADMIN, "users:read users:write clients:write")
        yield Race(http, urls, database_url, bearer(tokens.access))


class InFlight:
    """Requests that are made over and over."""

    def __init__(self, connections: int) -> None:
        self.answers: list[httpx2.Response] = []
        self._connections = connections
        self._answered = asyncio.Event()
        self._is_over = False

    async def keep_asking(self, ask: Ask, url: str) -> None:
        """Ask a server on one connection, until no more is to be asked."""
        for _ in range(REQUESTS_OF_A_CONNECTION):
            self.answers.append(await ask(url))
            self._answered.set()
            if self._is_over:
                return

    async def go_on(self) -> None:
        """Return when there was another answer for each connection."""
        enough = len(self.answers) + self._connections
        while len(self.answers) < enough:
            self._answered.clear()
            await asyncio.wait_for(self._answered.wait(), TIMEOUT)

    def ask_no_more(self) -> None:
        """Let each connection wait for its last answer."""
        self._is_over = True


@asynccontextmanager
async def in_flight(
    race: Race, *asks: Ask, connections: int = CONNECTIONS
) -> AsyncGenerator[InFlight]:
    """Make requests at both servers, until the end of the block; then wait for all answers.

    Different ``asks`` share the connections.
    """
    requests = InFlight(connections)
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            ask = asks[number // 2 % len(asks)]
            group.create_task(requests.keep_asking(ask, race.urls[number % 2]))
        await requests.go_on()
        yield requests
        requests.ask_no_more()


async def look_up(race: Race, query: Select[Any]) -> list[Any]:
    """The first column of what the database has."""
    database = Database(race.database_url)
    async with database.read() as connection:
        found = list(await connection.scalars(query))
    await database.close()
    return found
