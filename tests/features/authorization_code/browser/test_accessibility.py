"""axe-core looks at the pages of a login: nothing may keep anybody out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.support.axe import violations_of_page
from tests.support.docs_page import fresh_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.features.authorization_code.browser.conftest import Person

REQUEST = {
    "client_id": "demo-web",
    "response_type": "code",
    "redirect_uri": "http://127.0.0.1:9000/callback",
    "scope": "openid profile",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


def test_no_page_violates_a_rule_of_axe_or_is_too_wide_in_any_window(
    browser: Browser, live: str, person: Person
) -> None:
    found: list[str] = []
    headings: list[str] = []

    def look(page: Page) -> None:
        headings.append(page.get_by_role("heading", level=1).inner_text())
        found.extend(violations_of_page(page))

    def log_in(page: Page, password: str) -> None:
        page.get_by_label("User name").fill(person.name)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Log in", exact=True).click()

    with fresh_context(browser) as context:
        page = context.new_page()
        page.goto(f"{live}/authorize")
        look(page)
        page.goto(f"{live}/authorize?{urlencode(REQUEST)}")
        log_in(page, "not the password of anybody")
        page.get_by_role("alert").wait_for()
        look(page)
        page.reload()
        page.get_by_role("button", name="Show (Password)", exact=True).click()
        look(page)
        log_in(page, person.password)
        page.get_by_role("button", name="Allow").wait_for()
        look(page)
        for path in ("/account", "/logout"):
            page.goto(live + path)
            look(page)
        page.goto(f"{live}/logout")
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="You have been logged out").wait_for()
        look(page)
    assert headings == [
        "The request must name exactly one application",
        *("Log in", "Log in", "Allow Demo web application?"),
        *("Your account", "Log out?", "You have been logged out"),
    ]
    assert found == []
