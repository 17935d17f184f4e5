"""Claims that a feature tells, in tokens and at ``/userinfo``: what a fork adds."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.clock import Clock
from app.database.engines import Database
from app.feature import Feature
from app.features import load_features
from app.login.claims import PROTOCOL_CLAIMS, ClaimSource, MoreClaims, Subject
from app.main import create_app
from app.server import Server
from app.settings import Settings
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, bearer
from tests.support.flow import CodeFlow
from tests.support.forger import read_claims
from tests.support.lifecycle import act_for_itself, add_service, introspected

LIE = "what only the protocol says"


class OfFork(ClaimSource):
    """Tells where it is asked, and what it must not."""

    def __init__(self, _database: Database, _clock: Clock) -> None:
        self.asked: list[Subject] = []

    async def find(self, subject: Subject) -> MoreClaims:
        self.asked.append(subject)
        lies = dict.fromkeys(PROTOCOL_CLAIMS, LIE)
        return MoreClaims(
            access_token={**lies, "tenant": "t1"},
            id_token={**lies, "department": "sales"},
            userinfo={**lies, "level": {"of": 3}},
        )


@pytest.fixture
def source() -> OfFork:
    return OfFork(None, None)  # type: ignore[arg-type]


@pytest.fixture
def app(settings: Settings, clock: TestClock, source: OfFork) -> FastAPI:
    fork = Feature(name="fork", claims=lambda _database, _clock: source)
    return create_app(settings, clock, [*load_features(), fork])


def more(claims: dict[str, Any]) -> dict[str, Any]:
    names = ("tenant", "department", "level")
    return {name: claims[name] for name in names if name in claims}


async def test_a_feature_tells_claims_each_where_it_says_and_none_of_the_protocol(
    flow: CodeFlow, source: OfFork, alice: TestUser, shop: TestClient
) -> None:
    tokens = await flow.tokens(scope="openid profile")
    userinfo = await flow.browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    told = [read_claims(tokens["access_token"]), read_claims(tokens["id_token"]), userinfo.json()]
    assert [more(claims) for claims in told] == [
        {"tenant": "t1"},
        {"department": "sales"},
        {"level": {"of": 3}},
    ]
    assert LIE not in [value for claims in told for value in claims.values()]
    scopes = frozenset({"openid", "profile"})
    subject = Subject(user_id=alice.id, client_id=shop.client_id, scopes=scopes)
    assert source.asked == [subject, subject]


async def test_a_feature_tells_claims_of_a_client_that_acts_for_itself(
    http: httpx2.AsyncClient, server: Server, source: OfFork
) -> None:
    service = await add_service(server)
    token = (await act_for_itself(http, service)).json()["access_token"]
    assert more(read_claims(token)) == {"tenant": "t1"}
    assert (await introspected(http, service, token))["active"]
    assert [(each.user_id, each.client_id) for each in source.asked] == [(None, service.client_id)]
