"""The claim ``groups``, behind the scope of that name."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import delete

from app.features.groups.belonging import add_member
from app.features.groups.model import GroupMember
from app.features.groups.service import GroupDefinition, create_group
from app.management.authority import operating
from app.server import Server
from tests.features import of_the_pages
from tests.support.factories import TestClient, TestUser, add_user, bearer, log_in
from tests.support.flow import CodeFlow, add_web_client
from tests.support.forger import read_claims
from tests.support.lifecycle import act_for_itself, add_refreshing, add_service, refresh

SCOPES = ("openid", "profile", "groups")


async def put_into(server: Server, user: TestUser, *names: str) -> None:
    async with operating(server.database, server.clock) as operator:
        for name in names:
            group = await create_group(operator, GroupDefinition(name=name, scopes=["groups"]))
            await add_member(operator, group.id, user.id)


@pytest.fixture
async def carol(server: Server) -> TestUser:
    return await add_user(server, "carol", scopes=("openid", "profile"))


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_web_client(
        server,
        scopes=SCOPES,
    )


async def told(http: httpx2.AsyncClient, tokens: dict[str, Any]) -> list[Any]:
    """What the access token, the ID token and ``/userinfo`` say."""
    userinfo = await http.get("/userinfo", headers=bearer(tokens["access_token"]))
    claims = [read_claims(tokens["access_token"]), read_claims(tokens["id_token"])]
    return [each.get("groups") for each in (*claims, userinfo.json())]


@of_the_pages
@pytest.mark.rfc("9068", "2.2.3.1", 1)
async def test_the_names_of_the_groups_are_told_wherever_the_scope_was_granted(
    http: httpx2.AsyncClient, server: Server, carol: TestUser, shop: TestClient
) -> None:
    await put_into(server, carol, "staff", "editors")
    flow = CodeFlow(http, carol, shop, scope="openid groups")
    tokens = await flow.tokens()
    assert await told(http, tokens) == [["editors", "staff"]] * 3
    again = (await refresh(http, shop, tokens["refresh_token"])).json()
    assert await told(http, again) == [["editors", "staff"]] * 3


@of_the_pages
async def test_without_the_scope_nothing_is_told(
    http: httpx2.AsyncClient, server: Server, carol: TestUser, shop: TestClient
) -> None:
    await put_into(server, carol, "staff")
    tokens = await CodeFlow(http, carol, shop, scope="openid profile").tokens()
    assert await told(http, tokens) == [None, None, None]


@of_the_pages
async def test_who_left_a_group_is_in_it_no_longer(
    http: httpx2.AsyncClient, server: Server, shop: TestClient
) -> None:
    dave = await add_user(server, "dave", scopes=SCOPES)
    await put_into(server, dave, "staff")
    tokens = await CodeFlow(http, dave, shop, scope="openid groups").tokens()
    async with server.database.transaction() as connection:
        await connection.execute(delete(GroupMember))
    userinfo = await http.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert userinfo.json()["groups"] == []
    again = (await refresh(http, shop, tokens["refresh_token"])).json()
    assert await told(http, again) == [[], [], []]


async def test_the_password_grant_tells_it_in_the_access_token(
    http: httpx2.AsyncClient, server: Server, carol: TestUser
) -> None:
    await put_into(server, carol, "staff")
    tokens = await log_in(http, carol, await add_refreshing(server, scopes=SCOPES), "groups")
    assert read_claims(tokens["access_token"])["groups"] == ["staff"]


async def test_a_client_for_itself_is_in_no_group(http: httpx2.AsyncClient, server: Server) -> None:
    service = await add_service(server, scopes=["groups"], default_scopes=["groups"])
    token = (await act_for_itself(http, service)).json()["access_token"]
    assert "groups" not in read_claims(token)
