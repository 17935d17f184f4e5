"""An application that is open to groups alone, where people log in with a browser."""

import uuid
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, insert

from app.features.groups.model import GroupClient, GroupMember
from app.server import Server
from tests.features import of_the_pages
from tests.features.groups.test_groups import Headers, as_manager, create, manager, put
from tests.support.factories import TestClient, TestUser
from tests.support.flow import CodeFlow, Page, add_web_client, assert_error_answer, submit
from tests.support.meanwhile import Meanwhile

__all__ = ["as_manager", "manager"]

pytestmark = of_the_pages


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_web_client(server, scopes=("openid", "profile", "email", "items:read"))


@pytest.fixture
async def staff(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server, shop: TestClient
) -> dict[str, Any]:
    """A group to whose members alone the shop is open."""
    group = await create(http, as_manager)
    async with server.database.transaction() as connection:  # the manager has not all its scopes
        row = {"group_id": uuid.UUID(group["id"]), "client_id": shop.client_id}
        await connection.execute(insert(GroupClient), [row])
    return group


@pytest.fixture
def flow(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> CodeFlow:
    return CodeFlow(http, alice, shop, scope="profile")


async def shut_out(flow: CodeFlow) -> httpx2.Response:
    """Log in, and see where that leads."""
    login = await flow.follow(await flow.start())
    return await flow.follow(await flow.log_in(login))


async def test_a_page_says_that_the_application_is_not_open_and_leads_back_to_it(
    flow: CodeFlow, staff: dict[str, Any]
) -> None:
    response = await shut_out(flow)
    page = Page(response)
    assert (response.status_code, page.heading) == (403, "shop is not open to you")
    assert "You are logged in as alice. Log in as someone else" in page.text
    back = await submit(flow.browser, page.form, {"decision": "deny"})
    assert_error_answer(back, "access_denied", "This application is not open to the user.")


async def test_a_silent_request_is_told_at_once_that_access_is_denied(
    flow: CodeFlow, staff: dict[str, Any]
) -> None:
    await shut_out(flow)
    response = await flow.start(prompt="none")
    assert_error_answer(response, "access_denied", "This application is not open to the user.")


async def test_a_member_logs_in_as_ever(
    flow: CodeFlow,
    http: httpx2.AsyncClient,
    as_manager: Headers,
    staff: dict[str, Any],
    alice: TestUser,
) -> None:
    await put(http, as_manager, staff, f"members/{alice.id}")
    assert (await flow.tokens())["scope"] == "profile"


async def test_who_leaves_the_group_at_the_last_moment_is_not_let_in_by_the_consent_page(
    flow: CodeFlow,
    server: Server,
    staff: dict[str, Any],
    alice: TestUser,
    meanwhile: Meanwhile,
) -> None:
    row = {"group_id": uuid.UUID(staff["id"]), "user_id": alice.id}

    async def leave() -> None:
        async with server.database.transaction() as connection:
            of_alice = GroupMember.user_id == alice.id
            await connection.execute(delete(GroupMember).where(of_alice))

    async with server.database.transaction() as connection:
        await connection.execute(insert(GroupMember), [row])
    page = await flow.consent_page()
    meanwhile(server, leave)
    response = await flow.allow(page)
    assert_error_answer(response, "access_denied", "This application is not open to the user.")


async def test_who_leaves_the_group_at_the_last_moment_gets_no_tokens_for_a_code(
    flow: CodeFlow, server: Server, staff: dict[str, Any], alice: TestUser
) -> None:
    async with server.database.transaction() as connection:
        row = {"group_id": uuid.UUID(staff["id"]), "user_id": alice.id}
        await connection.execute(insert(GroupMember), [row])
    code = await flow.code()
    async with server.database.transaction() as connection:
        await connection.execute(delete(GroupMember))
    response = await flow.exchange(code)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
