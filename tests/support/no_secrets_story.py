"""One administrator who uses everything once: see tests/test_no_secrets.py."""

from typing import Any

import httpx2
from fastapi import FastAPI

from app.server import Server
from tests.features import brought
from tests.support.factories import TestClient, TestUser, add_user, bearer, log_in
from tests.support.lifecycle import (
    act_for_itself,
    add_refreshing,
    add_resource_server,
    add_service,
    introspect,
    refresh,
    revoke,
)
from tests.support.operators import EVERY_SCOPE, add_console
from tests.support.routes import every_route
from tests.support.watch import Watch

TYPED = "what somebody typed into the wrong field"


NEW_PASSWORDS = [f"another password of theirs, number {number}" for number in range(4)]


class Story:
    """One administrator who uses everything once."""

    def __init__(self, app: FastAPI, http: httpx2.AsyncClient, watch: Watch) -> None:
        self.app = app
        self.http = http
        self.watch = watch
        self.server: Server = app.state.server
        self.password = "the first password of the administrator"

    async def tell(self) -> None:
        self.root = await add_user(self.server, "root", self.password, scopes=EVERY_SCOPE)
        self.console = await add_console(self.server)
        self.shop = await add_refreshing(
            self.server, "shop", scopes=EVERY_SCOPE, default_scopes=("profile",)
        )
        await self.tokens()
        self.headers = await self.log_in()
        await self.own_account()
        self.headers = await self.log_in()
        await self.management()
        for story in brought("STORIES").values():
            await story(self)
        await self.everything_else()

    @property
    def user(self) -> TestUser:
        return TestUser(self.root.id, "root", self.password)

    async def log_in(self) -> dict[str, str]:
        scope = " ".join(EVERY_SCOPE)
        return bearer((await log_in(self.http, self.user, self.console, scope))["access_token"])

    async def tokens(self) -> None:
        http, shop = self.http, self.shop
        issued = await log_in(http, self.user, shop, "profile")
        self.watch.names.add(TYPED)
        for name, password in (("root", "a wrong password"), (TYPED, self.password)):
            wrong = {"grant_type": "password", "username": name, "password": password}
            await http.post("/token", data=wrong, auth=shop.basic)
        second = (await refresh(http, shop, issued["refresh_token"])).json()
        await refresh(http, self.console, second["refresh_token"])
        await refresh(http, shop, issued["refresh_token"])
        service = await add_service(self.server)
        own = (await act_for_itself(http, service)).json()["access_token"]
        asking = await add_resource_server(self.server)
        for token in (own, second["access_token"], second["refresh_token"], "no.such.token"):
            await introspect(http, asking, token)
            await http.get("/users/me", headers=bearer(token))
            await revoke(http, shop, token)
        await revoke(http, service, own)
        await http.post("/token", data={"grant_type": "password"}, auth=("shop", "a wrong secret"))
        await http.post("/token?password=in-the-address&code=in-the-address-too", data={})

    async def own_account(self) -> None:
        http, headers = self.http, self.headers
        change = {"current_password": self.password, "email": "root@example.com"}
        await http.patch("/users/me", json=change, headers=headers)
        await http.patch("/users/me", json=change | {"extra": self.password}, headers=headers)
        change = {"current_password": self.password, "new_password": NEW_PASSWORDS[1]}
        await http.post("/users/me/password", json=change, headers=headers)
        await http.post("/users/me/password", json=change, headers=headers)
        self.password = NEW_PASSWORDS[1]
        (session,) = (await http.get("/users/me/sessions", headers=headers)).json()
        await http.delete(f"/users/me/sessions/{session['id']}", headers=headers)

    async def management(self) -> None:
        new_user = {"username": "bob", "password": NEW_PASSWORDS[2], "scopes": ["profile"]}
        await self.ask("POST", "/users", new_user | {"password": "too short"})
        bob = f"/users/{(await self.ask('POST', '/users', new_user))['id']}"
        await self.ask("GET", bob)
        await self.ask("PATCH", bob, {"disabled": True})
        await self.ask("POST", f"{bob}/password", {"password": NEW_PASSWORDS[3]})
        await self.ask("DELETE", bob)
        new_client = {
            "name": "A shop",
            "grant_types": ["client_credentials"],
            "scopes": ["items:read"],
        }
        made = await self.ask("POST", "/clients", new_client)
        client = f"/clients/{made['client_id']}"
        await self.ask("GET", client)
        await self.ask("PATCH", client, {"name": "Another shop"})
        renewed = await self.ask("POST", f"{client}/secret", {"overlap": 60})
        for secret in (made["client_secret"], renewed["client_secret"]):
            await act_for_itself(self.http, TestClient(made["client_id"], secret))
        await self.ask("DELETE", client)
        await self.ask("POST", "/scopes", {"name": "reports", "description": "Read reports"})
        await self.ask("GET", "/scopes/reports")
        await self.ask("PATCH", "/scopes/reports", {"description": "Read all reports"})
        await self.ask("DELETE", "/scopes/reports")
        await self.ask("GET", "/audit")

    async def everything_else(self) -> None:
        """The routes that only read, with a token and without."""
        for method, path in every_route(self.app):
            if method in ("GET", "HEAD", "OPTIONS") and "{" not in path:
                for headers in (self.headers, bearer("not.a.token"), {}):
                    await self.http.request(method, path, headers=headers)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.http.request(method, path, json=body, headers=self.headers)
        return response.json() if response.content else None
