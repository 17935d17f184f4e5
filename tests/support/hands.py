"""What a person does a page with: a mouse, or a keyboard alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from playwright.sync_api import Locator

FAR = 60
"""How often Tab is pressed for one thing before it counts as out of reach."""

WHERE = """element => {
    const here = document.activeElement;
    if (here === element) return "here";
    const follows = here.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING;
    return here === document.body || follows ? "ahead" : "behind";
}"""


class Hand(Protocol):
    def press(self, element: Locator) -> None:
        """A button, a link, the head of a group."""

    def choose(self, radio: Locator) -> None:
        """One button of several, of which one is chosen."""

    def write(self, field: Locator, text: str) -> None:
        """Into an empty field."""


class Mouse:
    """Moves the pointer to what is in view, or is scrolled into it, and presses."""

    def press(self, element: Locator) -> None:
        element.click()

    def choose(self, radio: Locator) -> None:
        radio.click()

    def write(self, field: Locator, text: str) -> None:
        field.click()
        field.page.keyboard.insert_text(text)


class Keyboard:
    """Goes from one thing to the next with Tab, and sees where it is."""

    def press(self, element: Locator) -> None:
        self._reach(element)
        element.page.keyboard.press("Enter")

    def choose(self, radio: Locator) -> None:
        chosen = radio.locator("xpath=ancestor::fieldset//input[@type='radio']")
        while not radio.is_checked():
            self._reach(next(each for each in chosen.all() if each.is_checked()))
            radio.page.keyboard.press("ArrowDown")

    def write(self, field: Locator, text: str) -> None:
        self._reach(field)
        field.page.keyboard.insert_text(text)

    def _reach(self, element: Locator) -> None:
        element.wait_for()
        for _ in range(FAR):
            match element.evaluate(WHERE):
                case "here":
                    return
                case "ahead":
                    element.page.keyboard.press("Tab")
                case _:
                    element.page.keyboard.press("Shift+Tab")
        raise AssertionError(f"no key leads to {element}")
