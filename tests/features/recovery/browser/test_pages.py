"""A forgotten password in a browser, with the mail that a mail server got."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.features.mail.delivered import wait_for_link
from tests.support.axe import violations_of_page
from tests.support.docs_page import fresh_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.features.mail.post_office import PostOffice


def test_without_javascript_a_password_is_forgotten_and_replaced_in_another_browser(
    browser: Browser, live: str, office: PostOffice
) -> None:
    office.forget()
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{live}/login")
        page.get_by_role("link", name="Forgot password?").click()
        page.get_by_label("User name or e-mail address").fill("alice")
        page.get_by_role("button", name="Send the link").click()
        page.get_by_role("heading", name="Check your mail").wait_for()
        link = wait_for_link(page, office, "/reset-password")
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(link)
        page.get_by_label("New password").fill("alice has another password")
        page.get_by_role("button", name="Change password").click()
        page.get_by_role("link", name="Log in").click()
        page.get_by_label("User name").fill("alice")
        page.get_by_label("Password").fill("alice has another password")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Your account").wait_for()


def test_no_page_of_it_violates_a_rule_of_axe(
    browser: Browser, live: str, office: PostOffice
) -> None:
    office.forget()
    found: list[str] = []

    def look(page: Page) -> None:
        found.extend(violations_of_page(page))

    with fresh_context(browser) as context:
        page = context.new_page()
        page.goto(f"{live}/forgot-password")
        look(page)
        page.get_by_label("User name or e-mail address").fill("alice@example.com")
        page.get_by_role("button", name="Send the link").click()
        page.get_by_role("heading", name="Check your mail").wait_for()
        look(page)
        page.goto(wait_for_link(page, office, "/reset-password"))
        look(page)
        page.get_by_label("New password").fill("alice has a third password")
        page.get_by_role("button", name="Change password").click()
        page.get_by_role("heading", name="Password changed").wait_for()
        look(page)
        page.goto(f"{live}/reset-password?token=of-nobody")
        look(page)
    assert found == []
