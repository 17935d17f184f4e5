"""What the samples add to the tables of the core's tests."""

from collections.abc import Mapping

import httpx2
import pytest

from app.features.api_keys import DEMO_API_KEY
from app.features.schemes import DEMO_DIGEST_PASSWORD
from app.features.schemes.digest_credentials import set_digest_credential
from tests.features.schemes.dropin.rfc7616 import Login as DigestLogin
from tests.features.schemes.dropin.rfc7616 import challenged, send
from tests.features.schemes.own_documents import publish_own_documents
from tests.support.commands import PASSWORD, Case, reset_bob
from tests.support.factories import TestClient
from tests.support.no_secrets_story import TYPED, Story

DIGEST_PASSWORD = "digest password of the administrator"

PASSWORD_FORMS = ("/schemes/oauth2/password-form", "/schemes/oauth2/password-form-strict")

LOGINS = dict.fromkeys(PASSWORD_FORMS, "a token")

WRITES_OTHERWISE = {
    "POST /schemes/scopes/write": "writes nothing",
    "PUT /schemes/api-key/cookie": "sets a cookie",
    "DELETE /schemes/api-key/cookie": "takes a cookie away",
}

COMMANDS = {
    "users set-digest": Case(
        "bob --password-stdin",
        reset_bob,
        "the user was changed in the meantime: try again",
        PASSWORD,
    ),
}

FOUND_IN_DEVELOPMENT = {"demo-routes": "warning"}

PRINTED = {DEMO_DIGEST_PASSWORD: "the Digest password of alice"}

SETS_ITS_OWN_TERMS = {("post", path): "as /token does" for path in PASSWORD_FORMS}

SEVERAL_SCHEMES: Mapping[str, list[dict[str, list[str]]]] = {
    "/schemes/optional": [{"OAuth2PasswordBearer": []}, {}],
    "/schemes/any-of": [{"HTTPBearer": []}, {"APIKeyHeader": []}, {"HTTPBasic": []}],
}

SCHEMATHESIS = {
    **{name: {"api_key": DEMO_API_KEY} for name in ("APIKeyCookie", "APIKeyHeader", "APIKeyQuery")},
    "HTTPBasic": {"username": "alice", "password": "alice-in-wonderland"},
}


async def by_basic(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str
) -> httpx2.Response:
    return await http.get("/schemes/http/basic", auth=(username, password))


async def by_sample_form(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str
) -> httpx2.Response:
    form = {"grant_type": "password", "username": username, "password": password}
    path = "/schemes/oauth2/password-form-strict"
    return await http.post(path, data=form | {"client_id": web.client_id}, auth=web.basic)


WAYS_IN = {"basic": by_basic, "sample form": by_sample_form}


async def schemes(story: Story) -> None:
    http = story.http
    made = await story.ask("POST", "/api-keys", {"name": "used", "scopes": ["items:read"]})
    key = made["key"]
    await http.get("/schemes/api-key/header", headers={"X-API-Key": key})
    for value in (key, "a-key-that-nobody-has"):
        await http.get("/schemes/api-key/query", params={"api_key": value})
        await http.put("/schemes/api-key/cookie", json={"api_key": value})
    await http.get("/schemes/api-key/cookie")
    await http.delete("/schemes/api-key/cookie")
    http.cookies.clear()
    for password in (story.password, "a wrong password of Basic"):
        await http.get("/schemes/http/basic", auth=("root", password))
    await http.get("/schemes/http/basic", auth=(TYPED, story.password))
    await digest(story)
    form = {"username": "root", "password": story.password, "client_id": "console"}
    for path in PASSWORD_FORMS:
        await http.post(path, data=form | {"grant_type": "password"})
    await story.ask("POST", "/schemes/scopes/write", {})


async def digest(story: Story) -> None:
    async with story.server.database.transaction() as connection:
        await set_digest_credential(
            connection,
            story.server.encryption,
            user_id=story.root.id,
            username="root",
            password=DIGEST_PASSWORD,
            realm=story.server.settings.realm,
            now=story.server.clock.now(),
        )
    story.watch.secrets.add(DIGEST_PASSWORD)
    login = DigestLogin("root", DIGEST_PASSWORD, await challenged(story.http))
    story.watch.secrets.add(login.ha1)
    await send(story.http, login.header())


STORIES = {"schemes": schemes}


async def publish(http: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> None:
    await publish_own_documents(http, patch)


PREPARATIONS = {"schemes": publish}

SECRET_TABLES = {"digest_credentials": "encrypted"}

OPEN = {
    r"GET /schemes/optional": "for everybody",
    r"(PUT|DELETE) /schemes/api-key/cookie": "the key is in the body",
}
