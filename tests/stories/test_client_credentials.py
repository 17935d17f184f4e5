"""The client credentials grant (RFC 6749, section 4.4): a service acts for itself."""

import httpx2

from app.server import Server
from tests.support.factories import add_client


async def test_a_service_gets_a_token_of_its_own_and_another_one_checks_it(
    http: httpx2.AsyncClient, server: Server
) -> None:
    robot = await add_client(
        server, "robot", grant_types=["client_credentials"], scopes=["users:read"]
    )
    api = await add_client(server, "api", grant_types=[], default_scopes=[], introspect="any")

    # The token is the client's: its subject is the client, and there is nothing to refresh.
    form = {"grant_type": "client_credentials", "scope": "users:read"}
    answer = await http.post("/token", data=form, auth=robot.basic)
    token = answer.json()["access_token"]
    assert {**answer.json(), "access_token": "…"} == {
        "access_token": "…",
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "users:read",
    }

    # It opens what needs no user, and nothing that does.
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await http.get("/users", headers=bearer)).status_code == 200
    assert (await http.get("/users/me", headers=bearer)).status_code == 403

    # A resource server asks what it is worth (RFC 7662), until the robot revokes it (RFC 7009).
    told = (await http.post("/introspect", data={"token": token}, auth=api.basic)).json()
    assert (told["active"], told["sub"], told["scope"]) == (True, "robot", "users:read")
    assert (await http.post("/revoke", data={"token": token}, auth=robot.basic)).status_code == 200
    told = (await http.post("/introspect", data={"token": token}, auth=api.basic)).json()
    assert told == {"active": False}
