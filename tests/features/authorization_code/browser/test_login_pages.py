"""Login, consent, account and logout, as a person with a browser meets them.

Everything on the pages is found as a screen reader finds it: by label, role and name.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from sqlalchemy import update

from app.features.authorization_code.model import PendingAuthorization
from app.identity.registration import Registration, create_client
from tests.features.authorization_code.browser.conftest import WELCOME, Person
from tests.support.browsers import InDatabase
from tests.support.docs_page import Watch, fresh_context

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page
    from sqlalchemy.ext.asyncio import AsyncConnection

CLIENT_NAME = "Photo Printer"
ALLOW = f"Allow {CLIENT_NAME}?"
ACCOUNT = "Your account"
FINISHED = "This login has expired or is already complete"
PASSWORD_CHANGED = "Your password has been changed. You have been logged out everywhere else."
WRONG = "The user name or the password is wrong."
FAILED = "Failed to load resource: the server responded with a status of 400 (Bad Request)"

NEW_PASSWORD = "several quite different words"

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""Of RFC 7636, appendix B."""

TABS = 40
"""How often the key may be pressed until a thing has the focus."""


@dataclass(frozen=True)
class Shop:
    """A client of the server at ``issuer``, whose own pages are at ``url``."""

    issuer: str
    url: str
    client_id: str

    @property
    def callback(self) -> str:
        return f"{self.url}/callback"

    def request(self, **changes: str) -> str:
        """The address that it sends its users to."""
        parameters = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.callback,
            "scope": "openid profile",
            "state": "state of the shop",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.issuer}/authorize?{urlencode(parameters | changes)}"


def onward(application: str, other_application: str) -> str:
    """An address of the application that sends everybody on to another origin."""
    return f"{application}/onward?{other_application}/home?a=b"


@pytest.fixture(scope="module")
def shop(live: str, application: str, other_application: str, in_database: InDatabase) -> Shop:
    """A confidential client, which may remember consents."""
    registration = Registration(
        name=CLIENT_NAME,
        client_id="photo-printer",
        grant_types=("authorization_code", "refresh_token"),
        redirect_uris=(f"{application}/callback", onward(application, other_application)),
        post_logout_redirect_uris=(
            f"{application}/goodbye",
            onward(application, other_application),
        ),
        scopes=("openid", "profile", "email", "items:read"),
        default_scopes=("profile",),
    )

    async def register(connection: AsyncConnection) -> tuple[str, str | None]:
        return await create_client(connection, registration, datetime.now(UTC))

    client_id, _ = in_database(register)
    return Shop(live, application, client_id)


class Tab:
    """A tab of a browser, and what a person does in it."""

    def __init__(self, page: Page, shop: Shop, person: Person) -> None:
        self.page = page
        self.watch = Watch(page)
        self._shop = shop
        self._person = person

    def come(self, **changes: str) -> None:
        """Come from the client."""
        self.page.goto(self._shop.request(**changes))

    def open(self, path: str) -> None:
        self.page.goto(self._shop.issuer + path)

    def see(self, heading: str) -> None:
        """Wait for the page of that heading."""
        self.page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)

    def wait_for_focus(self, label: str) -> None:
        """Wait for it: a browser gives a field the focus after it has shown the page."""
        self.field(label).and_(self.page.locator(":focus")).wait_for()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def log_in(self, password: str | None = None) -> None:
        """Fill in the login page."""
        self.see("Log in")
        self.field("User name").fill(self._person.name)
        self.field("Password").fill(password or self._person.password)
        self.press("Log in")

    def allow(self) -> None:
        self.see(ALLOW)
        self.press("Allow")

    def answer(self) -> dict[str, str]:
        """What the client was told."""
        self.see(WELCOME)
        address, _, query = self.page.url.partition("?")
        assert address == self._shop.callback
        return dict(parse_qsl(query, keep_blank_values=True))

    def log_in_for_the_account(self) -> None:
        self.open("/account")
        self.log_in()
        self.see(ACCOUNT)

    def alert(self) -> str:
        return self.page.get_by_role("alert").inner_text()

    def notice(self) -> str:
        return self.page.get_by_role("status").inner_text()

    def press_keys_until(self, target: Locator) -> None:
        """Go from one thing to the next with the keyboard."""
        for _ in range(TABS):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {target}")


@pytest.fixture
def tab(browser: Browser, shop: Shop, person: Person) -> Generator[Tab]:
    """The first tab of a browser that has never been anywhere."""
    with fresh_context(browser) as context:
        yield Tab(context.new_page(), shop, person)


@pytest.fixture
def other_tab(tab: Tab, shop: Shop, person: Person) -> Tab:
    """The second one of the same browser."""
    return Tab(tab.page.context.new_page(), shop, person)


def assert_code(answer: dict[str, str], shop: Shop, state: str = "state of the shop") -> None:
    assert answer == {"code": answer["code"], "iss": shop.issuer, "state": state}
    assert len(answer["code"]) == 43


# Logging in and allowing


def test_a_login_and_a_consent_lead_back_with_a_code(tab: Tab, shop: Shop) -> None:
    tab.come()
    tab.log_in()
    tab.allow()
    assert_code(tab.answer(), shop)


def test_the_login_page_names_the_application(tab: Tab) -> None:
    tab.come()
    tab.see("Log in")
    assert tab.page.get_by_role("strong").all_inner_texts() == [CLIENT_NAME]


def test_the_consent_page_says_in_words_what_the_application_wants(tab: Tab) -> None:
    tab.come(scope="openid profile email items:read")
    tab.log_in()
    tab.see(ALLOW)
    assert tab.page.get_by_role("listitem").all_inner_texts() == [
        "Know who you are",
        "See your user name",
        "See your e-mail address",
        "See your items",
    ]


def test_a_denied_consent_leads_back_with_an_error(tab: Tab, shop: Shop) -> None:
    tab.come()
    tab.log_in()
    tab.see(ALLOW)
    tab.press("Deny")
    assert tab.answer() == {
        "error": "access_denied",
        "error_description": "The user denied the request.",
        "iss": shop.issuer,
        "state": "state of the shop",
    }


def test_an_application_that_was_allowed_is_not_asked_about_again(tab: Tab, shop: Shop) -> None:
    tab.come()
    tab.log_in()
    tab.allow()
    first = tab.answer()
    tab.come(state="the second")
    second = tab.answer()
    assert_code(second, shop, "the second")
    assert second["code"] != first["code"]


def test_an_application_that_wants_more_is_asked_about_again(tab: Tab) -> None:
    tab.come()
    tab.log_in()
    tab.allow()
    tab.see(WELCOME)
    tab.come(scope="openid profile items:read")
    tab.see(ALLOW)


def test_a_public_client_on_loopback_is_asked_about_every_time(tab: Tab) -> None:
    tab.come(client_id="demo-spa")
    tab.log_in()
    tab.see("Allow Demo single-page application?")
    tab.press("Allow")
    tab.see(WELCOME)
    tab.come(client_id="demo-spa")
    tab.see("Allow Demo single-page application?")


def test_the_login_and_the_consent_work_without_javascript(
    browser: Browser, shop: Shop, person: Person
) -> None:
    with fresh_context(browser, javascript=False) as context:
        tab = Tab(context.new_page(), shop, person)
        tab.come()
        tab.log_in()
        tab.allow()
        assert_code(tab.answer(), shop)


def test_an_answer_by_form_post_is_sent_on_by_itself(tab: Tab) -> None:
    tab.come(response_mode="form_post")
    tab.log_in()
    tab.allow()
    assert tab.answer() == {}
    assert tab.watch.complaints == []


def test_an_answer_by_form_post_has_a_button_where_there_is_no_javascript(
    browser: Browser, shop: Shop, person: Person
) -> None:
    with fresh_context(browser, javascript=False) as context:
        tab = Tab(context.new_page(), shop, person)
        tab.come(response_mode="form_post")
        tab.log_in()
        tab.allow()
        tab.see("One moment")
        tab.press("Continue")
        assert tab.answer() == {}


@pytest.mark.parametrize("response_mode", ["query", "form_post"])
def test_a_callback_may_send_the_browser_on_to_another_origin(
    tab: Tab, application: str, other_application: str, response_mode: str
) -> None:
    callback = onward(application, other_application)
    tab.come(redirect_uri=callback, response_mode=response_mode)
    tab.log_in()
    tab.allow()
    tab.see(WELCOME)
    assert tab.page.url.startswith(f"{other_application}/home?a=b")
    assert tab.watch.complaints == []


def test_a_login_alone_may_end_on_another_origin(
    tab: Tab, application: str, other_application: str
) -> None:
    callback = onward(application, other_application)
    tab.come(redirect_uri=callback)
    tab.log_in()
    tab.allow()
    tab.see(WELCOME)
    tab.page.context.clear_cookies()
    tab.come(redirect_uri=callback)
    tab.log_in()  # what was allowed is not asked again
    tab.see(WELCOME)
    assert tab.page.url.startswith(f"{other_application}/home?a=b")


# What goes wrong


def test_a_wrong_password_is_said_in_an_alert(tab: Tab) -> None:
    tab.come()
    tab.log_in("wrong")
    assert tab.alert() == WRONG


def test_after_a_wrong_password_only_the_password_has_to_be_typed_again(
    tab: Tab, shop: Shop, person: Person
) -> None:
    tab.come()
    tab.log_in("wrong")
    assert tab.alert() == WRONG
    assert tab.field("User name").input_value() == person.name
    assert tab.field("Password").input_value() == ""
    tab.wait_for_focus("Password")
    tab.page.keyboard.type(person.password)
    tab.page.keyboard.press("Enter")
    tab.allow()
    assert_code(tab.answer(), shop)


def expire_requests(in_database: InDatabase) -> None:
    """Let half an hour go by for whoever is logging in."""

    async def expire(connection: AsyncConnection) -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(update(PendingAuthorization).values(expires_at=past))

    in_database(expire)


def test_a_login_form_that_has_expired_says_what_to_do(tab: Tab, in_database: InDatabase) -> None:
    tab.come()
    tab.see("Log in")
    expire_requests(in_database)
    tab.log_in()
    tab.see(FINISHED)
    advice = "Go back to the application and log in again from there."
    assert tab.page.get_by_text(advice, exact=True).is_visible()


def test_a_consent_form_that_has_expired_says_what_to_do(tab: Tab, in_database: InDatabase) -> None:
    tab.come()
    tab.log_in()
    tab.see(ALLOW)
    expire_requests(in_database)
    tab.press("Allow")
    tab.see(FINISHED)


def test_the_back_button_after_the_end_leads_to_no_second_code(tab: Tab) -> None:
    tab.come()
    tab.log_in()
    tab.allow()
    tab.see(WELCOME)
    tab.page.go_back()
    tab.see(FINISHED)
    assert tab.page.get_by_role("button").count() == 0


def test_the_back_button_leads_from_the_consent_back_to_the_consent(tab: Tab, shop: Shop) -> None:
    tab.come()
    tab.log_in()
    tab.see(ALLOW)
    tab.page.go_back()
    tab.allow()
    assert_code(tab.answer(), shop)


# Two tabs


def test_two_tabs_with_two_requests_each_lead_back_with_their_own_state(
    tab: Tab, other_tab: Tab, shop: Shop
) -> None:
    tab.come(state="the first")
    tab.log_in()
    tab.see(ALLOW)
    other_tab.come(state="the second")
    other_tab.allow()
    assert_code(other_tab.answer(), shop, "the second")
    tab.press("Allow")
    assert_code(tab.answer(), shop, "the first")


def test_a_login_form_that_another_tab_has_overtaken_goes_on_with_that_login(
    tab: Tab, other_tab: Tab, shop: Shop
) -> None:
    tab.come(state="the first")
    tab.see("Log in")
    other_tab.come(state="the second")
    other_tab.log_in()
    other_tab.see(ALLOW)
    tab.log_in()
    tab.allow()
    assert_code(tab.answer(), shop, "the first")


def test_whoever_is_somebody_else_logs_in_from_the_consent_page(
    tab: Tab, shop: Shop, add_person: Callable[[], Person]
) -> None:
    tab.come()
    tab.log_in()
    tab.see(ALLOW)
    tab.follow("Log in as someone else")
    somebody_else = add_person()
    Tab(tab.page, shop, somebody_else).log_in()
    tab.see(ALLOW)
    assert tab.page.get_by_role("strong").all_inner_texts() == [somebody_else.name]
    tab.allow()
    assert_code(tab.answer(), shop)


# The account


def access_token(live: str, person: Person) -> str:
    """A login of the person with another application."""
    form = {
        "grant_type": "password",
        "username": person.name,
        "password": person.password,
        "client_id": "first-party",
    }
    with httpx2.Client(trust_env=False, timeout=10) as http:
        answer = http.post(f"{live}/token", data=form).json()
    return str(answer["access_token"])


def status_of(live: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(trust_env=False, timeout=10) as http:
        return http.get(f"{live}/users/me", headers=headers).status_code


def test_the_account_page_ends_a_session_of_an_application(
    tab: Tab, live: str, person: Person
) -> None:
    token = access_token(live, person)
    assert status_of(live, token) == 200
    tab.log_in_for_the_account()
    tab.press("End the login of First-party application")
    assert tab.notice() == "The application has been logged out."
    assert tab.page.get_by_text("No application is signed in to your account.").is_visible()
    assert status_of(live, token) == 401


def test_the_account_page_logs_another_browser_out(
    browser: Browser, tab: Tab, shop: Shop, person: Person
) -> None:
    with fresh_context(browser) as elsewhere:
        other = Tab(elsewhere.new_page(), shop, person)
        other.log_in_for_the_account()
        tab.log_in_for_the_account()
        assert tab.page.get_by_text("This browser", exact=True).count() == 1
        tab.page.get_by_role("button", name="Log out Chrome on Linux since").click()
        assert tab.notice() == "That browser has been logged out."
        other.open("/account")
        other.see("Log in")


def test_the_account_page_logs_out_everywhere_else(tab: Tab, live: str, person: Person) -> None:
    token = access_token(live, person)
    tab.log_in_for_the_account()
    tab.press("Log out everywhere else")
    assert tab.notice() == "You have been logged out everywhere else."
    assert status_of(live, token) == 401


def test_the_account_page_takes_back_what_an_application_may_do(tab: Tab, person: Person) -> None:
    tab.come()
    tab.log_in()
    tab.allow()
    tab.see(WELCOME)
    tab.open("/account")
    tab.see(ACCOUNT)
    tab.press(f"Remove access for {CLIENT_NAME}")
    assert tab.notice() == "The application no longer has access to your account."
    assert tab.page.get_by_text("No application has access to your account.").is_visible()
    tab.come()
    tab.see(ALLOW)


def change_password(tab: Tab, current: str) -> None:
    tab.field("Current password").fill(current)
    tab.field("New password").fill(NEW_PASSWORD)
    tab.press("Change password")


def test_a_new_password_is_good_for_the_next_login_and_the_old_one_is_not(
    tab: Tab, person: Person
) -> None:
    tab.log_in_for_the_account()
    change_password(tab, person.password)
    assert tab.notice() == PASSWORD_CHANGED
    tab.follow("Log out")
    tab.press("Log out")
    tab.see("You have been logged out")
    tab.follow("log in again")
    tab.log_in()
    assert tab.alert() == WRONG
    tab.log_in(NEW_PASSWORD)
    tab.see(ACCOUNT)


def test_a_new_password_needs_the_current_one(tab: Tab) -> None:
    tab.log_in_for_the_account()
    change_password(tab, "not the current one")
    assert tab.alert() == "The current password is wrong."


# Logging out


def test_a_logout_is_confirmed_first(tab: Tab, person: Person) -> None:
    tab.log_in_for_the_account()
    tab.follow("Log out")
    tab.see("Log out?")
    tab.open("/account")
    tab.see(ACCOUNT)


def test_after_the_logout_the_account_asks_for_a_login(tab: Tab) -> None:
    tab.log_in_for_the_account()
    tab.follow("Log out")
    tab.press("Log out")
    tab.see("You have been logged out")
    tab.open("/account")
    tab.see("Log in")


def test_whoever_stays_logged_in_comes_back_to_the_account(tab: Tab, person: Person) -> None:
    tab.log_in_for_the_account()
    tab.follow("Log out")
    tab.follow("Stay logged in")
    tab.see(ACCOUNT)


def test_a_logout_that_the_application_wants_leads_back_to_it_when_it_is_confirmed(
    tab: Tab, shop: Shop
) -> None:
    tab.log_in_for_the_account()
    back = {"client_id": shop.client_id, "post_logout_redirect_uri": f"{shop.url}/goodbye"}
    tab.open(f"/logout?{urlencode({**back, 'state': 'until next time'})}")
    tab.see("Log out?")
    tab.press("Log out")
    tab.see(WELCOME)
    assert tab.page.url == f"{shop.url}/goodbye?state=until%20next%20time"


def test_after_the_logout_the_application_may_send_the_browser_on_to_another_origin(
    tab: Tab, shop: Shop, application: str, other_application: str
) -> None:
    tab.log_in_for_the_account()
    uri = onward(application, other_application)
    back = {"client_id": shop.client_id, "post_logout_redirect_uri": uri}
    tab.open(f"/logout?{urlencode(back)}")
    tab.press("Log out")
    tab.see(WELCOME)
    assert tab.page.url == f"{other_application}/home?a=b"


# With the keyboard alone


def test_the_login_and_the_consent_work_with_the_keyboard_alone(
    tab: Tab, shop: Shop, person: Person
) -> None:
    keyboard = tab.page.keyboard
    tab.come()
    tab.wait_for_focus("User name")
    keyboard.type(person.name)
    keyboard.press("Tab")
    keyboard.type(person.password)
    keyboard.press("Enter")
    tab.see(ALLOW)
    tab.press_keys_until(tab.page.get_by_role("button", name="Allow", exact=True))
    keyboard.press("Enter")
    assert_code(tab.answer(), shop)


def test_the_password_is_changed_with_the_keyboard_alone(tab: Tab, person: Person) -> None:
    keyboard = tab.page.keyboard
    tab.log_in_for_the_account()
    tab.press_keys_until(tab.field("Current password"))
    keyboard.type(person.password)
    tab.press_keys_until(tab.field("New password"))
    keyboard.type(NEW_PASSWORD)
    tab.press_keys_until(tab.page.get_by_role("button", name="Change password", exact=True))
    keyboard.press("Enter")
    assert tab.notice() == PASSWORD_CHANGED


def test_the_logout_works_with_the_keyboard_alone(tab: Tab) -> None:
    tab.log_in_for_the_account()
    tab.press_keys_until(tab.page.get_by_role("link", name="Log out", exact=True))
    tab.page.keyboard.press("Enter")
    tab.see("Log out?")
    tab.press_keys_until(tab.page.get_by_role("button", name="Log out", exact=True))
    tab.page.keyboard.press("Enter")
    tab.see("You have been logged out")


def test_whatever_wait_for_focus_is_outlined(tab: Tab) -> None:
    tab.come()
    tab.wait_for_focus("User name")
    tab.page.keyboard.press("Tab")
    outlined = "element => getComputedStyle(element).outlineStyle"
    assert tab.field("Password").evaluate(outlined) == "solid"
    assert tab.field("User name").evaluate(outlined) == "none"


# What the browser has to say


@pytest.fixture(scope="module")
def tour(browser: Browser, shop: Shop, add_person: Callable[[], Person]) -> Watch:
    """What the browser had to say while a person saw every page."""
    person = add_person()
    with fresh_context(browser) as context:
        tab = Tab(context.new_page(), shop, person)
        tab.come()
        tab.log_in("wrong")
        tab.log_in()
        tab.allow()
        tab.see(WELCOME)
        tab.open("/account")
        tab.see(ACCOUNT)
        tab.press(f"Remove access for {CLIENT_NAME}")
        tab.page.get_by_role("status").wait_for()
        tab.follow("Log out")
        tab.press("Log out")
        tab.see("You have been logged out")
        tab.open("/login?request=unknown")
        tab.see(FINISHED)
    return tab.watch


def test_the_pages_bring_no_complaint_of_the_browser_but_of_the_refused_requests(
    tour: Watch,
) -> None:
    assert tour.complaints == [FAILED, FAILED]  # the wrong password, the unknown request


def test_the_pages_ask_no_other_host(tour: Watch, shop: Shop) -> None:
    asked = {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in tour.requested}
    assert asked == {shop.issuer, shop.url}


def test_the_pages_leave_nothing_that_a_script_could_read(tab: Tab, person: Person) -> None:
    tab.log_in_for_the_account()
    kept = tab.page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    assert kept == [{}, {}, ""]


def test_no_page_is_wider_than_a_phone(tab: Tab, live: str, person: Person) -> None:
    access_token(live, person)
    tab.page.set_viewport_size({"width": 390, "height": 844})
    widths: dict[str, int] = {}

    def measure(heading: str) -> None:
        tab.see(heading)
        widths[heading] = tab.page.evaluate("document.documentElement.scrollWidth")

    tab.come()
    measure("Log in")
    tab.log_in()
    measure(ALLOW)
    tab.open("/account")
    measure(ACCOUNT)
    tab.open("/logout")
    measure("Log out?")
    tab.press("Log out")
    measure("You have been logged out")
    tab.open("/login?request=unknown")
    measure(FINISHED)
    assert set(widths.values()) == {390}, widths
