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

OURS = [".lk-bar", ".lk-filter", ".lk-badge", ".lk-table"]

SIGHTS = [(size, scheme) for size in ((1280, 720), (390, 844)) for scheme in ("light", "dark")]

SEEN = ["color-contrast", "target-size"]
"""The rules that depend on the window. The others are about what is there: they are asked once."""

LOOK = """async ([ours, seen, all]) => {
    const dialog = document.querySelector("dialog"); // which hides all else
    const found = dialog ? ["dialog"] : ours.filter((each) => document.querySelector(each));
    const include = found.map((each) => [each]);
    const rules = all
        ? { rules: Object.fromEntries(seen.map((rule) => [rule, { enabled: true }])) }
        : { runOnly: { type: "rule", values: seen } };
    const { violations } = await axe.run({ include }, { resultTypes: ["violations"], ...rules });
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}"""


def violations(docs: Docs) -> list[str]:
    """What axe finds in every window."""
    found: list[str] = []
    for index, ((width, height), scheme) in enumerate(SIGHTS):
        docs.page.set_viewport_size({"width": width, "height": height})
        docs.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        look = docs.page.evaluate(LOOK, [OURS, SEEN, index == 0])
        found += [f"{width} {scheme} {each}" for each in look]
    return found


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


def test_nothing_of_ours_violates_a_rule_of_axe_in_any_window(browser: Browser, live: str) -> None:
    pytest.importorskip(PACKAGE, reason="axe is missing: pip install axe-playwright-python")
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        docs.page.evaluate((files(PACKAGE) / "axe.min.js").read_text())
        docs.show_group("schemes")
        found = {"first": violations(docs)}
        docs.page.locator('.opblock-tag[data-tag="schemes"]').dispatch_event("click")
        for step in STEPS:
            step(docs)
            found[step.__name__] = violations(docs)
    assert found == {"first": [], **{step.__name__: [] for step in STEPS}}
