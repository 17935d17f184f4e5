"""The password grant (RFC 6749, section 4.3): from name and password to a protected resource."""

import httpx2

from app.server import Server
from tests.support.factories import add_client, add_user


async def test_a_user_logs_in_with_name_and_password_and_sees_who_they_are(
    http: httpx2.AsyncClient, server: Server
) -> None:
    # A user, and a client that may use this grant: none may unless it was registered for it.
    await add_user(server, "alice", "alice and her password", scopes=["profile", "account"])
    client = await add_client(
        server, "web", grant_types=["password"], scopes=["profile", "account"]
    )

    # The client authenticates with HTTP Basic and sends what the user typed.
    form = {"grant_type": "password", "username": "alice", "password": "alice and her password"}
    answer = await http.post("/token", data={**form, "scope": "profile"}, auth=client.basic)
    assert answer.status_code == 200
    tokens = answer.json()
    assert {**tokens, "access_token": "…"} == {
        "access_token": "…",
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "profile",
    }

    # The access token opens what its scopes open.
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await http.get("/users/me", headers=bearer)).json()["username"] == "alice"
    refused = await http.get("/users/me/sessions", headers=bearer)
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")

    # A wrong password is a bad grant, whoever's it is.
    for username in ("alice", "nobody"):
        wrong = {**form, "username": username, "password": "not her password"}
        refused = await http.post("/token", data=wrong, auth=client.basic)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
