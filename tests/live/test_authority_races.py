"""What an administrator takes away stays away, although whoever loses it has requests in flight.

Two servers are asked over and over on several connections, and meanwhile the one decision is made.
Some of the requests were judged before it and write after it. Set ``RACE_ROUNDS`` to run each race
more often than a test suite has time for.
"""

import asyncio
import os
import re
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import Select, or_, select

from app.database.engines import Database
from app.models import AuditEvent
from tests.databases import Backend
from tests.live.server import latchkey, seed_demo, serving_twice
from tests.live.tokens import (
    TIMEOUT,
    ask_for_tokens,
    http_client,
    log_in,
    received,
    refresh,
    use,
)
from tests.pages.flow import Page

ROUNDS = int(os.environ.get("RACE_ROUNDS", "2"))

CONNECTIONS = 4

LOGINS = 16
"""At each server: so many stand in line for their hash while two requests are answered."""

REQUESTS_OF_A_CONNECTION = 2000
"""At most; a race is over long before."""

SETTINGS = {
    "LATCHKEY_PASSWORD_HASH_MEMORY_KIB": "8192",
    "LATCHKEY_PASSWORD_HASH_TIME": "1",
    "LATCHKEY_METRICS": "true",
}
"""A hash that takes long enough for something to happen meanwhile, and how many wait for it."""

WAITING = re.compile(r"^latchkey_password_hashes_pending(?:{.*})? (\S+)$", re.MULTILINE)

CACHES = 2
"""Seconds in which a change to a client reaches every worker."""

ADMIN = {"username": "admin", "password": "administrator-in-development"}

OLD_PASSWORD = "the password before it was replaced"
NEW_PASSWORD = "the password that replaced the other"

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
        """What the administrator does in round ``n``, which succeeds."""
        answer = await self.http.request(
            method, f"{self.url(n)}{path}", json=body, headers=self.admin
        )
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
    database_url = backend.migrated()
    seed_demo(database_url)
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


# An administrator loses what they manage with


def patching(race: Race, person: Person, change: dict[str, Any]) -> Ask:
    """``person`` changes themselves."""

    async def ask(url: str) -> httpx2.Response:
        return await race.http.patch(
            f"{url}/users/{person.id}", json=change, headers=person.headers
        )

    return ask


async def test_a_demoted_administrator_cannot_promote_themselves_with_a_request_in_flight(
    race: Race,
) -> None:
    async def demote(n: int) -> str:
        person = await race.add_person()
        async with in_flight(race, patching(race, person, {"scopes": MANAGER_SCOPES})):
            await race.decide(n, "PATCH", f"/users/{person.id}", {"scopes": ["profile"]})
        return " ".join((await race.look_at(person))["scopes"])

    assert Counter([await demote(n) for n in range(ROUNDS)]) == {"profile": ROUNDS}


async def test_a_disabled_administrator_cannot_enable_themselves_with_a_request_in_flight(
    race: Race,
) -> None:
    async def disable(n: int) -> bool:
        person = await race.add_person()
        async with in_flight(race, patching(race, person, {"disabled": False})):
            await race.decide(n, "PATCH", f"/users/{person.id}", {"disabled": True})
        return (await race.look_at(person))["disabled_at"] is not None

    assert Counter([await disable(n) for n in range(ROUNDS)]) == {True: ROUNDS}


async def test_whom_the_operator_disables_cannot_enable_themselves_with_a_request_in_flight(
    race: Race,
) -> None:
    async def disable() -> bool:
        person = await race.add_person()
        enable = patching(race, person, {"disabled": False})
        async with in_flight(race, enable, connections=2):  # the command needs time to start
            await asyncio.to_thread(
                latchkey, race.database_url, "users", "disable", person.username
            )
        return (await race.look_at(person))["disabled_at"] is not None

    assert Counter([await disable() for _ in range(ROUNDS)]) == {True: ROUNDS}


async def test_a_deleted_administrator_adds_nobody_with_a_request_in_flight(race: Race) -> None:
    async def delete(n: int) -> int:
        person = await race.add_person()

        async def add_an_accomplice(url: str) -> httpx2.Response:
            accomplice = {
                "username": f"accomplice-{uuid.uuid4().hex}",
                "password": OLD_PASSWORD,
                "scopes": ["users:write"],
            }
            return await race.http.post(f"{url}/users", json=accomplice, headers=person.headers)

        async with in_flight(race, add_an_accomplice):
            await race.decide(n, "DELETE", f"/users/{person.id}")
        trail = await _trail_of(race, person)
        return trail[trail.index("user.deleted") :].count("user.created")

    assert Counter([await delete(n) for n in range(ROUNDS)]) == {0: ROUNDS}


async def _trail_of(race: Race, person: Person) -> list[str]:
    """What the person did, and what was done to them, in the order in which it was written."""
    concerned = or_(AuditEvent.actor == person.id, AuditEvent.user_id == person.id)
    return await _look_up(race, select(AuditEvent.type).where(concerned).order_by(AuditEvent.id))


async def _look_up(race: Race, query: Select[Any]) -> list[Any]:
    """The first column of what the database has."""
    database = Database(race.database_url)
    async with database.read() as connection:
        found = list(await connection.scalars(query))
    await database.close()
    return found


# A password is replaced


async def test_a_user_cannot_bring_back_a_replaced_password_with_a_request_in_flight(
    race: Race,
) -> None:
    async def replace(n: int) -> tuple[int, int]:
        person = await race.add_person()

        async def keep_the_password(url: str) -> httpx2.Response:
            change = {"current_password": OLD_PASSWORD, "new_password": OLD_PASSWORD}
            return await race.http.post(
                f"{url}/users/me/password", json=change, headers=person.headers
            )

        async with in_flight(race, keep_the_password):
            await race.decide(n, "POST", f"/users/{person.id}/password", {"password": NEW_PASSWORD})
        new_login = person.old_login | {"password": NEW_PASSWORD}
        old = await ask_for_tokens(race.http, race.url(n), person.old_login)
        new = await ask_for_tokens(race.http, race.url(n), new_login)
        return old.status_code, new.status_code

    assert Counter([await replace(n) for n in range(ROUNDS)]) == {(400, 200): ROUNDS}


class TokenLogins:
    """Logins with the password grant."""

    def __init__(self, race: Race, person: Person) -> None:
        self._race, self._person = race, person

    async def log_in(self, url: str) -> httpx2.Response:
        return await ask_for_tokens(self._race.http, url, self._person.old_login)

    async def is_good(self, answer: httpx2.Response) -> bool:
        """Whether a token of that answer works; one that was refused has none."""
        if answer.status_code != 200:
            return False
        http, url, tokens = self._race.http, self._race.urls[0], received(answer)
        refreshed = await refresh(http, url, tokens.refresh)
        return refreshed.is_success or await use(http, url, tokens.access) == 200


class BrowserLogins:
    """Logins at the login page."""

    def __init__(self, race: Race, person: Person) -> None:
        self._race, self._person = race, person

    async def log_in(self, url: str) -> httpx2.Response:
        shown = await self._race.http.get(f"{url}/login", headers={"Cookie": "none=none"})
        cookie = f"latchkey_browser={shown.cookies['latchkey_browser']}"
        return await self._race.http.post(
            f"{url}/login",
            data=Page(shown).forms[0].fields | self._person.old_login,
            headers={"Cookie": cookie},
        )

    async def is_good(self, answer: httpx2.Response) -> bool:
        """Whether the session of that answer goes on; one that was refused has none."""
        if answer.status_code != 303:
            return False
        cookie = f"latchkey_session={answer.cookies['latchkey_session']}"
        account = f"{self._race.urls[0]}/account"
        return (await self._race.http.get(account, headers={"Cookie": cookie})).status_code == 200


Logins = TokenLogins | BrowserLogins

EITHER_WAY = pytest.mark.parametrize("kind", [TokenLogins, BrowserLogins])


async def _count_good(logins: Logins, answers: list[httpx2.Response]) -> int:
    return [await logins.is_good(answer) for answer in answers].count(True)


@EITHER_WAY
async def test_no_login_with_a_replaced_password_goes_on(race: Race, kind: type[Logins]) -> None:
    async def replace(n: int) -> int:
        person = await race.add_person()
        logins = kind(race, person)
        async with in_flight(race, logins.log_in) as requests:
            await race.decide(n, "POST", f"/users/{person.id}/password", {"password": NEW_PASSWORD})
        return await _count_good(logins, requests.answers)

    assert Counter([await replace(n) for n in range(ROUNDS)]) == {0: ROUNDS}


@EITHER_WAY
async def test_no_login_from_before_a_user_was_disabled_goes_on_when_they_are_enabled_again(
    race: Race, kind: type[Logins]
) -> None:
    async def disable_and_enable(n: int) -> int:
        person = await race.add_person()
        logins = kind(race, person)
        async with asyncio.TaskGroup() as group:
            sent = [
                group.create_task(logins.log_in(url)) for _ in range(LOGINS) for url in race.urls
            ]
            await _until_none_is_new(race, sent)
            await race.decide(n, "PATCH", f"/users/{person.id}", {"disabled": True})
            await race.decide(n, "PATCH", f"/users/{person.id}", {"disabled": False})
        return await _count_good(logins, [each.result() for each in sent])

    assert Counter([await disable_and_enable(n) for n in range(ROUNDS)]) == {0: ROUNDS}


async def _until_none_is_new(race: Race, sent: list[asyncio.Task[httpx2.Response]]) -> None:
    """Return when every login is answered, or waits for its hash: its user was looked at.

    One whose user is looked at once they are enabled again may succeed.
    """
    while True:
        unanswered = [each.done() for each in sent].count(False)
        if sum([await _waiting(race, url) for url in race.urls]) == unanswered:
            return


async def _waiting(race: Race, url: str) -> int:
    """How many passwords are hashed or wait for it, as of a moment that is not over for long."""
    for _ in range(2):  # each answer tells what was true after the one before
        answer = await race.http.get(f"{url}/metrics")
    (waiting,) = WAITING.findall(answer.text)
    return int(float(waiting))


# A client is disabled


@dataclass(frozen=True)
class Issued:
    """What a client was given before it was enabled again."""

    client: tuple[str, str]
    answers: list[dict[str, str]]


async def test_nothing_from_before_a_client_was_disabled_works_when_it_is_enabled_again(
    race: Race,
) -> None:
    person = await race.add_person()

    async def disable_and_enable(n: int) -> Issued:
        new = {
            "name": "Shop",
            "grant_types": ["password", "refresh_token", "client_credentials"],
            "default_scopes": ["items:read", "users:read"],
        }
        made = await race.http.post(f"{race.url(n)}/clients", json=new, headers=race.admin)
        client_id, secret = made.json()["client_id"], made.json()["client_secret"]

        def asking(form: dict[str, str]) -> Ask:
            async def ask(url: str) -> httpx2.Response:
                return await race.http.post(f"{url}/token", data=form, auth=(client_id, secret))

            return ask

        for_a_user = asking({"grant_type": "password", **person.old_login})
        for_itself = asking({"grant_type": "client_credentials"})
        async with in_flight(race, for_a_user, for_itself) as requests:
            await race.decide(n, "PATCH", f"/clients/{client_id}", {"disabled": True})
            await requests.go_on()
            before = [answer.json() for answer in requests.answers if answer.is_success]
            await race.decide(n, "PATCH", f"/clients/{client_id}", {"disabled": False})
        return Issued((client_id, secret), before)

    rounds = [await disable_and_enable(n) for n in range(ROUNDS)]
    await asyncio.sleep(CACHES)
    assert Counter([await _count_good_tokens(race, each) for each in rounds]) == {0: ROUNDS}


async def _count_good_tokens(race: Race, issued: Issued) -> int:
    good = 0
    for answer in issued.answers:
        if "refresh_token" in answer:
            form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
            used = await race.http.post(f"{race.urls[0]}/token", data=form, auth=issued.client)
            good += used.is_success
        for url in race.urls:
            used = await race.http.get(f"{url}/users", headers=bearer(answer["access_token"]))
            good += used.is_success
    return good
