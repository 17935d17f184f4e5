"""No secret is anywhere but with who sent it and who got it: hashes are the only traces.

One story reaches every route of the application. Every password, secret, token, code, key and
cookie in it is then searched in the logs at debug level, in the output, in the answers that were
errors, in every column of the database and in its files.
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.errors import InvalidGrantError
from app.identity.digest import set_digest_credential
from app.log import get_logger
from app.main import create_app
from app.models import AuditEvent
from app.oauth2.grants import password as password_grant
from app.server import Server
from app.settings import DEVELOPMENT_SECRET_KEY
from tests import databases
from tests.clock import TestClock
from tests.conftest import make_settings
from tests.databases import Backend
from tests.factories import TestClient, TestUser, add_user, bearer, log_in
from tests.live.server import live_server
from tests.management.operators import EVERY_SCOPE, add_console
from tests.oauth2.lifecycle import (
    act_for_itself,
    add_resource_server,
    add_service,
    introspect,
    refresh,
    revoke,
)
from tests.pages.flow import CodeFlow, Page, add_web_client, open_browser, submit
from tests.routes import shipped_routes
from tests.schemes.dropin.rfc7616 import Login as DigestLogin
from tests.schemes.dropin.rfc7616 import challenged, send
from tests.schemes.own_documents import publish_own_documents
from tests.watch import Watch, debugging, watched, watching

TYPED = "what somebody typed into the wrong field"

DIGEST_PASSWORD = "digest password of the administrator"

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
        self.shop = await add_web_client(
            self.server,
            grant_types=("authorization_code", "refresh_token", "password"),
            scopes=EVERY_SCOPE,
            default_scopes=("profile",),
        )
        await self.tokens()
        await self.code_flow()
        self.headers = await self.log_in()
        await self.own_account()
        self.headers = await self.log_in()
        await self.management()
        await self.items()
        await self.schemes()
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

    async def code_flow(self) -> None:
        async with open_browser(self.app) as browser:
            watched(browser, self.app, self.watch)
            flow = CodeFlow(browser, self.user, self.shop, scope="openid profile offline_access")
            page = await flow.login_page()
            await flow.log_in(page, password="a wrong password of the page")
            await flow.log_in(page, username=TYPED)
            issued = await flow.exchange(code := await flow.code())
            await flow.exchange(await flow.code(), code_verifier="w" * 50)
            await flow.exchange(await flow.code(response_mode="query"), client_secret="x" * 43)
            await flow.finish(response_mode="form_post")
            await flow.post()
            headers = bearer(issued.json()["access_token"])
            for method in ("GET", "POST"):
                await browser.request(method, "/userinfo", headers=headers)
            await self.account_page(browser)
            hint = {"id_token_hint": issued.json()["id_token"]}
            await browser.get("/logout", params=hint)
            await browser.post("/logout", data=hint)
            await flow.exchange(code)

    async def account_page(self, browser: httpx2.AsyncClient) -> None:
        form = Page(await browser.get("/account")).form_with(action="password")
        change = {"current_password": "a wrong one of the account", "new_password": "short"}
        await submit(browser, form, change)
        change = {"current_password": self.password, "new_password": NEW_PASSWORDS[0]}
        response = await submit(browser, form, change)
        assert response.status_code == 303, response.text
        self.password = NEW_PASSWORDS[0]

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

    async def items(self) -> None:
        made = await self.ask("POST", "/items", {"title": "Buy milk"})
        item = f"/items/{made['id']}"
        await self.ask("GET", item)
        await self.ask("PATCH", item, {"title": "Buy more milk"})
        await self.ask("DELETE", item)

    async def schemes(self) -> None:
        http = self.http
        wanted = {"name": "mine", "scopes": ["items:read"]}
        made = await self.ask("POST", "/api-keys", wanted)
        key = made["key"]
        await http.get("/schemes/api-key/header", headers={"X-API-Key": key})
        for value in (key, "a-key-that-nobody-has"):
            await http.get("/schemes/api-key/query", params={"api_key": value})
            await http.put("/schemes/api-key/cookie", json={"api_key": value})
        await http.get("/schemes/api-key/cookie")
        await http.delete("/schemes/api-key/cookie")
        http.cookies.clear()
        await self.ask("GET", f"/api-keys/{made['id']}")
        await self.ask("DELETE", f"/api-keys/{made['id']}")
        for password in (self.password, "a wrong password of Basic"):
            await http.get("/schemes/http/basic", auth=("root", password))
        await http.get("/schemes/http/basic", auth=(TYPED, self.password))
        await self.digest()
        form = {"username": "root", "password": self.password, "client_id": "console"}
        for path in ("/schemes/oauth2/password-form", "/schemes/oauth2/password-form-strict"):
            await http.post(path, data=form | {"grant_type": "password"})
        await self.ask("POST", "/schemes/scopes/write", {})

    async def digest(self) -> None:
        async with self.server.database.transaction() as connection:
            await set_digest_credential(
                connection,
                self.server.encryption,
                user_id=self.root.id,
                username="root",
                password=DIGEST_PASSWORD,
                realm=self.server.settings.realm,
                now=self.server.clock.now(),
            )
        self.watch.secrets.add(DIGEST_PASSWORD)
        login = DigestLogin("root", DIGEST_PASSWORD, await challenged(self.http))
        self.watch.secrets.add(login.ha1)
        await send(self.http, login.header())

    async def everything_else(self) -> None:
        """The routes that only read, with a token and without."""
        for method, path in shipped_routes(self.app):
            if method in ("GET", "HEAD") and "{" not in path:
                for headers in (self.headers, bearer("not.a.token"), {}):
                    await self.http.request(method, path, headers=headers)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.http.request(method, path, json=body, headers=self.headers)
        return response.json() if response.content else None


@pytest.fixture(scope="module")
def url(backend: Backend) -> Generator[str]:
    made = backend.migrated()
    yield made
    backend.drop(made)


def make_app(url: str) -> FastAPI:
    return create_app(make_settings(database_url=url, metrics=True), TestClock())


@pytest.fixture(scope="module")
async def seen(url: str) -> tuple[Watch, FastAPI]:
    """What the whole story left behind."""
    watch = Watch(secrets={DEVELOPMENT_SECRET_KEY, "BEGIN PRIVATE KEY"})
    with debugging(watch), pytest.MonkeyPatch.context() as patch:
        app = make_app(url)
        async with (
            app.router.lifespan_context(app),
            open_browser(app) as http,
            watching(app, http, watch),
        ):
            await publish_own_documents(http, patch)
            await Story(app, http, watch).tell()
    return watch, app


async def test_the_story_reaches_every_route(seen: tuple[Watch, FastAPI]) -> None:
    watch, app = seen
    assert set(shipped_routes(app)) - watch.reached == set()


async def test_the_story_is_full_of_secrets_and_leaves_traces(
    seen: tuple[Watch, FastAPI],
) -> None:
    watch, _ = seen
    assert len(watch.secrets) > 60
    places = watch.places()
    assert "sqlalchemy" in places["log"]
    assert '"latchkey.access"' in places["log"]
    assert len(watch.errors) > 20
    assert "login.failed" in places["rows"]
    assert "login.failed" in places["published"]
    assert "# TYPE" in places["published"]


@pytest.mark.parametrize("place", ["log", "output", "errors", "published", "rows", "files"])
async def test_no_secret_is_left_anywhere(seen: tuple[Watch, FastAPI], place: str) -> None:
    watch, _ = seen
    assert [secret for found, secret in watch.found() if found == place] == []


# It would notice


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Generator[Backend]:
    with databases.sqlite(tmp_path_factory.mktemp("small")) as made:
        yield made


@pytest.fixture
async def small(sqlite: Backend) -> AsyncGenerator[tuple[Watch, Story]]:
    """A story that has not begun."""
    watch = Watch()
    with debugging(watch):
        app = make_app(sqlite.migrated())
        async with (
            app.router.lifespan_context(app),
            open_browser(app) as http,
            watching(app, http, watch),
        ):
            story = Story(app, http, watch)
            story.root = await add_user(story.server, "root", story.password)
            story.console = await add_console(story.server)
            yield watch, story


async def test_a_password_that_is_logged_is_found(
    small: tuple[Watch, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, story = small
    build_form = password_grant.build_form

    def tell_tale(form_class: Any, fields: Any) -> Any:
        get_logger("latchkey").debug("a login", form=dict(fields))
        return build_form(form_class, fields)

    monkeypatch.setattr(password_grant, "build_form", tell_tale)
    await log_in(story.http, story.user, story.console, "profile")
    assert watch.found() == [("log", story.password)]


async def test_a_token_that_is_written_to_the_database_is_found(
    small: tuple[Watch, Story],
) -> None:
    watch, story = small
    token = (await log_in(story.http, story.user, story.console, "profile"))["refresh_token"]
    async with story.server.database.transaction() as connection:
        event = {"at": story.server.clock.now(), "type": "x", "details": {"token": token}}
        await connection.execute(insert(AuditEvent).values(event))
    await watch.collect(story.server)
    assert watch.found() == [("rows", token), ("files", token)]


async def test_a_secret_that_an_error_repeats_is_found(
    small: tuple[Watch, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, story = small
    monkeypatch.setattr(InvalidGrantError, "description", story.password)
    form = {"grant_type": "password", "username": "nobody", "password": story.password}
    await story.http.post("/token", data=form | {"client_id": "console"})
    assert watch.found() == [("errors", story.password)]


# The real access log


def test_the_access_log_of_a_real_server_has_no_query(sqlite: Backend) -> None:
    secret = "secret-of-the-address"
    basic = b64encode(f"root:{secret}".encode()).decode()
    with live_server(sqlite.migrated()) as server:
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            client.get("/schemes/api-key/query", params={"api_key": secret})
            client.get("/docs/oauth2-redirect", params={"code": secret, "state": secret})
            client.get("/authorize", params={"code": secret, "id_token_hint": secret})
            client.get("/schemes/http/basic", headers={"Authorization": f"Basic {basic}"})
            client.post("/token", params={"password": secret}, data={"password": secret})
            client.get("/healthz")  # by now the line of the one before is written
        log = server.log
    for path in ("/schemes/api-key/query", "/docs/oauth2-redirect", "/authorize", "/token"):
        assert path in log
    assert secret not in log
    assert basic not in log
