"""The page at ``/`` in development."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.docs_page import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_landing_page_brings_no_complaint_of_the_browser(page: Page, live: str) -> None:
    watch = Watch(page)
    page.goto(live)
    assert page.locator("h1").inner_text() == "Running for development"
    assert watch.complaints == []


def test_the_landing_page_asks_no_other_host(page: Page, live: str) -> None:
    watch = Watch(page)
    page.goto(live)
    assert f"{live}/assets/page.css" in {url.partition("?")[0] for url in watch.requested}
    assert [url for url in watch.requested if not url.startswith(f"{live}/")] == []


def test_every_link_of_the_landing_page_leads_somewhere(page: Page, live: str) -> None:
    page.goto(live)
    texts = page.locator("a").all_inner_texts()
    assert "/docs" in texts
    for text in texts:
        page.goto(live)
        with page.expect_navigation(wait_until="commit") as navigation:
            page.get_by_role("link", name=text, exact=True).click()
        assert (text, navigation.value.status) == (text, 200)


def test_the_landing_page_fits_a_narrow_screen(page: Page, live: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(live)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
