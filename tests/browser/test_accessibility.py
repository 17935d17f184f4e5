"""axe-core looks at pages of the core and at our part of ``/docs``: none may keep anybody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.features import FOLDERS
from tests.support.axe import load_axe, violations, violations_of_page
from tests.support.docs_page import Docs, fresh_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

OURS = [".lk-bar", ".lk-filter", ".lk-badge", ".lk-table"]


def found_in(docs: Docs) -> list[str]:
    """In the dialog alone where one is open: it hides all else."""
    if docs.page.locator("dialog").count():
        return violations(docs.page, ["dialog"])
    there = [each for each in OURS if docs.page.locator(each).count()]
    return violations(docs.page, there)


def open_dialog(docs: Docs) -> None:
    docs.open_dialog()


def open_cookie(docs: Docs) -> None:
    docs.open_row("APIKeyCookie")


def log_in(docs: Docs) -> None:
    docs.close_dialog()
    docs.log_in()


def decode(docs: Docs) -> None:
    docs.press("Decode")
    docs.dialog.get_by_text("The signature is good").wait_for()


def introspect(docs: Docs) -> None:
    docs.close_dialog()
    docs.press("Introspect")


def be_refused(docs: Docs) -> None:
    docs.close_dialog()
    docs.press("Test logins")
    docs.dialog.get_by_role("button", name="Missing scope", exact=True).click()
    docs.dialog.get_by_label("Missing scope", exact=True).wait_for()


STEPS: list[Callable[[Docs], None]] = [
    open_dialog,
    open_cookie,
    log_in,
    decode,
    introspect,
    be_refused,
]


@pytest.mark.skipif("schemes" not in FOLDERS, reason="the samples that it tries are not there")
def test_nothing_of_ours_violates_a_rule_of_axe_in_any_window(browser: Browser, live: str) -> None:
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        load_axe(docs.page)
        docs.show_group("schemes")
        found = {"first": found_in(docs)}
        docs.page.locator('.opblock-tag[data-tag="schemes"]').dispatch_event("click")
        for step in STEPS:
            step(docs)
            found[step.__name__] = found_in(docs)
    assert found == {"first": [], **{step.__name__: [] for step in STEPS}}


def test_no_page_violates_a_rule_of_axe_or_is_too_wide_in_any_window(
    browser: Browser, live: str
) -> None:
    with fresh_context(browser) as context:
        page = context.new_page()
        for path in ("/", "/nowhere/at/all"):
            page.goto(live + path)
            assert violations_of_page(page) == []
