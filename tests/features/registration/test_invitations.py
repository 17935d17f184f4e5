"""Invitations: from the API, the command line and the account page to an account."""

import uuid
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI

from app.features.registration.service import create_invitation, revoke_invitation
from app.identity.users import find_account, get_person
from app.management.authority import operating
from app.management.clients import change_client, delete_client
from app.management.scopes import delete_scope
from app.management.users import change_user, delete_user
from app.operations.doctor import Severity, diagnose
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.mail.sent import assert_dead_link, link_in, mails
from tests.features.registration.joining import ADAS, make
from tests.management.conftest import no_dotenv_file as no_dotenv_file
from tests.management.conftest import shell as shell
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_client, add_scope, add_user
from tests.support.flow import Page, open_browser, submit
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend
from tests.support.operators import (
    EVERY_SCOPE,
    NOT_YOURS,
    TOO_GREAT,
    add_console,
    assert_refused,
    events,
    token_of,
    token_of_client,
    walk,
    written,
)
from tests.support.purging import purged
from tests.support.shell import Shell, assert_line
from tests.support.writes import NEW_PASSWORD

MANAGER = ("users:read", "users:write", "profile", "email", "items:read")


@pytest.fixture
def changes() -> dict[str, object]:
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **({"registration": "invitation"} | changes))


@pytest.fixture
async def manager(http: httpx2.AsyncClient, server: Server) -> TestUser:
    await add_console(server)
    await add_user(server, "root", scopes=EVERY_SCOPE)  # or the manager would be the last one
    return await add_user(server, "manager", scopes=MANAGER)


@pytest.fixture
async def as_manager(server: Server, manager: TestUser) -> dict[str, str]:
    return await token_of(server, manager, *MANAGER)


async def invite(
    http: httpx2.AsyncClient, headers: dict[str, str], **wanted: object
) -> dict[str, object]:
    response = await http.post("/invitations", json=wanted, headers=headers)
    assert response.status_code == 201, response.text
    answer: dict[str, object] = response.json()
    assert response.headers["location"].endswith(f"/invitations/{answer['id']}")
    return answer


def path_of(invitation: dict[str, object]) -> str:
    return str(invitation["url"]).removeprefix("http://127.0.0.1:8000")


def assert_dead(response: httpx2.Response) -> None:
    assert_dead_link(response, onward="Log in")


# From the API


async def test_whoever_is_invited_by_mail_chooses_a_password_and_has_the_address_verified(
    http: httpx2.AsyncClient, server: Server, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager, email=ADAS, scopes=["items:read"])
    assert invitation["url"] is None
    (mail,) = await mails(server)
    assert (mail.recipient, mail.subject) == (ADAS, "You are invited to Latchkey")
    assert (await make(http, link_in(mail))).status_code == 303
    async with server.database.read() as connection:
        account = await find_account(connection, "ada")
        assert account is not None
        person = await get_person(connection, account.id)
    assert account.scopes == {"items:read"}
    assert (person.profile.email, person.profile.email_verified) == (ADAS, True)


async def test_without_an_address_the_link_is_handed_over_and_proves_none(
    http: httpx2.AsyncClient, server: Server, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager)
    assert await mails(server) == []
    assert (await make(http, path_of(invitation), email=ADAS)).status_code == 303
    async with server.database.read() as connection:
        account = await find_account(connection, "ada")
        assert account is not None
        person = await get_person(connection, account.id)
    assert (person.profile.email, person.profile.email_verified) == (ADAS, False)
    (mail,) = await mails(server, ADAS)
    assert mail.subject == "Confirm your e-mail address for Latchkey"


async def test_scopes_that_are_not_named_are_those_of_a_registration_that_the_maker_has(
    http: httpx2.AsyncClient, as_manager: dict[str, str]
) -> None:
    assert (await invite(http, as_manager))["scopes"] == ["email", "profile"]


async def test_nobody_invites_with_more_than_they_have(
    http: httpx2.AsyncClient, as_manager: dict[str, str]
) -> None:
    body = {"scopes": ["profile", "clients:write"]}
    response = await http.post("/invitations", json=body, headers=as_manager)
    assert_refused(response, 403, NOT_YOURS)


async def test_a_record_says_what_became_of_an_invitation(
    http: httpx2.AsyncClient,
    server: Server,
    app: FastAPI,
    manager: TestUser,
    as_manager: dict[str, str],
    clock: TestClock,
) -> None:
    made = [await invite(http, as_manager, expires_in=60) for _ in range(3)]
    async with open_browser(app) as browser:
        await make(browser, path_of(made[0]))
    response = await http.delete(f"/invitations/{made[1]['id']}", headers=as_manager)
    assert response.status_code == 204
    clock.advance(60)
    records = [
        (await http.get(f"/invitations/{each['id']}", headers=as_manager)).json() for each in made
    ]
    assert [record["state"] for record in records] == ["accepted", "revoked", "expired"]
    async with server.database.read() as connection:
        account = await find_account(connection, "ada")
    assert account is not None
    assert records[0]["user_id"] == str(account.id)
    assert records[2] == {
        "id": made[2]["id"],
        "email": None,
        "scopes": ["email", "profile"],
        "state": "expired",
        "made_by": str(manager.id),
        "created_at": written(clock.now() - timedelta(seconds=60)),
        "expires_at": written(clock.now()),
        "user_id": None,
    }


async def test_invitations_are_listed_newest_first_and_without_those_who_registered(
    http: httpx2.AsyncClient, as_manager: dict[str, str], clock: TestClock
) -> None:
    made = []
    for _ in range(3):
        made.append((await invite(http, as_manager))["id"])
        clock.advance(1)
    pages = await walk(http, as_manager, "/invitations", "invitations", "id", limit=2)
    assert pages == [[made[2], made[1]], [made[0]]]


async def test_a_revoked_invitation_opens_nothing(
    http: httpx2.AsyncClient, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager)
    await http.delete(f"/invitations/{invitation['id']}", headers=as_manager)
    assert_dead(await http.get(path_of(invitation)))
    again = await http.delete(f"/invitations/{invitation['id']}", headers=as_manager)
    assert again.status_code == 204


async def test_an_accepted_invitation_cannot_be_revoked(
    http: httpx2.AsyncClient, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager)
    await make(http, path_of(invitation))
    response = await http.delete(f"/invitations/{invitation['id']}", headers=as_manager)
    told = "This invitation was accepted: disable or delete the user."
    assert_refused(response, 409, told)


async def test_nobody_revokes_what_they_could_not_give(
    http: httpx2.AsyncClient, server: Server, as_manager: dict[str, str]
) -> None:
    async with operating(server.database, server.clock) as operator:
        record, _ = await create_invitation(operator, server.settings, scopes=["clients:write"])
    response = await http.delete(f"/invitations/{record.id}", headers=as_manager)
    assert_refused(response, 403, TOO_GREAT)


async def test_an_address_is_invited_so_often_in_an_hour(
    http: httpx2.AsyncClient, as_manager: dict[str, str], clock: TestClock
) -> None:
    for _ in range(5):
        await invite(http, as_manager, email=ADAS)
    response = await http.post("/invitations", json={"email": ADAS}, headers=as_manager)
    assert_refused(response, 409, "Several mails went to this address already: wait an hour.")


# What its maker may do when it is used


async def test_an_invitation_is_worth_nothing_once_its_maker_could_not_make_it_any_more(
    http: httpx2.AsyncClient, server: Server, manager: TestUser, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager, scopes=["items:read"])
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, manager.id, {"scopes": ["users:write"]})
    assert_dead(await http.get(path_of(invitation)))


async def test_an_invitation_of_who_no_longer_manages_is_worth_nothing(
    http: httpx2.AsyncClient, server: Server, manager: TestUser, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager, scopes=["items:read"])
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, manager.id, {"scopes": ["items:read"]})
    assert_dead(await http.get(path_of(invitation)))


@pytest.mark.parametrize("loss", ["disabled", "deleted"])
async def test_an_invitation_of_a_user_who_is_gone_is_worth_nothing(
    http: httpx2.AsyncClient,
    server: Server,
    manager: TestUser,
    as_manager: dict[str, str],
    loss: str,
) -> None:
    invitation = await invite(http, as_manager)
    async with operating(server.database, server.clock) as operator:
        if loss == "disabled":
            await change_user(operator, manager.id, {"disabled": True})
        else:
            await delete_user(operator, manager.id)
    assert_dead(await http.get(path_of(invitation)))


async def test_a_client_that_has_the_id_of_another_one_takes_no_invitations_over(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    scopes = ("users:write", "items:read")
    by_itself = ("client_credentials",)
    client = await add_client(server, "provisioner", grant_types=by_itself, scopes=scopes)
    invitation = await invite(http, await token_of_client(server, client, *scopes))
    async with operating(server.database, server.clock) as operator:
        await delete_client(operator, "provisioner")
    clock.advance(1)
    await add_client(server, "provisioner", grant_types=by_itself, scopes=scopes)
    assert_dead(await http.get(path_of(invitation)))


async def test_a_scope_that_is_deleted_is_given_to_nobody_and_held_by_no_invitation(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_scope(server, "reports", "Read reports")
    async with operating(server.database, server.clock) as operator:
        scopes = ["profile", "reports"]
        _, url = await create_invitation(operator, server.settings, scopes=scopes)
        holders = server.scope_holders
        await delete_scope(operator, "reports", built_in=(), holders=holders)
    await make(http, path_of({"url": url}))
    async with server.database.read() as connection:
        account = await find_account(connection, "ada")
    assert account is not None
    assert account.scopes == {"profile"}


async def test_what_the_maker_loses_right_before_the_account_is_made_counts(
    http: httpx2.AsyncClient,
    server: Server,
    manager: TestUser,
    as_manager: dict[str, str],
    meanwhile: Meanwhile,
) -> None:
    link = path_of(await invite(http, as_manager, scopes=["items:read"]))
    form = Page(await http.get(link)).form

    async def lose() -> None:
        async with operating(server.database, server.clock) as operator:
            await change_user(operator, manager.id, {"scopes": []})

    meanwhile(server, lose)
    typed = {"username": "ada", "new_password": NEW_PASSWORD}
    assert_dead(await submit(http, form, typed))
    async with server.database.read() as connection:
        assert await find_account(connection, "ada") is None


async def test_a_client_invites_by_itself_until_it_is_disabled(
    http: httpx2.AsyncClient, server: Server
) -> None:
    scopes = ("users:write", "items:read")
    client = await add_client(
        server, "provisioner", grant_types=("client_credentials",), scopes=scopes
    )
    headers = await token_of_client(server, client, *scopes)
    first, second = [await invite(http, headers, scopes=["items:read"]) for _ in range(2)]
    assert first["made_by"] == "provisioner"
    assert (await make(http, path_of(first))).status_code == 303
    async with operating(server.database, server.clock) as operator:
        await change_client(operator, "provisioner", {"disabled": True})
    http.cookies.clear()
    assert_dead(await http.get(path_of(second)))


# At the shell


def test_the_shell_prints_the_link_that_is_handed_over(shell: Shell) -> None:
    made = shell.json("invitations", "create", "--scope", "profile", registration="invitation")
    assert made["url"].startswith("http://127.0.0.1:8000/invitation?token=")
    assert (made["scopes"], made["made_by"], made["state"]) == (["profile"], "operator", "open")
    (listed,) = shell.json("invitations", "list")
    assert listed == {name: value for name, value in made.items() if name != "url"}
    assert shell.json("invitations", "revoke", made["id"]) == {"id": made["id"], "revoked": True}
    (listed,) = shell.json("invitations", "list")
    assert listed["state"] == "revoked"


def test_the_shell_does_not_print_a_link_that_proves_an_address(shell: Shell) -> None:
    result = shell("invitations", "create", "--email", ADAS, registration="invitation")
    assert "token=" not in result.output
    assert "A mail with the link is on its way." in result.output


def test_nobody_is_invited_where_registration_is_closed(shell: Shell) -> None:
    result = shell("invitations", "create")
    assert_line(result, "LATCHKEY_REGISTRATION is closed, so nobody can be invited.")


@pytest.mark.parametrize(
    "changes", [{"registration": "open", "registration_scopes": ["users:write", "no-such-scope"]}]
)
async def test_the_doctor_tells_what_a_registration_gives_to_anybody(
    http: httpx2.AsyncClient, server: Server
) -> None:
    found = {each.check: each.severity for each in await diagnose(server)}
    assert found["registration-gives-management"] == Severity.UNSAFE
    assert found["registration-scopes-unknown"] == Severity.WARNING


# At the account page


async def log_in(http: httpx2.AsyncClient, user: TestUser) -> Page:
    form = Page(await http.get("/login")).form
    await submit(http, form, {"username": user.username, "password": user.password})
    return Page(await http.get("/account"))


async def test_who_manages_users_invites_at_the_account_page(
    http: httpx2.AsyncClient, server: Server, app: FastAPI, manager: TestUser
) -> None:
    page = await log_in(http, manager)
    response = await submit(http, page.form_with(action="invite"), {"email": ADAS})
    assert response.status_code == 303
    page = Page(await http.get(response.headers["location"]))
    assert "The invitation is on its way." in page.text
    (mail,) = await mails(server)
    await submit(http, page.form_with(action="revoke-invitation"))
    async with open_browser(app) as other:
        assert_dead(await other.get(link_in(mail)))


async def test_an_address_that_is_none_stays_in_the_form_with_the_reason(
    http: httpx2.AsyncClient, manager: TestUser
) -> None:
    page = await log_in(http, manager)
    response = await submit(http, page.form_with(action="invite"), {"email": "ada"})
    page = Page(response)
    assert (response.status_code, page.form_with(action="invite").fields["email"]) == (400, "ada")
    assert page.alert == "An e-mail address must have the form name@domain."


async def test_a_link_is_shown_at_the_account_page_this_once(
    http: httpx2.AsyncClient, app: FastAPI, manager: TestUser
) -> None:
    page = await log_in(http, manager)
    response = await submit(http, page.form_with(action="invite"))
    shown = Page(response).text
    assert "It is good once, and not shown again." in shown
    link = next(word for word in shown.split() if "/invitation?token=" in word)
    assert link not in (await http.get("/account")).text
    async with open_browser(app) as other:
        path = link.removeprefix("http://127.0.0.1:8000")
        assert (await make(other, path)).status_code == 303


async def test_who_manages_nobody_sees_no_invitations_and_makes_none(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    page = await log_in(http, alice)
    assert "Invitations" not in page.text
    form = page.form_with(action="password")
    form.fields["action"] = "invite"
    response = await submit(http, form, {"email": ADAS})
    assert response.status_code == 400


async def test_what_is_purged_is_over_for_a_month(
    http: httpx2.AsyncClient, server: Server, as_manager: dict[str, str], clock: TestClock
) -> None:
    await invite(http, as_manager, expires_in=60)
    clock.advance(30 * 24 * 3600 + 59)
    assert "invitations" not in await purged(server)
    clock.advance(2)
    assert (await purged(server))["invitations"] == 1


async def test_the_trail_names_invitations_and_no_link(
    http: httpx2.AsyncClient, server: Server, manager: TestUser, as_manager: dict[str, str]
) -> None:
    invitation = await invite(http, as_manager)
    async with operating(server.database, server.clock) as operator:
        await revoke_invitation(operator, uuid.UUID(str(invitation["id"])))
    made, revoked = [each for each in await events(server) if each.type.startswith("invitation.")]
    assert (made.type, made.actor) == ("invitation.created", str(manager.id))
    assert made.details == {"invitation": invitation["id"], "scopes": ["email", "profile"]}
    assert (revoked.type, revoked.actor) == ("invitation.revoked", "operator")
