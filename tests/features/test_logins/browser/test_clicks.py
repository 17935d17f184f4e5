"""Test logins, a click each, or a key."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from tests.support.docs_page import Docs, fresh_context, kept
from tests.support.hands import Hand, Keyboard, Mouse

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REFUSALS = {
    "Wrong password": "400 invalid_grant",
    "Disabled user": "400 invalid_grant",
    "Throttled": "429 temporarily_unavailable",
    "Scope that is not allowed": "400 invalid_scope",
    "No token": "401 ",
    "Expired token": "401 invalid_token",
    "Revoked token": "401 invalid_token",
    "Tampered signature": "401 invalid_token",
    "Wrong audience": "401 invalid_token",
    "Missing scope": "403 insufficient_scope",
    "Refresh token used twice": "400 invalid_grant",
}


@pytest.fixture(scope="module")
def docs(browser: Browser, live: str) -> Generator[Docs]:
    """The page, opened as alice."""
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), live)
        docs.load("?as=alice")
        docs.bar.get_by_text("alice through swagger-ui").wait_for()
        yield docs


def test_a_name_in_the_address_logs_in(docs: Docs) -> None:
    assert docs.execute("account-get_me").body["username"] == "alice"


def test_a_click_logs_a_demo_user_in(docs: Docs) -> None:
    docs.log_out()
    docs.press("as admin")
    docs.bar.get_by_text("admin through swagger-ui").wait_for()
    assert docs.execute("account-get_me").body["username"] == "admin"


def test_a_demo_user_logs_in_through_a_client_and_with_scopes_that_are_chosen(docs: Docs) -> None:
    docs.press("Test logins")
    docs.dialog.get_by_label("Through").select_option("demo-web")
    docs.dialog.get_by_label("Scopes, separated by spaces").fill("profile items:write")
    docs.dialog.get_by_role("button", name="alice", exact=True).click()
    docs.dialog.wait_for(state="detached")
    shown = docs.bar.inner_text()
    assert "alice through demo-web" in shown
    assert "profile items:write" in shown


def test_what_was_not_granted_of_the_scopes_is_told(docs: Docs) -> None:
    docs.press("Test logins")
    docs.dialog.get_by_label("Scopes, separated by spaces").fill("profile users:read")
    docs.dialog.get_by_role("button", name="alice", exact=True).click()
    assert "Not granted: users:read" in docs.dialog.locator(".lk-differs").inner_text()
    docs.dialog.get_by_role("button", name="Go on").click()
    docs.dialog.wait_for(state="detached")


def be_refused(docs: Docs, hand: Hand) -> dict[str, str]:
    """What each refusal shows."""
    shown = {}
    hand.press(docs.bar.get_by_role("button", name="Test logins", exact=True))
    for name in REFUSALS:
        hand.press(docs.dialog.get_by_role("button", name=name, exact=True))
        outcome = docs.dialog.get_by_label(name, exact=True)
        outcome.wait_for()
        shown[name] = outcome.inner_text()
    docs.close_dialog()
    return shown


@pytest.fixture(scope="module")
def outcomes(docs: Docs) -> dict[str, str]:
    return be_refused(docs, Mouse())


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_shows_its_exchange_and_what_the_rfc_says(
    outcomes: dict[str, str], name: str
) -> None:
    shown = outcomes[name]
    assert f"{name}: {REFUSALS[name]}".strip() in shown
    assert "RFC " in shown
    assert "content-type: application/" in shown
    assert "alice-in-wonderland" not in shown


def test_a_keyboard_alone_leads_to_every_refusal_on_a_dark_phone(
    browser: Browser, live: str
) -> None:
    with fresh_context(browser, size=(390, 844), dark=True) as context:
        docs, keyboard = Docs(context.new_page(), live), Keyboard()
        docs.load()
        keyboard.press(docs.bar.get_by_role("button", name="as admin", exact=True))
        docs.bar.get_by_text("admin through swagger-ui").wait_for()
        assert docs.focused() == "Logins"
        shown = be_refused(docs, keyboard)
        assert docs.focused() == "Test logins"
    for name, refusal in REFUSALS.items():
        assert f"{name}: {refusal}".strip() in shown[name]


def test_a_challenge_is_shown(outcomes: dict[str, str]) -> None:
    for name in ("No token", "Expired token", "Missing scope"):
        assert 'www-authenticate: Bearer realm="latchkey"' in outcomes[name]


def test_the_token_that_is_sent_is_shown_by_its_first_and_last_characters(
    outcomes: dict[str, str],
) -> None:
    sent = {name: re.findall("Bearer (ey.{10}….{6})\n", outcomes[name]) for name in REFUSALS}
    issued = {name: re.findall('"access_token": "(.*)"', outcomes[name]) for name in REFUSALS}
    assert sent["Revoked token"] == issued["Revoked token"] != []
    (changed,), (whole,) = sent["Tampered signature"], issued["Tampered signature"]
    assert [one == other for one, other in zip(changed, whole, strict=True)].count(False) == 1
    for name in ("Expired token", "Wrong audience"):
        assert sent[name] == issued[name]
        assert len(set(sent[name])) == 2
    assert "GET /users/me\n(no authorization header)" in outcomes["No token"]


def test_a_wrong_password_counts_against_a_name_that_is_made_up(outcomes: dict[str, str]) -> None:
    assert "username=wrong-" in outcomes["Wrong password"]


def test_test_logins_store_nothing(docs: Docs, outcomes: dict[str, str]) -> None:
    assert kept(docs.page) == [{}, {}, ""]


def test_a_name_in_the_address_that_no_demo_user_has_is_told(docs: Docs) -> None:
    docs.load("?as=nobody")
    docs.bar.get_by_text("There is no demo user nobody.").wait_for()
