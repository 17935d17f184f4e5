"""A user who is disabled makes no API key with a request in flight."""

import uuid
from collections import Counter

import httpx2
from sqlalchemy import select

from app.features.api_keys.model import ApiKey
from app.models import User
from tests.support.races import ROUNDS, Person, Race, in_flight, look_up, race, servers

__all__ = ["race", "servers"]


async def test_a_disabled_user_makes_no_api_key_with_a_request_in_flight(race: Race) -> None:
    async def disable(n: int) -> int:
        person = await race.add_person()

        async def make_a_key(url: str) -> httpx2.Response:
            key = {"name": "backup", "scopes": ["items:read"]}
            return await race.http.post(f"{url}/api-keys", json=key, headers=person.headers)

        async with in_flight(race, make_a_key):
            await race.decide(n, "PATCH", f"/users/{person.id}", {"disabled": True})
        return await _count_later_keys(race, person)

    assert Counter([await disable(n) for n in range(ROUNDS)]) == {0: ROUNDS}


async def _count_later_keys(race: Race, person: Person) -> int:
    """How many keys of the user are from after the moment in which they were disabled."""
    later = (
        select(ApiKey.id)
        .join(User, User.id == ApiKey.owner_id)
        .where(User.id == uuid.UUID(person.id), ApiKey.created_at > User.disabled_at)
    )
    return len(await look_up(race, later))
