"""What app passwords add to the tables of the core's tests."""

import uuid
from collections.abc import Mapping

from app.features.app_passwords.service import list_app_passwords, revoke_app_password
from app.management.authority import Actor
from app.pages.errors import PageRoute
from app.server import Server
from tests.features.app_passwords.given import give_app_password
from tests.support.commands import Case
from tests.support.factories import PASSWORD, TestUser, add_client, add_user, log_in
from tests.support.flow import Page, submit
from tests.support.no_secrets_story import Story
from tests.support.shell import Shell
from tests.support.writes import Scene, write

AT_CONSOLE = {"client_id": "console", "name": "laptop", "scopes": ["profile"]}


async def have_an_app_password(scene: Scene) -> None:
    body = AT_CONSOLE | {"client_id": scene.console.client_id, "current_password": PASSWORD}
    made = await scene.ask("POST", "/users/me/app-passwords", body)
    scene.known["app_password"] = made.json()["id"]


WRITES = {
    "POST /users/me/app-passwords": write(
        "account",
        "POST",
        "/users/me/app-passwords",
        {**AT_CONSOLE, "scopes": ["account"], "current_password": PASSWORD},
    ),
    "DELETE /users/me/app-passwords/{app_password_id}": write(
        "account",
        "DELETE",
        "/users/me/app-passwords/{app_password}",
        prepare=have_an_app_password,
    ),
}

WRITES_OTHERWISE = {"POST /app-passwords": "tests/features/app_passwords/test_page.py"}

WRITING_REQUESTS = {
    "a new app password": (
        "POST",
        "/users/me/app-passwords",
        {**AT_CONSOLE, "current_password": PASSWORD},
    ),
    "an app password": ("DELETE", f"/users/me/app-passwords/{uuid.uuid4()}", None),
}

FOR_USERS_ALONE = {
    "/users/me/app-passwords": [
        "DELETE /users/me/app-passwords/{app_password_id}",
        "GET /users/me/app-passwords",
        "POST /users/me/app-passwords",
    ]
}

PARAMETERS = {"app_password_id": "an id"}

PAGES = {"/app-passwords": PageRoute}

PAGES_OF_POPUPS = {"POST /app-passwords": "an error page, as there is no form"}


OPEN = {"(GET|HEAD|POST) /app-passwords": "a page, which asks for a login itself"}


def have_an_app_password_at_the_shell(shell: Shell) -> Mapping[str, str]:
    async def give(server: Server) -> str:
        mail = await add_client(server, "mail")
        carol = await add_user(server, "carol", scopes=["profile"])
        given = await give_app_password(server, carol, mail, scopes=["profile"])
        return str(given.id)

    return {"app_password": shell.ask(give)}


async def revoke_it(operator: Actor, _server: Server) -> None:
    (only,) = await list_app_passwords(operator.connection, None)
    await revoke_app_password(operator, None, only.id)


COMMANDS = {
    "app-passwords revoke": Case(
        "{app_password}",
        revoke_it,
        "There is no such app password.",
        prepare=have_an_app_password_at_the_shell,
    )
}

COMMANDS_OTHERWISE = {"app-passwords list": "reads"}


async def app_passwords(story: Story) -> None:
    body = AT_CONSOLE | {"current_password": story.password}
    made = await story.ask("POST", "/users/me/app-passwords", body)
    user = TestUser(story.root.id, "root", made["password"])
    await log_in(story.http, user, story.console, "profile")
    await story.ask("DELETE", f"/users/me/app-passwords/{made['id']}")
    form = Page(await story.http.get("/login")).form
    await submit(story.http, form, {"username": "root", "password": story.password})
    form = Page(await story.http.get("/app-passwords?client=console")).form
    fields = {"name": "phone", "current_password": story.password}
    shown = await submit(story.http, form, fields)
    assert shown.status_code == 200, shown.text


STORIES = {"app_passwords": app_passwords}


SECRET_TABLES = {"app_passwords": "hashes"}

SHOWN_ONCE = {
    "an app password": (
        "/users/me/app-passwords",
        {**AT_CONSOLE, "current_password": PASSWORD},
        "password",
    )
}
