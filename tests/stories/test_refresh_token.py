"""The refresh token grant (RFC 6749, section 6): a login is kept, stolen, and ended."""

import httpx2

from app.server import Server
from tests.support.factories import TestUser, add_client


async def test_a_login_goes_on_until_a_refresh_token_is_used_twice(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    app = await add_client(server, "app", is_public=True, grant_types=["password", "refresh_token"])

    async def ask(**form: str) -> httpx2.Response:
        return await http.post("/token", data={"client_id": app.client_id, **form})

    async def refresh(token: str) -> httpx2.Response:
        return await ask(grant_type="refresh_token", refresh_token=token)

    async def who(access_token: str) -> int:
        bearer = {"Authorization": f"Bearer {access_token}"}
        return (await http.get("/users/me", headers=bearer)).status_code

    login = await ask(grant_type="password", username="alice", password=alice.password)
    first = login.json()

    # Each refresh token is good for one use, and brings the next one.
    second = (await refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert await who(second["access_token"]) == 200

    # One that comes again has been copied: whoever has the other copy is logged out as well
    # (RFC 9700, section 4.14.2).
    stolen = await refresh(first["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert (await refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert await who(second["access_token"]) == 401
