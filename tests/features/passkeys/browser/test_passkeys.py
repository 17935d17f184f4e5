"""Somebody enrols passkeys and logs in with them, in Chromium with its virtual authenticators."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

PASSWORD = "alice-in-wonderland"

AXE = "axe_playwright_python"

LOOK = """async () => {
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
}"""


NO_OFFERS = """if (!localStorage.getItem("offers")) {
    PublicKeyCredential.isConditionalMediationAvailable = async () => false;
}"""


class Device:
    """A virtual authenticator of a page: https://www.w3.org/TR/webauthn-2/#sctn-automation."""

    def __init__(self, page: Page, **more: Any) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options | more})
        self._id = added["authenticatorId"]

    def _send(self, method: str, **more: Any) -> Any:
        return self._session.send(f"WebAuthn.{method}", {"authenticatorId": self._id, **more})

    @property
    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._send("getCredentials")["credentials"]
        return found

    def is_there(self, present: bool) -> None:
        """Whether somebody touches it when it is asked for something."""
        self._send("setAutomaticPresenceSimulation", enabled=present)

    def count_back(self) -> None:
        """As a copy that was made earlier does."""
        (credential,) = self.credentials
        self._send("removeCredential", credentialId=credential["credentialId"])
        self._send("addCredential", credential=credential | {"signCount": 1})


def see(page: Page, heading: str) -> None:
    page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def log_in_by_password(page: Page, live: str) -> None:
    page.goto(f"{live}/login")
    page.get_by_label("User name", exact=True).fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press(page, "Log in")


def log_out(page: Page, live: str) -> None:
    page.goto(f"{live}/logout")
    press(page, "Log out")
    see(page, "You have been logged out")


def enrol(page: Page, live: str, name: str) -> None:
    page.goto(f"{live}/passkeys")
    page.get_by_label("Name, by which you recognise it", exact=True).fill(name)
    page.get_by_label("Confirm with your password", exact=True).fill(PASSWORD)
    press(page, "Continue")
    press(page, "Create the passkey")
    see(page, "Your passkey has been added")


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    """It offers no passkey by itself: a virtual authenticator takes each offer at once."""
    with browser.new_context() as context:
        context.add_init_script(NO_OFFERS)
        yield context.new_page()


@pytest.fixture
def device(request: pytest.FixtureRequest, page: Page, live: str, database: Path) -> Device:
    """Of alice, with her only passkey; she is logged out."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM passkeys")
    log_in_by_password(page, live)
    see(page, "Your account")
    device = Device(page, **getattr(request, "param", {}))
    enrol(page, live, "laptop")
    log_out(page, live)
    return device


def use_passkey(page: Page, live: str) -> None:
    page.goto(f"{live}/login")
    press(page, "Log in with a passkey")


def test_a_passkey_logs_in_with_nothing_typed(page: Page, live: str, device: Device) -> None:
    (credential,) = device.credentials
    assert (credential["rpId"], credential["isResidentCredential"]) == ("localhost", True)
    use_passkey(page, live)
    see(page, "Your account")
    assert "last used" in page.get_by_role("region", name="Passkeys").inner_text()


def test_the_browser_offers_it_where_the_name_is_typed(
    page: Page, live: str, device: Device
) -> None:
    page.evaluate("localStorage.setItem('offers', 'on')")
    page.goto(f"{live}/login")
    see(page, "Your account")


NO_VERIFICATION = {"hasUserVerification": False, "isUserVerified": False}


@pytest.mark.parametrize("device", [NO_VERIFICATION], indirect=True)
def test_a_device_that_verifies_no_user_takes_the_password_too(
    page: Page, live: str, device: Device
) -> None:
    use_passkey(page, live)
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text() == "No passkey was used. Try again, or log in with your password."
    log_in_by_password(page, live)
    see(page, "One more step")
    press(page, "Use your passkey")
    see(page, "Your account")


def test_a_counter_that_goes_back_is_refused(page: Page, live: str, device: Device) -> None:
    use_passkey(page, live)
    see(page, "Your account")
    log_out(page, live)
    device.count_back()
    use_passkey(page, live)
    page.get_by_text("This passkey was not accepted.").wait_for()


def test_either_of_two_authenticators_logs_in(page: Page, live: str, device: Device) -> None:
    use_passkey(page, live)
    see(page, "Your account")
    device.is_there(False)
    second = Device(page, transport="usb")
    enrol(page, live, "security key")
    for here, gone in ((second, device), (device, second)):
        gone.is_there(False)
        here.is_there(True)
        log_out(page, live)
        use_passkey(page, live)
        see(page, "Your account")


def test_no_page_of_it_violates_a_rule_of_axe(page: Page, live: str, device: Device) -> None:
    pytest.importorskip(AXE, reason="axe is missing: pip install axe-playwright-python")
    axe = (files(AXE) / "axe.min.js").read_text()
    found: list[str] = []

    def look(heading: str) -> None:
        see(page, heading)
        page.evaluate(axe)
        found.extend(page.evaluate(LOOK))

    page.goto(f"{live}/login")
    look("Log in")
    log_in_by_password(page, live)
    look("One more step")
    press(page, "Use your passkey")
    look("Your account")
    page.goto(f"{live}/passkeys")
    look("Add a passkey")
    page.goto(f"{live}/account")
    page.get_by_role("link", name="Change the passkey").click()
    look("Change a passkey")
    assert found == []
