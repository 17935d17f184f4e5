"""An account of one's own in a browser, with the mail that a mail server got."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.features.mail.delivered import wait_for_link
from tests.support.axe import violations_of_page
from tests.support.docs_page import fresh_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.features.mail.post_office import PostOffice

PASSWORD = "a password of one's own"

ADMIN_PASSWORD = "administrator-in-development"


def make_account(page: Page, link: str, username: str) -> None:
    page.goto(link)
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    page.get_by_role("heading", name="Your account").wait_for()


def test_without_javascript_somebody_registers_and_goes_on_in_another_browser(
    browser: Browser, live: str, office: PostOffice
) -> None:
    office.forget()
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{live}/login")
        page.get_by_role("link", name="Create an account").click()
        page.get_by_label("E-mail address").fill("ada@example.com")
        page.get_by_role("button", name="Send the link").click()
        page.get_by_role("heading", name="Check your mail").wait_for()
        link = wait_for_link(page, office, "/invitation")
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        make_account(page, link, "ada")
        assert "ada@example.com" in page.content()


def test_an_administrator_invites_somebody_who_makes_an_account(
    browser: Browser, live: str, office: PostOffice
) -> None:
    office.forget()
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{live}/login")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password", exact=True).fill(ADMIN_PASSWORD)
        page.get_by_role("button", name="Log in").click()
        section = page.get_by_role("region", name="Invitations")
        section.get_by_label("E-mail address").fill("grace@example.com")
        section.get_by_role("button", name="Invite").click()
        page.get_by_text("The invitation is on its way.").wait_for()
        link = wait_for_link(page, office, "/invitation")
    with browser.new_context() as context:
        make_account(context.new_page(), link, "grace")


def test_no_page_of_it_violates_a_rule_of_axe(
    browser: Browser, live: str, office: PostOffice
) -> None:
    office.forget()
    found: list[str] = []

    def look(page: Page) -> None:
        found.extend(violations_of_page(page))

    with fresh_context(browser) as context:
        page = context.new_page()
        page.goto(f"{live}/register")
        look(page)
        page.get_by_label("E-mail address").fill("mary@example.com")
        page.get_by_role("button", name="Send the link").click()
        page.get_by_role("heading", name="Check your mail").wait_for()
        look(page)
        page.goto(wait_for_link(page, office, "/invitation"))
        look(page)
    assert found == []
