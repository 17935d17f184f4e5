"""axe-core: the rules of WCAG 2.2 AA that a program can check, and axe's own of what is good."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

PACKAGE = "axe_playwright_python"

SIZES = ((1280, 720), (640, 360), (390, 844))
"""Of a desk, of the same desk where the browser enlarges everything to 200 %, and of a phone."""

SIGHTS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]

SEEN = ["color-contrast", "target-size"]
"""The rules that depend on the window. The others are about what is there: they are asked once."""

LOOK = """async ([include, seen, all]) => {
    const rules = all
        ? { rules: Object.fromEntries(seen.map((rule) => [rule, { enabled: true }])) }
        : { runOnly: { type: "rule", values: seen } };
    const context = include.length ? { include: include.map((each) => [each]) } : document;
    const { violations } = await axe.run(context, { resultTypes: ["violations"], ...rules });
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}"""

WIDEST = """() => ["ltr", "rtl"].map((dir) => {
    document.documentElement.dir = dir;
    return document.documentElement.scrollWidth;
})"""


def load_axe(page: Page) -> None:
    """Bring axe into a page; the test is skipped where it is not installed."""
    pytest.importorskip(PACKAGE, reason="axe is missing: pip install axe-playwright-python")
    page.evaluate((files(PACKAGE) / "axe.min.js").read_text())


def violations(page: Page, include: Sequence[str] = ()) -> list[str]:
    """What axe finds in every window, in those parts of the page or in all of it."""
    found: list[str] = []
    for index, ((width, height), scheme) in enumerate(SIGHTS):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        look = page.evaluate(LOOK, [list(include), SEEN, index == 0])
        found += [f"{width} {scheme} {each}" for each in look]
    return found


def violations_of_page(page: Page) -> list[str]:
    """The same for a page of ours as a whole, which also fits every window, from either side."""
    load_axe(page)
    found = violations(page)
    for size in SIZES:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        if page.evaluate(WIDEST) != [size[0]] * 2:
            found.append(f"wider than {size[0]}")
    return [f"{page.title()}: {each}" for each in found]
