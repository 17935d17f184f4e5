"""What an administrator takes away stays away, although whoever loses it has requests in flight.

Two servers are asked over and over on several connections, and meanwhile the one decision is made.
Some of the requests were judged before it and write after it. ``RACE_ROUNDS`` says how often each
race is run.
"""

import asyncio
import re
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import pytest
from sqlalchemy import or_, select

from app.models import AuditEvent
from tests.features import brought
from tests.support.live_server import latchkey
from tests.support.live_tokens import (
    ask_for_tokens,
    received,
    refresh,
    use,
)
from tests.support.races import (
    MANAGER_SCOPES,
    OLD_PASSWORD,
    ROUNDS,
    Ask,
    Person,
    Race,
    bearer,
    in_flight,
    look_up,
    race,
    servers,
)

__all__ = ["race", "servers"]

LOGINS = 16
"""At each server: so many stand in line for their hash while two requests are answered."""


WAITING = re.compile(r"^latchkey_password_hashes_pending(?:{.*})? (\S+)$", re.MULTILINE)

CACHES = 2
"""Seconds in which a change to a client reaches every worker."""


NEW_PASSWORD = "the password that replaced the other"


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
    return await look_up(race, select(AuditEvent.type).where(concerned).order_by(AuditEvent.id))


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


class Logins(Protocol):
    """A way to log in, and to tell whether that went on."""

    def __init__(self, race: Race, person: Person) -> None: ...

    async def log_in(self, url: str) -> httpx2.Response: ...

    async def is_good(self, answer: httpx2.Response) -> bool: ...


EITHER_WAY = pytest.mark.parametrize("kind", [TokenLogins, *brought("RACING_LOGINS").values()])


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
