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
from app.log import get_logger
from app.main import create_app
from app.models import AuditEvent
from app.oauth2.grants import password as password_grant
from app.settings import DEVELOPMENT_SECRET_KEY
from tests.conftest import make_settings
from tests.features import brought
from tests.support.clock import TestClock
from tests.support.databases import Backend
from tests.support.factories import add_user, log_in
from tests.support.flow import open_browser
from tests.support.live_server import live_server
from tests.support.no_secrets_story import Story
from tests.support.operators import add_console
from tests.support.routes import shipped_routes
from tests.support.watch import Watch, debugging, watching


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
            for prepare in brought("PREPARATIONS").values():
                await prepare(http, patch)
            await Story(app, http, watch).tell()
    return watch, app


async def test_the_story_reaches_every_route(seen: tuple[Watch, FastAPI]) -> None:
    watch, app = seen
    assert set(shipped_routes(app)) - watch.reached == set()


async def test_the_story_is_full_of_secrets_and_leaves_traces(
    seen: tuple[Watch, FastAPI],
) -> None:
    watch, _ = seen
    assert len(watch.secrets) > 20
    places = watch.places()
    assert "sqlalchemy" in places["log"]
    assert '"latchkey.access"' in places["log"]
    assert len(watch.errors) > 20
    assert "login.failed" in places["rows"]
    assert "login.failed" in places["published"]
    assert "# TYPE" in places["published"]


@pytest.mark.rfc("6749", "10.3", 1)
@pytest.mark.rfc("9700", "4.9.3", 3)
@pytest.mark.parametrize("place", ["log", "output", "errors", "published", "rows", "files"])
async def test_no_secret_is_left_anywhere(seen: tuple[Watch, FastAPI], place: str) -> None:
    watch, _ = seen
    assert [secret for found, secret in watch.found() if found == place] == []


# It would notice


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


@pytest.mark.rfc("6750", "5.3", 6)
@pytest.mark.rfc("9110", "17.9")
def test_the_access_log_of_a_real_server_has_no_query(sqlite: Backend) -> None:
    secret = "secret-of-the-address"
    basic = b64encode(f"root:{secret}".encode()).decode()
    with live_server(sqlite.migrated()) as server:
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            client.get("/users/me", params={"api_key": secret})
            client.get("/docs/oauth2-redirect", params={"code": secret, "state": secret})
            client.get("/authorize", params={"code": secret, "id_token_hint": secret})
            client.get("/userinfo", headers={"Authorization": f"Basic {basic}"})
            client.post("/token", params={"password": secret}, data={"password": secret})
        server.stop()  # by now every line is written
        log = server.log
    for path in ("/users/me", "/docs/oauth2-redirect", "/authorize", "/token"):
        assert path in log
    assert secret not in log
    assert basic not in log
