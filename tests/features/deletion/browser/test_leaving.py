"""Somebody puts their account in order, leaves, and comes back, with a keyboard alone."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.support.hands import Keyboard

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PASSWORD = "alice-in-wonderland"

PACKAGE = "axe_playwright_python"

LOOK = """async () => {
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}"""

hand = Keyboard()


def see(page: Page, heading: str) -> None:
    page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()


def press(page: Page | Locator, name: str, role: Literal["button", "link"] = "button") -> None:
    hand.press(page.get_by_role(role, name=name, exact=True))


def log_in(page: Page) -> None:
    see(page, "Log in")
    hand.write(page.get_by_label("User name", exact=True), "alice")
    hand.write(page.get_by_label("Password", exact=True), PASSWORD)
    press(page, "Log in")


def newest_event(page: Page) -> tuple[str, str, str]:
    """What happened last, and when, as it stands there and as it is told to a pointer."""
    event = page.locator(".events li").first
    time = event.locator("time")
    return event.inner_text(), time.inner_text(), time.get_attribute("title") or ""


def download(page: Page) -> dict[str, object]:
    with page.expect_download() as downloading:
        press(page, "Download")
    content: dict[str, object] = json.loads(Path(downloading.value.path()).read_text())
    return content


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no_javascript"])
def test_an_account_is_changed_taken_away_deleted_and_kept(
    browser: Browser, live: str, javascript: bool
) -> None:
    with browser.new_context(java_script_enabled=javascript, timezone_id="Asia/Tokyo") as context:
        page = context.new_page()
        page.goto(f"{live}/login")
        log_in(page)
        see(page, "Your account")

        name = f"Alice Liddell {javascript}"
        hand.write(page.get_by_label("Name", exact=True), name)
        press(page, "Save profile")
        assert page.get_by_role("status").inner_text() == "Your profile has been saved."

        told, when, in_utc = newest_event(page)
        assert told.startswith("Account changed")
        assert when.endswith("GMT+9" if javascript else " UTC")
        assert in_utc.endswith(" UTC")

        if page.get_by_role("button", name="Download", exact=True).count():  # or it was deleted
            user = download(page)["user"]
            assert isinstance(user, dict)
            assert user["name"] == name

        press(page.locator("section"), "Delete your account", "link")
        see(page, "Delete your account?")
        hand.write(page.get_by_label("Confirm with your password", exact=True), PASSWORD)
        press(page, "Delete account")
        see(page, "Your account is closed")

        press(page, "log in", "link")
        log_in(page)
        see(page, "Keep your account?")
        press(page, "Keep my account")
        see(page, "Your account is kept")
        press(page, "Log in", "link")
        log_in(page)
        see(page, "Your account")


def test_no_page_of_it_violates_a_rule_of_axe(browser: Browser, live: str) -> None:
    pytest.importorskip(PACKAGE, reason="axe is missing: pip install axe-playwright-python")
    axe = (files(PACKAGE) / "axe.min.js").read_text()
    found: list[str] = []

    def look(page: Page, heading: str) -> None:
        see(page, heading)
        page.evaluate(axe)
        found.extend(page.evaluate(LOOK))

    with browser.new_context(
        color_scheme="dark", viewport={"width": 390, "height": 844}
    ) as context:
        page = context.new_page()
        page.goto(f"{live}/login")
        log_in(page)
        hand.write(page.get_by_label("Language", exact=True), "klingon!")
        press(page, "Save profile")
        look(page, "Your account")
        page.goto(f"{live}/delete-account")
        look(page, "Delete your account?")
        hand.write(page.get_by_label("Confirm with your password", exact=True), PASSWORD)
        press(page, "Delete account")
        look(page, "Your account is closed")
        press(page, "log in", "link")
        log_in(page)
        look(page, "Keep your account?")
        press(page, "Keep my account")
        look(page, "Your account is kept")
    assert found == []
