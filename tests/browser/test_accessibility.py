"""axe-core looks at what is ours in ``/docs``: nothing in it may keep anybody out."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from tests.support.docs_page import Docs, fresh_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser

PACKAGE = "axe_playwright_python"

OURS = [".lk-bar", "dialog", ".lk-filter", ".lk-badge", ".lk-table"]

LOOK = """async (ours) => {
    const include = ours.filter((each) => document.querySelector(each)).map((each) => [each]);
    const { violations } = await axe.run({ include });
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}"""


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


@pytest.mark.parametrize(
    ("size", "dark"), [((1280, 720), False), ((390, 844), True)], ids=["wide-light", "phone-dark"]
)
def test_nothing_of_ours_violates_a_rule_of_axe(
    browser: Browser, live: str, size: tuple[int, int], dark: bool
) -> None:
    pytest.importorskip(PACKAGE, reason="axe is missing: pip install axe-playwright-python")
    with fresh_context(browser, size=size, dark=dark) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        docs.page.evaluate((files(PACKAGE) / "axe.min.js").read_text())
        docs.show_group("schemes")
        found = {"first": docs.page.evaluate(LOOK, OURS)}
        for step in STEPS:
            step(docs)
            found[step.__name__] = docs.page.evaluate(LOOK, OURS)
    assert found == {"first": [], **{step.__name__: [] for step in STEPS}}
