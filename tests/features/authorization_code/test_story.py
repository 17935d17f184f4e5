"""The authorization code grant (RFC 6749, section 4.1) with PKCE and OpenID Connect."""

from urllib.parse import parse_qs, urlsplit

import httpx2
from fastapi import FastAPI

from app.server import Server
from tests.support.factories import TestUser, add_client, add_user
from tests.support.flow import Page, challenge_of, open_browser, submit

CALLBACK = "https://shop.example.com/callback"
VERIFIER = "a-verifier-that-only-the-client-knows-0123456789"


async def test_a_user_logs_in_with_a_browser_and_allows_an_application_who_they_are(
    app: FastAPI, http: httpx2.AsyncClient, server: Server
) -> None:
    alice: TestUser = await add_user(server, scopes=["openid", "profile"])
    shop = await add_client(
        server,
        "shop",
        grant_types=["authorization_code"],
        scopes=["openid", "profile"],
        redirect_uris=[CALLBACK],
    )

    # The application sends the browser here. It keeps the verifier, and sends its hash.
    request = {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "state": "what the application wants to know again",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    async with open_browser(app) as browser:
        login = await browser.get("/authorize", params=request, follow_redirects=True)
        typed = {"username": alice.username, "password": alice.password}
        asked = await submit(browser, Page(login).form, typed)
        consent = await browser.get(asked.headers["location"])
        assert Page(consent).heading == "Allow shop?"
        allowed = await submit(browser, Page(consent).form, {"decision": "allow"})

    # The browser comes back with a code, which the application exchanges by itself.
    (code,) = parse_qs(urlsplit(allowed.headers["location"]).query)["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    tokens = (await http.post("/token", data=form, auth=shop.basic)).json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    claims = (await http.get("/userinfo", headers=bearer)).json()
    assert (claims["sub"], claims["preferred_username"]) == (str(alice.id), "alice")

    # A code is good for one use.
    again = await http.post("/token", data=form, auth=shop.basic)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
