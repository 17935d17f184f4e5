"""Where there are passkeys, and what the rest of the server knows of them."""

import uuid

import httpx2
import pytest
from fastapi import FastAPI
from pydantic_core import to_json
from sqlalchemy import insert

from app.features.mfa.model import MfaRequirement
from app.features.passkeys import feature
from app.features.passkeys.relying_party import relying_party
from app.login.strength import Level
from app.operations.doctor import diagnose
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.features.passkeys.devices import HERE, add, enter
from tests.support.assertions import assert_problem
from tests.support.authenticator import Authenticator
from tests.support.factories import PASSWORD, TestUser, add_user
from tests.support.flow import Page, open_browser
from tests.support.operators import add_console, token_of

PATH = "/users/me/passkeys"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, issuer=HERE, passkeys=True)


@pytest.fixture
async def alice(app: FastAPI, server: Server) -> TestUser:
    """She has a passkey."""
    alice = await add_user(server, scopes=("profile", "account"))
    async with open_browser(app, HERE) as browser:
        await enter(browser, alice)
        await add(browser, Authenticator(HERE))
    return alice


@pytest.fixture
async def as_alice(server: Server, alice: TestUser) -> dict[str, str]:
    await add_console(server)
    return await token_of(server, alice, "account", amr=("hwk", "user", "mfa"))


async def test_passkeys_are_listed_renamed_and_removed_by_programs(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    (listed,) = (await http.get(PATH, headers=as_alice)).json()
    assert list(listed) == ["id", "name", "synced", "created_at", "last_used_at"]
    path = f"{PATH}/{listed['id']}"
    change = {"current_password": PASSWORD, "name": "desktop"}
    assert (await http.patch(path, json=change, headers=as_alice)).status_code == 204
    (renamed,) = (await http.get(PATH, headers=as_alice)).json()
    assert renamed == listed | {"name": "desktop"}
    confirmed = {"current_password": PASSWORD}
    removed = await http.post(f"{path}/remove", json=confirmed, headers=as_alice)
    assert removed.status_code == 204
    assert (await http.get(PATH, headers=as_alice)).json() == []


async def test_without_the_password_programs_change_nothing(
    http: httpx2.AsyncClient, as_alice: dict[str, str]
) -> None:
    (listed,) = before = (await http.get(PATH, headers=as_alice)).json()
    path, wrong = f"{PATH}/{listed['id']}", {"current_password": "wrong"}
    renamed = await http.patch(path, json=wrong | {"name": "x"}, headers=as_alice)
    removed = await http.post(f"{path}/remove", json=wrong, headers=as_alice)
    for response in (renamed, removed):
        assert assert_problem(response, 403)["detail"] == "The current password is wrong."
    assert (await http.get(PATH, headers=as_alice)).json() == before


@pytest.mark.rfc("9470", "3", 1, 2)
async def test_a_user_of_whom_a_passkey_is_required_is_told_that_a_code_is_not_enough(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, as_alice: dict[str, str]
) -> None:
    async with server.database.transaction() as connection:
        required = insert(MfaRequirement).values(user_id=alice.id, level=int(Level.PASSKEY))
        await connection.execute(required)
    with_a_code = await token_of(server, alice, "account", amr=("pwd", "otp", "mfa"))
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    refused = await http.post("/users/me/password", json=change, headers=with_a_code)
    assert refused.json()["error"] == "insufficient_user_authentication"
    assert 'acr_values="phr"' in refused.headers["www-authenticate"]
    changed = await http.post("/users/me/password", json=change, headers=as_alice)
    assert changed.status_code == 204


async def test_programs_of_others_find_nothing(
    http: httpx2.AsyncClient, server: Server, as_alice: dict[str, str]
) -> None:
    (listed,) = (await http.get(PATH, headers=as_alice)).json()
    bob = await add_user(server, "bob", scopes=("account",))
    as_bob = await token_of(server, bob, "account")
    assert (await http.get(PATH, headers=as_bob)).json() == []
    confirmed = {"current_password": PASSWORD}
    for passkey_id in (listed["id"], uuid.uuid4()):
        path = f"{PATH}/{passkey_id}/remove"
        assert_problem(await http.post(path, json=confirmed, headers=as_bob), 404)
    assert len((await http.get(PATH, headers=as_alice)).json()) == 1


@pytest.mark.rfc("webauthn", "5.1.3")
@pytest.mark.parametrize(
    ("issuer", "passkeys", "party"),
    [
        ("https://login.example.com", True, ("login.example.com", "https://login.example.com")),
        ("https://example.com:8443/auth", True, ("example.com", "https://example.com:8443")),
        (HERE, True, ("localhost", HERE)),
        ("http://127.0.0.1:8000", True, None),
        ("http://[::1]:8000", True, None),
        ("https://login.example.com", False, None),
    ],
)
def test_passkeys_are_for_the_host_of_the_issuer_if_it_has_a_name(
    issuer: str, passkeys: bool, party: tuple[str, str] | None
) -> None:
    found = relying_party(make_settings(issuer=issuer, passkeys=passkeys))
    assert (None if found is None else (found.id, found.origin)) == party


async def test_the_doctor_finds_passkeys_that_open_nothing_any_more(
    server: Server, alice: TestUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "passkeys-unusable" not in {finding.check for finding in await diagnose(server)}
    monkeypatch.setattr(server.settings, "passkeys", False)
    assert "passkeys-unusable" in {finding.check for finding in await diagnose(server)}


async def test_the_data_of_a_user_has_them(server: Server, alice: TestUser) -> None:
    assert feature.export is not None
    async with server.database.read() as connection:
        exported = await feature.export(connection, alice.id, 10)
    assert b'"name":"laptop"' in to_json(exported)
    assert b"public_key" not in to_json(exported)


async def test_the_login_page_offers_them(http: httpx2.AsyncClient) -> None:
    page = Page(await http.get("/login"))
    assert page.all("button") == ["Log in", "Log in with a passkey"]
