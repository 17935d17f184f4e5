"""What the second factor adds to the tables of the core's tests."""

import uuid

from app.management.authority import Actor
from app.management.clients import delete_client
from app.pages.errors import PageRoute
from app.server import Server
from tests.features.mfa.phones import Phone, challenge, go_on
from tests.support.clock import TestClock
from tests.support.commands import NO_BOB, Case, delete_bob
from tests.support.factories import PASSWORD, add_client, add_user, bearer
from tests.support.flow import Page, submit
from tests.support.no_secrets_story import Story
from tests.support.writes import write

PROOF = {"current_password": PASSWORD}


WRITES = {
    "POST /users/me/mfa/otp": write("account", "POST", "/users/me/mfa/otp", PROOF),
    "POST /users/{user_id}/mfa/reset": write("users:write", "POST", "/users/{victim}/mfa/reset"),
}

WRITES_OTHERWISE = {
    "POST /second-factor": "tests/features/mfa/test_pages.py",
    "POST /users/me/mfa/otp/confirm": "tests/features/mfa/test_api.py",
    "POST /users/me/mfa/otp/remove": "tests/features/mfa/test_api.py",
    "POST /users/me/mfa/recovery-codes": "tests/features/mfa/test_api.py",
}

WRITING_REQUESTS = {
    "a new app": ("POST", "/users/me/mfa/otp", PROOF),
    "an app": ("POST", "/users/me/mfa/otp/confirm", {"otp": "123456"}),
    "no app": ("POST", "/users/me/mfa/otp/remove", PROOF),
    "recovery codes": ("POST", "/users/me/mfa/recovery-codes", PROOF),
    "a reset": ("POST", f"/users/{uuid.uuid4()}/mfa/reset", None),
}

MANAGED = {"/users": ["POST /users/{user_id}/mfa/reset"]}

FOR_USERS_ALONE = {
    "/users/me/mfa": [
        "GET /users/me/mfa",
        "POST /users/me/mfa/otp",
        "POST /users/me/mfa/otp/confirm",
        "POST /users/me/mfa/otp/remove",
        "POST /users/me/mfa/recovery-codes",
    ]
}

PAGES = {"/second-factor": PageRoute}

PAGES_OF_POPUPS = {
    "GET /second-factor": "on the way of a login",
    "POST /second-factor": "on the way of a login",
}

OPEN = {"(GET|HEAD|POST) /second-factor": "whoever has typed the right password in that browser"}

SECRET_TABLES = {
    "totp_secrets": "encrypted",
    "recovery_codes": "hashes",
    "mfa_challenges": "hashes",
}


async def delete_shop(operator: Actor, server: Server) -> None:
    await delete_client(operator, "shop")


COMMANDS = {
    "mfa require": Case("--user bob", delete_bob, NO_BOB),
    "mfa waive": Case("--user bob", delete_bob, NO_BOB),
    "mfa append-codes": Case("shop", delete_shop, "there is no client 'shop'"),
    "users reset-mfa": Case("bob", delete_bob, NO_BOB),
}

COMMANDS_OTHERWISE = {"mfa list": "reads"}


async def second_factor(story: Story) -> None:
    http, server, clock = story.http, story.server, story.server.clock
    assert isinstance(clock, TestClock)
    careful = await add_user(server, "careful", scopes=["account"])
    client = await add_client(server, "careful", scopes=["account"], default_scopes=["account"])
    form = {"grant_type": "password", "username": "careful", "password": PASSWORD}
    answer = (await http.post("/token", data=form, auth=client.basic)).json()
    headers = bearer(answer["access_token"])

    async def ask(path: str, **body: str) -> dict[str, str]:
        response = await http.post(f"/users/me/mfa{path}", json=body, headers=headers)
        assert response.is_success, response.text
        given: dict[str, str] = response.json() if response.content else {}
        return given

    secret = (await ask("/otp", current_password=PASSWORD))["secret"]
    phone = Phone(secret.replace(" ", ""), clock, ())
    phone.recovery_codes = [*(await ask("/otp/confirm", otp=phone.code()))["recovery_codes"]]
    await http.get("/users/me/mfa", headers=headers)
    token = await challenge(http, careful, client)
    await go_on(http, client, token, otp=phone.wrong_code())
    answer = (await go_on(http, client, token, otp=phone.code(steps=1))).json()
    headers = bearer(answer["access_token"])
    new = await ask("/recovery-codes", current_password=PASSWORD)
    http.cookies.clear()  # it is another user's
    login = Page(await http.get("/login")).form
    await submit(http, login, {"username": "careful", "password": PASSWORD})
    await http.head("/second-factor")
    page = Page(await http.get("/second-factor"))
    shown = page.form_with(recovery_code="")
    await submit(http, shown, {"recovery_code": new["recovery_codes"][0]})
    http.cookies.clear()
    await ask("/otp/remove", current_password=PASSWORD)
    await story.ask("POST", f"/users/{careful.id}/mfa/reset")


STORIES = {"mfa": second_factor}
