"""Logging in with an e-mail address, where a setting allows it."""

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.models import FailedLogins, User
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    log_in,
)

ADDRESS = "alice@example.com"


@pytest.fixture
def changes() -> dict[str, object]:
    return {"login_by_email": True}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, login_max_failures=3, **changes)


async def ask(
    http: httpx2.AsyncClient, client: TestClient, name: str, password: str = PASSWORD
) -> httpx2.Response:
    form = {"grant_type": "password", "username": name, "password": password}
    return await http.post("/token", data=form, auth=client.basic)


@pytest.mark.parametrize("spelling", [ADDRESS, "alice@EXAMPLE.com"])
@pytest.mark.usefixtures("alice")
async def test_a_verified_address_is_taken_where_a_user_name_is(
    http: httpx2.AsyncClient, web: TestClient, spelling: str
) -> None:
    assert (await ask(http, web, spelling)).status_code == 200


@pytest.mark.parametrize("changes", [{}])
@pytest.mark.usefixtures("alice")
async def test_without_the_setting_it_is_not(http: httpx2.AsyncClient, web: TestClient) -> None:
    assert (await ask(http, web, ADDRESS)).status_code == 400


async def test_an_address_that_is_not_verified_is_not(
    http: httpx2.AsyncClient, web: TestClient, server: Server
) -> None:
    await add_user(server, email_verified=False)
    assert (await ask(http, web, ADDRESS)).status_code == 400


async def test_the_owner_of_an_address_comes_before_a_user_of_that_name(
    http: httpx2.AsyncClient, web: TestClient, server: Server, alice: TestUser
) -> None:
    await add_user(server, ADDRESS, "another password of mallory", email=None)
    assert (await ask(http, web, ADDRESS)).status_code == 200
    assert (await ask(http, web, ADDRESS, "another password of mallory")).status_code == 400


async def test_name_and_address_share_the_failures_that_are_counted(
    http: httpx2.AsyncClient, web: TestClient, server: Server, alice: TestUser
) -> None:
    statuses = [
        (await ask(http, web, name, "wrong")).status_code
        for name in (ADDRESS, alice.username, ADDRESS, alice.username)
    ]
    assert statuses == [400, 400, 400, 429]
    async with server.database.read() as connection:
        highest = await connection.scalar(select(func.max(FailedLogins.count)))
    assert highest == 3


async def test_a_user_who_is_named_like_an_address_confirms_with_their_own_password_alone(
    http: httpx2.AsyncClient, web: TestClient, server: Server, alice: TestUser
) -> None:
    password = "another password of mallory"
    mallory = await add_user(server, "mallory", password, email=None, scopes=["account"])
    client = await add_client(server, "own", scopes=["account"], default_scopes=["account"])
    token = (await log_in(http, mallory, client, "account"))["access_token"]
    async with server.database.transaction() as connection:
        named = {"username": ADDRESS, "username_key": ADDRESS}
        await connection.execute(update(User).where(User.id == mallory.id).values(**named))

    async def change(current: str) -> int:
        body = {"current_password": current, "new_password": "a new password of somebody"}
        answer = await http.post("/users/me/password", json=body, headers=bearer(token))
        return answer.status_code

    assert await change(alice.password) == 403
    assert await change(password) == 204
    assert (await ask(http, web, "alice")).status_code == 200
