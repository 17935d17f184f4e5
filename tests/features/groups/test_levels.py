"""Groups whose members have to show a second factor."""

import httpx2
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.features.groups.belonging import add_member
from app.features.groups.levels import REQUIRED_LEVEL, list_levels, require_level
from app.features.groups.service import GroupDefinition, create_group
from app.login.conditions import USER_ID
from app.login.strength import Level
from app.management.authority import operating
from app.server import Server
from tests.support.factories import TestClient, TestUser
from tests.support.on_sqlite import backend as backend


async def put_into(server: Server, user: TestUser, name: str, level: Level) -> None:
    async with operating(server.database, server.clock) as operator:
        group = await create_group(operator, GroupDefinition(name=name, scopes=[]))
        await add_member(operator, group.id, user.id)
        await require_level(operator, group, level)


async def required_of(connection: AsyncConnection, user: TestUser) -> int | None:
    return await connection.scalar(select(REQUIRED_LEVEL), {USER_ID.key: user.id})


async def test_the_strictest_of_a_users_groups_counts(server: Server, alice: TestUser) -> None:
    for name, level in (("staff", Level.FACTOR), ("admins", Level.PASSKEY), ("all", Level.ANY)):
        await put_into(server, alice, name, level)
    async with server.database.read() as connection:
        assert await required_of(connection, alice) == Level.PASSKEY
        assert await list_levels(connection) == {"admins": Level.PASSKEY, "staff": Level.FACTOR}


async def test_what_was_required_can_be_given_up(server: Server, alice: TestUser) -> None:
    async with operating(server.database, server.clock) as operator:
        group = await create_group(operator, GroupDefinition(name="staff", scopes=[]))
        await add_member(operator, group.id, alice.id)
        await require_level(operator, group, Level.FACTOR)
        await require_level(operator, group, Level.ANY)
        assert await required_of(operator.connection, alice) is None


async def test_a_member_without_a_factor_is_told_to_get_one(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    pytest.importorskip("app.features.mfa")
    form = {"grant_type": "password", "username": "alice", "password": alice.password}
    assert (await http.post("/token", data=form, auth=web.basic)).status_code == 200
    await put_into(server, alice, "staff", Level.FACTOR)
    response = await http.post("/token", data=form, auth=web.basic)
    assert (response.status_code, response.json()["error"]) == (400, "mfa_required")
