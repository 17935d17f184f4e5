"""What the code flow and its pages add to the tables of the core's tests."""

import httpx2
from fastapi import FastAPI

from app.pages.errors import PageRoute
from app.server import Server
from app.web.routes import CrossOriginRoute
from tests.features.authorization_code.racing import BrowserLogins
from tests.support.factories import TestClient, TestUser, add_user, bearer
from tests.support.flow import (
    USER_SCOPES,
    CodeFlow,
    Page,
    add_web_client,
    open_browser,
    submit,
)
from tests.support.no_secrets_story import NEW_PASSWORDS, TYPED, Story
from tests.support.operators import EVERY_SCOPE
from tests.support.watch import watched

HERE = "tests/features/authorization_code"

WRITES_OTHERWISE = {
    "POST /userinfo": "writes nothing",
    "POST /authorize": f"stores what anybody may ask: {HERE}/test_authorize.py",
    "POST /login": f"{HERE}/test_meanwhile.py",
    "POST /consent": f"{HERE}/test_meanwhile.py",
    "POST /account": f"{HERE}/test_meanwhile.py",
    "POST /logout": f"{HERE}/test_meanwhile.py",
}

FORMS = dict.fromkeys(["/authorize", "/login", "/consent", "/logout", "/account"], PageRoute)

PAGES = FORMS

ENDPOINTS = {"/userinfo": CrossOriginRoute}

PUBLISHED = {"/.well-known/openid-configuration": "public, max-age=60"}

OPEN = {
    r"(GET|HEAD|POST) /(authorize|login|consent|logout|account)": "which ask for a login themselves"
}

SECRET_TABLES = {
    "browser_sessions": "hashes",
    "authorization_codes": "hashes",
    "pending_authorizations": "hashes of keys",
}

PAGES_OF_POPUPS = {
    **dict.fromkeys(["GET /authorize", "POST /authorize", "GET /login", "POST /login"], "a login"),
    "GET /consent": "a consent",
    "POST /consent": "a consent",
    "POST /logout": "without its form it shows the error page",
    "POST /account": "without its form it shows the error page",
    **dict.fromkeys(["consent page", "form post", "second press", "code redirect"], "a login"),
}

LEAD_TO_CLIENTS = dict.fromkeys(["consent page", "form post", "second press"], "the form, too")


async def behind_a_login(http: httpx2.AsyncClient, server: Server) -> dict[str, httpx2.Response]:
    user = await add_user(server, scopes=USER_SCOPES)
    flow = CodeFlow(http, user, await add_web_client(server))
    found = {"consent page": await flow.consent_page(response_mode="form_post")}
    found["form post"] = await flow.allow(found["consent page"])
    found["code redirect"] = await flow.start()
    found["second press"] = await submit(http, Page(found["consent page"]).form)
    found["account page"] = await http.get("/account")
    found["logout page"] = await http.get("/logout")
    found["logged out page"] = await submit(http, Page(found["logout page"]).form)
    return found


ANSWERS = {"authorization_code": behind_a_login}


async def by_page(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str
) -> httpx2.Response:
    form = Page(await http.get("/login")).form
    return await submit(http, form, {"username": username, "password": password})


WAYS_IN = {"by_page": by_page}


async def code_flow(story: Story) -> None:
    shop = await add_web_client(story.server, "web-shop", scopes=EVERY_SCOPE)
    async with open_browser(story.app) as browser:
        watched(browser, story.app, story.watch)
        flow = CodeFlow(browser, story.user, shop, scope="openid profile offline_access")
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
        await account_page(story, browser)
        hint = {"id_token_hint": issued.json()["id_token"]}
        await browser.get("/logout", params=hint)
        await browser.post("/logout", data=hint)
        await flow.exchange(code)
    story.headers = await story.log_in()


async def account_page(story: Story, browser: httpx2.AsyncClient) -> None:
    form = Page(await browser.get("/account")).form_with(action="password")
    change = {"current_password": "a wrong one of the account", "new_password": "short"}
    await submit(browser, form, change)
    change = {"current_password": story.password, "new_password": NEW_PASSWORDS[0]}
    response = await submit(browser, form, change)
    assert response.status_code == 303, response.text
    story.password = NEW_PASSWORDS[0]


STORIES = {"authorization_code": code_flow}


async def credentials(app: FastAPI, user: TestUser) -> set[str]:
    """All that somebody gets who goes through the flow."""
    async with open_browser(app) as browser:
        shop = await add_web_client(app.state.server, "web-shop")
        flow = CodeFlow(browser, user, shop)
        code = await flow.code()
        issued = (await flow.exchange(code)).json()
        await flow.exchange(code)
        tokens = {issued[name] for name in ("access_token", "refresh_token", "id_token")}
        return {shop.secret, code, *tokens, *browser.cookies.values()}


CREDENTIALS = {"authorization_code": credentials}

SHOWN = {"/login": "the form", "/logout": "the end"}

RACING_LOGINS = {"browser": BrowserLogins}

DEMO_CLIENTS = {"demo-spa": "which can do nothing else"}
