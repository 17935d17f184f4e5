"""Somebody sets up an app, logs in with it, loses it, and logs in to ``/docs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.features.mfa.apps import App
from tests.support.axe import violations_of_page
from tests.support.docs_page import PASSWORD, Docs, Watch, fresh_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CODE = "Code from your authenticator app"


def see(page: Page, heading: str) -> None:
    page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def type_password(page: Page, live: str) -> None:
    page.goto(f"{live}/login")
    page.get_by_label("User name", exact=True).fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Log in")


def set_up(page: Page, live: str) -> tuple[App, list[str]]:
    """At the account page; returns the app and the recovery codes."""
    type_password(page, live)
    see(page, "Your account")
    section = page.locator("section", has=page.locator("#second-factor"))
    section.get_by_label("Confirm with your password").fill(PASSWORD)
    section.get_by_role("button", name="Set up an authenticator app").click()
    drawn = page.locator("svg.qr").bounding_box()
    assert drawn is not None
    assert drawn["width"] == drawn["height"] > 150
    assert violations_of_page(page) == []
    app = App(page.locator("p", has_text="Or type this key").locator("code").inner_text())
    page.get_by_label("Code that the app shows").fill(app.code())
    press(page, "Confirm")
    page.locator(".codes li").first.wait_for()
    return app, page.locator(".codes li").all_inner_texts()


def test_an_app_is_set_up_used_and_lost(browser: Browser, live: str) -> None:
    with fresh_context(browser) as context:
        page = context.new_page()
        watch = Watch(page)
        app, codes = set_up(page, live)
        assert len(codes) == 10
        page.goto(f"{live}/logout")
        press(page, "Log out")
        # With the app
        type_password(page, live)
        see(page, "One more step")
        page.locator("[name=otp]:focus").wait_for()
        assert violations_of_page(page) == []
        page.get_by_label(CODE).fill(app.code())
        press(page, "Continue")
        see(page, "Your account")
    assert watch.complaints == []
    # Without scripts, and without the app
    with fresh_context(browser, javascript=False) as context:
        page = context.new_page()
        type_password(page, live)
        see(page, "One more step")
        page.get_by_text("Use a recovery code", exact=True).click()
        page.get_by_label("Recovery code", exact=True).fill(codes[0])
        page.get_by_label("Recovery code", exact=True).press("Enter")
        see(page, "Your account")
        assert "9 left" in page.locator("main").inner_text()
    # At /docs
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        row = docs.open_dialog()
        docs.type_login(row, "alice", PASSWORD)
        field = row.get_by_label("Code from your authenticator app, or a recovery code")
        field.wait_for()
        docs.page.locator("[autocomplete=one-time-code]:focus").wait_for()
        field.fill("nothing-like-a-code")
        field.press("Enter")
        row.get_by_text("or the code is wrong").wait_for()
        field.fill(codes[1])
        field.press("Enter")
        docs.dialog.wait_for(state="detached")
        assert docs.execute("account-get_me").body["username"] == "alice"
