"""What the pages do for whoever types into them, and how they look from both sides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from app.database.schema import ROOT
from tests.support.docs_page import Watch, fresh_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SENDS_CAPS_LOCK = """(field, on) => field.dispatchEvent(
    new KeyboardEvent("keyup", { key: "a", modifierCapsLock: on, bubbles: true }))"""

SHIFTS = """() => new Promise((resolve) => {
    const seen = [];
    new PerformanceObserver((list) => seen.push(...list.getEntries().map((each) => each.value)))
        .observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(seen), 300);
})"""

MIRRORED = """() => {
    document.documentElement.dir = "rtl";
    const field = document.querySelector("#password").getBoundingClientRect();
    const button = document.querySelector(".show").getBoundingClientRect();
    const label = getComputedStyle(document.querySelector("label")).textAlign;
    return [button.left - field.left < field.right - button.right, label];
}"""


@pytest.fixture
def login(page: Page, live: str) -> Page:
    page.goto(f"{live}/login")
    return page


def password_of(page: Page) -> Locator:
    return page.get_by_label("Password", exact=True)


def test_a_password_is_shown_and_hidden_again_by_a_button_that_says_which(login: Page) -> None:
    field = password_of(login)
    field.fill("typed by hand")
    login.get_by_role("button", name="Show (Password)", exact=True).click()
    assert (field.get_attribute("type"), field.input_value()) == ("text", "typed by hand")
    login.get_by_role("button", name="Hide (Password)", exact=True).click()
    assert field.get_attribute("type") == "password"


def test_a_password_that_is_shown_is_hidden_before_it_is_sent(login: Page) -> None:
    login.get_by_role("button", name="Show (Password)", exact=True).click()
    login.evaluate(
        "document.forms[0].addEventListener('submit', (event) => event.preventDefault())"
    )
    login.get_by_label("User name").fill("alice")
    password_of(login).fill("typed by hand")
    login.get_by_role("button", name="Log in", exact=True).click()
    assert password_of(login).get_attribute("type") == "password"


def test_caps_lock_is_told_while_a_password_is_typed(login: Page) -> None:
    field, told = password_of(login), login.locator(".caps")
    field.evaluate(SENDS_CAPS_LOCK, True)
    assert told.inner_text() == "Caps Lock is on"
    field.evaluate(SENDS_CAPS_LOCK, False)
    assert told.inner_text() == ""
    field.evaluate("field => field.dispatchEvent(new Event('keydown'))")  # as autofill does
    assert told.inner_text() == ""


def test_nothing_moves_while_a_page_loads_or_a_hint_appears(browser: Browser, live: str) -> None:
    with fresh_context(browser) as context:
        page = context.new_page()
        watch = Watch(page)
        page.goto(f"{live}/login")
        before = page.get_by_role("button", name="Log in", exact=True).bounding_box()
        password_of(page).evaluate(SENDS_CAPS_LOCK, True)
        after = page.get_by_role("button", name="Log in", exact=True).bounding_box()
        assert (page.evaluate(SHIFTS), before == after) == ([], True)
        assert watch.complaints == []


def test_a_phone_does_not_zoom_in_on_what_is_typed_into(login: Page) -> None:
    for field in (login.get_by_label("User name"), password_of(login)):
        assert field.evaluate("field => getComputedStyle(field).fontSize") == "16px"


def test_a_page_from_right_to_left_is_the_mirror_image(login: Page) -> None:
    assert login.evaluate(MIRRORED) == [True, "start"]


def test_the_style_sheet_says_start_and_end_instead_of_left_and_right() -> None:
    sheet = (ROOT / "app/pages/static/page.css").read_text()
    assert re.findall(r"[\w-]*\b(?:left|right)\b", sheet) == []
