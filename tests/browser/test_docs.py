"""The page at ``/docs``, as a person with a browser meets it.

One visit serves most tests, for Swagger UI takes its time to load. The schemes other than the
password flow are in ``tests/features/schemes/browser``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import httpx2
import pytest

from app.clock import Clock
from app.database.engines import Database
from app.features import FOLDERS
from app.identity.scopes import list_scopes
from app.management.authority import operating
from app.management.scopes import create_scope
from tests.support.docs_page import (
    PASSWORD,
    PASSWORD_FLOW,
    Answer,
    Docs,
    Tokens,
    Watch,
    fresh_context,
    kept,
)
from tests.support.hands import Hand, Keyboard, Mouse
from tests.support.live_server import default_scope

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route
    from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")

pytestmark = pytest.mark.skipif(
    "schemes" not in FOLDERS, reason="the samples that are tried out are not there"
)

DEFAULTS = default_scope("swagger-ui").split()

SERVICE = ("demo-service", "demo-service-secret-for-development-only")

ADMIN_PASSWORD = "administrator-in-development"

PROPAGATION = 2
"""Seconds that a change to a scope may take to reach a server."""

SIGHTS = [((1280, 720), False), ((390, 844), True)]
"""The size of the window, and whether it is dark."""


def in_database(url: str, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """What ``work`` returns; in a thread of its own, for the browser's loop runs in this one."""

    async def main() -> Result:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(main())).result()


def offered_scopes(row: Locator) -> Mapping[str, str]:
    """Name and description of each scope that may be ticked."""
    names = row.locator(".lk-scopes li code").all_inner_texts()
    descriptions = row.locator(".lk-scopes li span").all_inner_texts()
    return dict(zip(names, descriptions, strict=True))


def ticked_scopes(row: Locator) -> list[str]:
    found: list[str] = row.locator(".lk-scopes input:checked").evaluate_all(
        "boxes => boxes.map(box => box.value)"
    )
    return found


def is_in_view(element: Locator, height: int = 30) -> bool:
    """Whether the uppermost ``height`` pixels of it can be seen."""
    found: bool = element.evaluate(
        """(element, height) => {
            const { left, top, right } = element.getBoundingClientRect();
            const inside = left >= 0 && top >= 0 && right <= innerWidth;
            const hit = document.elementFromPoint((left + right) / 2, top + height / 2);
            return inside && top + height <= innerHeight && element.contains(hit);
        }""",
        height,
    )
    return found


# At first sight


@dataclass(frozen=True)
class FirstSight:
    """The page as it opens, and filtered."""

    height: int
    fragment: str
    open_groups: list[str]
    groups: list[str]
    open_schemas: int
    filtered: list[str]
    badge: str
    samples: str


@pytest.fixture(scope="module")
def visited(browser: Browser, live: str) -> Generator[Docs]:
    """The page of the visit, opened once."""
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        yield docs


@pytest.fixture(scope="module")
def first_sight(visited: Docs) -> FirstSight:
    page = visited.page
    tags = page.locator(".opblock-tag")
    groups = tags.evaluate_all("tags => tags.map(tag => tag.dataset.tag)")
    opened = page.locator('.opblock-tag[data-is-open="true"]')
    open_groups = opened.evaluate_all("tags => tags.map(tag => tag.dataset.tag)")
    height = page.evaluate("document.documentElement.scrollHeight")
    fragment = page.evaluate("location.hash")
    open_schemas = page.locator("section.models.is-open").count()
    badge = page.locator("#operations-account-get_me .lk-badge").inner_text()
    page.get_by_label("Filter the operations").fill("audit:read")
    page.locator("#operations-audit-list_audit_events").wait_for()
    paths = page.locator(".opblock [data-path]")
    filtered = paths.evaluate_all("paths => paths.map(path => path.dataset.path)")
    page.get_by_label("Filter the operations").fill("nothing like this")
    page.get_by_text("No operation has all of these words.").wait_for()
    page.get_by_label("Filter the operations").fill("")
    page.locator("#operations-account-get_me").wait_for()
    visited.show_group("schemes")
    samples = page.get_by_role("region", name="What the samples show").inner_text()
    page.locator('.opblock-tag[data-tag="schemes"]').dispatch_event("click")
    return FirstSight(height, fragment, open_groups, groups, open_schemas, filtered, badge, samples)


def test_the_page_is_short_at_first_sight(first_sight: FirstSight) -> None:
    assert first_sight.height < 2000


def test_only_the_first_group_of_operations_is_open_at_first(first_sight: FirstSight) -> None:
    assert first_sight.open_groups == first_sight.groups[:1] == ["account"]
    assert first_sight.open_schemas == 0
    assert first_sight.fragment == ""


def test_the_filter_finds_operations_by_the_scope_that_they_take(first_sight: FirstSight) -> None:
    assert first_sight.filtered == ["/audit"]


def test_an_operation_says_what_opens_it(first_sight: FirstSight) -> None:
    assert first_sight.badge == "profile"


def test_the_samples_are_a_group_at_the_end_with_a_table_of_what_they_show(
    first_sight: FirstSight,
) -> None:
    assert first_sight.groups[-1] == "schemes"
    assert "Recognise the owner of the key in X-API-Key." in first_sight.samples


# A visit


@dataclass(frozen=True)
class Visit:
    """Refused, logged in, tried out, refreshed, looked into, logged out."""

    page: Page
    watch: Watch
    anonymous: Answer
    refusal: str
    typed: Mapping[str, str]
    me: Answer
    sessions: Answer
    userinfo: Answer
    token: Answer
    bar: str
    padlock: str | None
    asked: Mapping[str, str]
    granted: str
    decoded: str
    introspected: str
    tokens: tuple[str, str]
    """Before the refresh and after it."""
    stored: list[object]
    active: bool
    """Whether the server still knows the token after the logout."""


@pytest.fixture(scope="module")
def visit(visited: Docs, first_sight: FirstSight, live: str) -> Visit:
    docs, page, watch = visited, visited.page, visited.watch
    sent = Tokens(page, live)
    anonymous = docs.execute("account-list_sessions")
    row = docs.open_dialog()
    docs.type_login(row, "alice", "wrong")
    row.locator(".lk-status", has_text="wrong").wait_for()
    refusal = row.locator(".lk-status").inner_text()
    docs.type_login(row, "alice", PASSWORD)
    docs.dialog.wait_for(state="detached")
    typed = watch.forms("/token")[-1]
    bar = docs.bar.inner_text()
    me = docs.execute("account-get_me")
    sessions = docs.execute("account-list_sessions")
    userinfo = docs.execute("openid-post_userinfo")
    token = docs.execute("oauth2-token", form={"password": PASSWORD})
    padlock = page.locator("#operations-account-get_me .authorization__btn")
    locked = padlock.get_attribute("aria-label")

    row = docs.open_dialog()
    docs.choose_scopes(row, ["profile", "users:read"])
    docs.type_login(row, "alice", PASSWORD)
    granted = row.locator(".lk-differs").inner_text()
    asked = watch.forms("/token")[-1]
    row.get_by_role("button", name="Go on").click()

    docs.execute("account-get_me")
    before = sent.last
    with page.expect_response("**/token"):
        docs.press("Refresh")
    docs.execute("account-get_me")
    after = sent.last
    docs.press("Decode")
    docs.dialog.get_by_text("The signature is good").wait_for()
    decoded = docs.dialog.inner_text()
    docs.close_dialog()
    docs.press("Introspect")
    docs.dialog.get_by_label("Client id").fill(SERVICE[0])
    docs.dialog.get_by_label("Client secret").fill(SERVICE[1])
    docs.dialog.get_by_label("Client secret").press("Enter")
    introspected = docs.dialog.get_by_role("region").inner_text()
    docs.close_dialog()
    stored = kept(page)
    docs.log_out()
    with httpx2.Client(trust_env=False, timeout=10) as http:
        answer = http.post(f"{live}/introspect", data={"token": after}, auth=SERVICE).json()
    return Visit(
        page,
        watch,
        anonymous,
        refusal,
        typed,
        me,
        sessions,
        userinfo,
        token,
        bar,
        locked,
        asked,
        granted,
        decoded,
        introspected,
        (before, after),
        stored,
        answer["active"],
    )


def test_an_operation_is_refused_before_anybody_logs_in(visit: Visit) -> None:
    assert visit.anonymous.status == "401"


def test_a_wrong_password_is_refused_with_a_reason_that_a_person_can_read(visit: Visit) -> None:
    assert visit.refusal == "The user name or the password is wrong."


def test_the_page_logs_in_as_its_own_client_with_what_is_ticked(visit: Visit) -> None:
    assert visit.typed == {
        "grant_type": "password",
        "username": "alice",
        "password": PASSWORD,
        "client_id": "swagger-ui",
        "scope": " ".join(DEFAULTS),
    }


def test_whoever_logged_in_sees_their_profile(visit: Visit) -> None:
    assert (visit.me.status, visit.me.body["username"]) == ("200", "alice")


def test_an_operation_whose_scope_was_not_ticked_is_refused_with_its_name(visit: Visit) -> None:
    assert visit.sessions.status == "403"
    assert visit.sessions.body["error"] == "insufficient_scope"
    assert visit.sessions.body["scope"] == "account"


def test_a_form_that_is_left_empty_does_not_get_in_the_way_of_the_login(visit: Visit) -> None:
    assert visit.userinfo.status == "200"
    assert visit.userinfo.body["preferred_username"] == "alice"


def test_the_token_endpoint_can_be_tried_out_with_nothing_typed_but_the_password(
    visit: Visit,
) -> None:
    assert (visit.token.status, visit.token.body["token_type"]) == ("200", "Bearer")
    assert visit.token.body["scope"] == default_scope("first-party")


def test_the_padlock_of_an_operation_is_closed_after_the_login(visit: Visit) -> None:
    assert visit.padlock == "authorization button locked"


def test_the_bar_says_who_is_logged_in_through_what_with_which_scopes_until_when(
    visit: Visit,
) -> None:
    assert "alice through swagger-ui, 1" in visit.bar
    assert " left" in visit.bar
    assert " ".join(DEFAULTS) in visit.bar


def test_what_is_ticked_is_asked_for_and_what_was_not_granted_is_told(visit: Visit) -> None:
    assert visit.asked["scope"] == "profile users:read"
    assert "Not granted: users:read" in visit.granted
    assert "Granted: profile" in visit.granted


def test_a_refresh_brings_another_token(visit: Visit) -> None:
    before, after = visit.tokens
    assert before != after


def test_a_decoded_token_has_its_signature_checked_and_a_sentence_for_each_claim(
    visit: Visit,
) -> None:
    assert "The signature is good: checked here with the key" in visit.decoded
    assert "The client that asked for it." in visit.decoded
    assert "swagger-ui" in visit.decoded


def test_a_token_can_be_introspected(visit: Visit) -> None:
    assert "active\ttrue" in visit.introspected


def test_a_logout_revokes_the_token_at_the_server(visit: Visit) -> None:
    assert visit.active is False


def test_a_visit_stores_nothing_in_the_browser(visit: Visit) -> None:
    assert visit.stored == kept(visit.page) == [{}, {}, ""]


def test_a_visit_asks_no_other_host(visit: Visit, live: str) -> None:
    assert f"{live}/docs" in visit.watch.requested
    assert [url for url in visit.watch.requested if not url.startswith(f"{live}/")] == []


def test_a_visit_brings_no_complaint_of_the_browser_but_of_the_refused_requests(
    visit: Visit,
) -> None:
    refused = "Failed to load resource: the server responded with a status of"
    assert visit.watch.complaints == [
        f"{refused} 401 (Unauthorized)",
        f"{refused} 400 (Bad Request)",
        f"{refused} 403 (Forbidden)",
    ]


# The dialog


@pytest.fixture(scope="module")
def dialog(visited: Docs, visit: Visit) -> Generator[Docs]:
    """The page after the visit, with the dialog open."""
    visited.open_dialog()
    yield visited
    visited.close_dialog()


def test_the_dialog_has_a_row_for_each_scheme_and_the_usual_one_is_open(dialog: Docs) -> None:
    rows = dialog.dialog.locator("[data-scheme]")
    names = rows.evaluate_all("rows => rows.map(row => row.dataset.scheme)")
    assert names[0] == PASSWORD_FLOW
    assert len(names) == len(set(names))
    opened = dialog.dialog.locator('h3 button[aria-expanded="true"] .lk-name')
    assert opened.all_inner_texts() == [PASSWORD_FLOW]


def test_the_dialog_names_the_client_of_the_documentation(dialog: Docs) -> None:
    assert dialog.open_row(PASSWORD_FLOW).get_by_label("Client id").input_value() == "swagger-ui"


def test_the_dialog_has_the_default_scopes_of_its_client_ticked(dialog: Docs) -> None:
    assert ticked_scopes(dialog.open_row(PASSWORD_FLOW)) == DEFAULTS


def test_the_dialog_offers_every_scope_of_the_database_with_its_description(
    dialog: Docs, live_database_url: str
) -> None:
    offered = offered_scopes(dialog.open_row(PASSWORD_FLOW))
    assert offered == in_database(live_database_url, list_scopes)
    assert offered["profile"] == "See your user name"


def test_scopes_can_be_filtered_and_ticked_together(dialog: Docs) -> None:
    row = dialog.open_row(PASSWORD_FLOW)
    row.get_by_role("button", name="All", exact=True).click()
    assert set(ticked_scopes(row)) == set(offered_scopes(row))
    row.get_by_role("button", name="None", exact=True).click()
    assert ticked_scopes(row) == []
    assert row.get_by_text("so no scope is asked for").is_visible()
    row.get_by_label("Filter the scopes").fill("audit")
    assert list(offered_scopes(row)) == ["audit:read"]
    row.get_by_label("Filter the scopes").fill("")


def test_to_let_a_drag_out_of_a_field_go_beside_the_dialog_leaves_it_open(dialog: Docs) -> None:
    mouse = dialog.page.mouse
    dialog.open_row(PASSWORD_FLOW).get_by_label("User name", exact=True).hover()
    mouse.down()
    mouse.move(5, 5)
    mouse.up()
    assert dialog.dialog.is_visible()
    mouse.click(5, 5)
    dialog.dialog.wait_for(state="detached")
    dialog.open_dialog()


def test_at_its_padlock_the_dialog_ticks_what_the_operation_needs(
    visited: Docs, visit: Visit
) -> None:
    if visited.dialog.count():
        visited.close_dialog()
    padlock = visited.page.locator("#operations-account-list_sessions .authorization__btn")
    padlock.dispatch_event("click")
    row = visited.open_row(PASSWORD_FLOW)
    assert set(ticked_scopes(row)) == {*DEFAULTS, "account"}
    row.get_by_role("button", name="What this operation needs").click()
    assert ticked_scopes(row) == ["account"]
    assert visited.dialog.locator("[data-scheme]").count() == 1
    visited.close_dialog()


# From the keyboard, and from the mouse


@pytest.fixture(scope="module", params=SIGHTS, ids=["wide-light", "phone-dark"])
def opened(browser: Browser, live: str, request: pytest.FixtureRequest) -> Generator[Docs]:
    """The page in one window."""
    size, dark = request.param
    with fresh_context(browser, size=size, dark=dark) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        yield docs


def test_credentials_button_and_state_are_in_view_together(opened: Docs) -> None:
    row = opened.open_dialog()
    button = row.get_by_role("button", name="Log in", exact=True)
    fields = [row.get_by_label(name, exact=True) for name in ("User name", "Password")]
    assert [is_in_view(each) for each in (*fields, button, row.locator(".lk-state"))] == [True] * 4
    opened.close_dialog()


def test_three_clicks_and_no_scrolling_lead_to_the_own_account(opened: Docs) -> None:
    docs, page = opened, opened.page
    operation = page.locator("#operations-account-get_me")
    docs.press("Log in")  # the first click
    docs.type_login(docs.open_row(PASSWORD_FLOW), "alice", PASSWORD)
    docs.dialog.wait_for(state="detached")
    for target in (
        operation.locator(".opblock-summary-control"),
        operation.locator("button.execute"),
    ):
        target.wait_for()
        assert is_in_view(target)
        target.click()
    status = operation.locator(".live-responses-table .response .response-col_status")
    assert status.inner_text() == "200"
    assert is_in_view(status)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    docs.log_out()


@pytest.mark.parametrize("hand", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])
def test_a_login_is_made_refreshed_decoded_and_revoked_and_the_focus_stays(
    opened: Docs, hand: Hand
) -> None:
    docs, page = opened, opened.page

    def press(name: str) -> None:
        hand.press(docs.bar.get_by_role("button", name=name, exact=True))

    press("Log in")
    docs.dialog.locator("input").first.and_(page.locator(":focus")).wait_for()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    docs.dialog.wait_for(state="detached")
    assert docs.focused() == "Logins"
    with page.expect_response("**/token"):
        press("Refresh")
    docs.bar.locator('[aria-disabled="true"]').first.wait_for(state="detached")
    assert docs.focused() == "Refresh"
    press("Decode")
    docs.dialog.get_by_text("The signature is good").wait_for()
    hand.press(docs.dialog.get_by_role("button", name="Close", exact=True))
    docs.dialog.wait_for(state="detached")
    assert docs.focused() == "Decode"
    with page.expect_response("**/revoke"):
        press("Log out")
    docs.bar.get_by_text("Nobody is logged in.").wait_for()
    assert docs.focused() == "Log in"


# Deep links


def test_a_deep_link_shows_its_operation_and_stays_in_the_address(opened: Docs, live: str) -> None:
    with opened.page.context.new_page() as page:
        for fragment in ("#/oauth2/introspect", "#/audit/list_audit_events"):  # then with no reload
            page.goto(f"{live}/docs{fragment}")
            operation = page.locator(f"#operations-{fragment[2:].replace('/', '-')}")
            operation.locator(".opblock-body").wait_for()
            assert is_in_view(operation.locator(".opblock-summary"))
            assert page.evaluate("location.hash") == fragment


def test_a_deep_link_survives_the_login_that_the_page_asks_for(browser: Browser, live: str) -> None:
    """The browser takes the fragment along from ``/docs`` to the login page, and we back."""
    fragment = "#/audit/list_audit_events"
    with fresh_context(browser) as context:
        page = context.new_page()
        page.goto(f"{live}/login?next=docs{fragment}")
        for password in ("wrong", PASSWORD):
            page.get_by_label("User name", exact=True).fill("alice")
            page.get_by_label("Password", exact=True).fill(password)
            page.get_by_role("button", name="Log in", exact=True).click()
        page.locator("#operations-audit-list_audit_events .opblock-body").wait_for()
        assert page.url == f"{live}/docs{fragment}"


# As curl


def run_curl(command: str) -> str:
    """The status that the command gets when it is pasted into a shell."""
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: apt-get install curl")
    line = f"{command} --noproxy '*' --silent --output /dev/null --write-out '%{{http_code}}'"
    shell = ["/bin/sh", "-c", line]
    return subprocess.run(shell, capture_output=True, text=True, timeout=30, check=True).stdout


def test_a_command_for_curl_is_copied_and_works(visited: Docs, visit: Visit) -> None:
    docs, page = visited, visited.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    docs.log_in()
    docs.press("Copy as curl")
    docs.bar.get_by_text("The command is on the clipboard.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    page.context.clear_permissions()
    assert run_curl(copied) == "200"
    docs.log_out()


def test_a_command_for_curl_is_shown_where_it_may_not_be_copied(
    visited: Docs, visit: Visit
) -> None:
    docs, page = visited, visited.page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    docs.log_in(scopes=["items:read"])  # which is not enough for the first operation
    docs.press("Copy as curl")
    shown = docs.dialog.get_by_label("curl command").input_value()
    docs.close_dialog()
    assert run_curl(shown) == "200"
    docs.log_out()


# Over time


def shorten(route: Route, seconds: int) -> None:
    """Let the access token of an answer end that soon."""
    response = route.fetch()
    route.fulfill(response=response, json={**response.json(), "expires_in": seconds})


def test_a_login_outlives_a_reload_only_if_that_is_asked_for(visited: Docs, visit: Visit) -> None:
    docs, page = visited, visited.page
    docs.close_dialog()
    docs.log_in()
    docs.load()
    assert docs.bar.get_by_text("Nobody is logged in.").is_visible()
    docs.log_in()
    docs.bar.locator("summary").click()
    docs.bar.get_by_label("Keep the access token over a reload").check()
    _, session, _ = kept(page)
    (text,) = session.values()
    assert set(json.loads(text)) == {
        *("scheme", "access", "granted", "who", "expiresAt", "clientId")
    }
    docs.load()
    docs.bar.get_by_text("alice").wait_for()
    assert docs.execute("account-get_me").status == "200"
    docs.log_out()
    assert kept(page) == [{}, {}, ""]


def test_an_access_token_that_ends_is_told(visited: Docs, visit: Visit) -> None:
    docs, page = visited, visited.page
    page.route("**/token", lambda route: shorten(route, 1), times=1)
    docs.log_in()
    docs.bar.get_by_text("The access token has expired or been revoked. Refresh it").wait_for()
    docs.press("Refresh")
    docs.bar.get_by_text("The access token has expired").wait_for(state="detached")
    docs.log_out()


def test_a_token_can_be_refreshed_before_it_expires(visited: Docs, visit: Visit) -> None:
    docs, page = visited, visited.page

    page.route("**/token", lambda route: shorten(route, 2), times=1)
    docs.log_in()
    docs.bar.locator("summary").click()
    with page.expect_response("**/token") as refreshed:
        docs.bar.get_by_label("Refresh the token before it expires").check()
    assert "grant_type=refresh_token" in (refreshed.value.request.post_data or "")
    page.route("**/token", lambda route: route.fulfill(status=503), times=1)
    docs.press("Refresh")
    docs.bar.get_by_text(
        "Refreshing failed: The server answered 503. It is tried again."
    ).wait_for()
    docs.log_out()


def test_a_logout_ends_what_a_refresh_under_way_brings(
    visited: Docs, visit: Visit, live: str
) -> None:
    docs, page = visited, visited.page
    docs.log_in()
    held: list[Route] = []
    page.route("**/token", lambda route: held.append(route), times=1)
    with page.expect_request("**/token"):
        docs.press("Refresh")
    docs.press("Log out")
    with page.expect_response("**/token") as refreshed:
        held.pop().continue_()
    docs.bar.get_by_text("Nobody is logged in.").wait_for()
    with httpx2.Client(trust_env=False, timeout=10) as http:
        form = {"token": refreshed.value.json()["access_token"]}
        answer = http.post(f"{live}/introspect", data=form, auth=SERVICE).json()
    assert answer == {"active": False}


def test_a_server_that_does_not_answer_is_named(visited: Docs, visit: Visit, live: str) -> None:
    docs, page = visited, visited.page
    page.route("**/token", lambda route: route.abort(), times=1)
    row = docs.open_dialog()
    docs.type_login(row, "alice", PASSWORD)
    host = live.partition("://")[2]
    row.get_by_text(f"{host} does not answer, or does not let this page ask (CORS).").wait_for()
    docs.close_dialog()


def test_what_another_page_keeps_under_the_same_name_is_no_login(
    visited: Docs, visit: Visit
) -> None:
    docs, page = visited, visited.page
    page.evaluate("""sessionStorage.setItem("docs-login", '{"access": "of another version"}')""")
    docs.load()
    assert docs.bar.get_by_text("Nobody is logged in.").is_visible()
    assert kept(page) == [{}, {}, ""]


def test_a_login_that_the_server_does_not_revoke_is_kept_to_try_again(
    visited: Docs, visit: Visit
) -> None:
    docs, page = visited, visited.page
    docs.log_in()
    page.route("**/revoke", lambda route: route.fulfill(status=503), times=1)
    docs.press("Log out")
    docs.bar.get_by_text("The token is not revoked, and kept to try again").wait_for()
    assert docs.bar.get_by_role("button", name="Forget without revoking").is_visible()
    assert docs.execute("account-get_me").status == "200"
    docs.log_out()


def test_a_pasted_token_that_is_no_jwt_has_no_known_end(visited: Docs, visit: Visit) -> None:
    visited.use("HTTPBearer", "Access token", "no-jwt")
    assert "somebody, no end is known" in visited.bar.inner_text()
    visited.log_out()


def unsigned(header: object, claims: object) -> str:
    """What looks like a JWT."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims)]
    return b".".join([*(part.rstrip(b"=") for part in parts), b"AA"]).decode()


def test_a_pasted_token_with_claims_of_the_wrong_type_is_shown_also_after_a_reload(
    visited: Docs, visit: Visit
) -> None:
    docs = visited
    claims = {"sub": {"id": 1}, "scope": ["x"], "exp": 1e30, "__proto__": {}}
    docs.use("HTTPBearer", "Access token", unsigned({"alg": "none"}, claims))
    docs.bar.locator("summary").click()
    docs.bar.get_by_label("Keep the access token over a reload").check()
    docs.load()
    docs.bar.get_by_text('{"id":1}, no end is known').wait_for()
    docs.press("Decode")
    assert "__proto__\t{}" in docs.dialog.get_by_label("Claims").inner_text()
    docs.close_dialog()
    docs.log_out()
    docs.load()  # which forgets that logins are to be kept


@pytest.mark.parametrize(("header", "claims"), [(None, {}), ({}, None), ({}, [])])
def test_a_pasted_token_whose_parts_are_no_objects_is_no_jwt(
    visited: Docs, visit: Visit, header: object, claims: object
) -> None:
    visited.use("HTTPBearer", "Access token", unsigned(header, claims))
    visited.press("Decode")
    visited.dialog.get_by_text("Access token: this is not a JWT").wait_for()
    visited.close_dialog()
    visited.log_out()


def test_a_login_for_every_scheme_is_used_instead_of_older_ones_and_not_of_newer_ones(
    visited: Docs, visit: Visit
) -> None:
    docs = visited
    docs.log_in()
    row = docs.open_dialog("OAuth2")
    row.get_by_label("User name and password").check()
    docs.type_login(row, "admin", ADMIN_PASSWORD)
    docs.dialog.wait_for(state="detached")
    assert "admin through" in docs.bar.inner_text()
    assert docs.execute("account-get_me").body["username"] == "admin"
    row = docs.open_dialog()
    row.get_by_label("Use this login for every scheme").uncheck()
    docs.type_login(row, "alice", PASSWORD)
    docs.dialog.wait_for(state="detached")
    assert docs.execute("account-get_me").body["username"] == "alice"
    docs.load()


def spoil_address(route: Route) -> None:
    """Let a scheme of the document have an address that is none."""
    document = route.fetch().json()
    flows = document["components"]["securitySchemes"]["OAuth2"]["flows"]
    flows["clientCredentials"]["tokenUrl"] = "http://[bad"
    route.fulfill(json=document)


PRESS_AT_ONCE = """id => {
    const block = document.getElementById(id);
    const observer = new MutationObserver(() => {
        const button = block.querySelector("button.execute");
        if (button) observer.disconnect();
        button?.click();
    });
    observer.observe(block, { childList: true, subtree: true });
    block.querySelector(".opblock-summary-control").click();
}"""


def test_execute_works_from_the_moment_that_it_is_there(visited: Docs, visit: Visit) -> None:
    docs, page = visited, visited.page
    docs.load()  # or the operation would have been read before
    docs.show_group("account")
    page.locator("#operations-account-get_me").wait_for()
    page.evaluate(PRESS_AT_ONCE, "operations-account-get_me")
    answer = page.locator("#operations-account-get_me .live-responses-table .response")
    answer.wait_for()
    assert docs.read_answer(answer).status == "401"


def test_a_malformed_address_in_the_document_or_of_the_page_leaves_the_other_logins(
    visited: Docs, visit: Visit
) -> None:
    docs, page = visited, visited.page
    page.route("**/openapi.json", spoil_address, times=1)
    told = len(docs.watch.complaints)
    page.goto("about:blank")
    docs.load("#%E0%A4%A")
    row = docs.open_dialog("OAuth2")
    assert row.get_by_label("User name and password").is_visible()
    assert not row.get_by_label("The client itself").is_visible()
    docs.close_dialog()
    docs.log_in()
    docs.log_out()
    assert docs.watch.complaints[told:] == []


def test_a_login_that_ends_after_its_dialog_was_closed_closes_no_other(
    visited: Docs, visit: Visit
) -> None:
    docs, page = visited, visited.page
    held: list[Route] = []
    page.route("**/token", lambda route: held.append(route), times=1)
    with page.expect_request("**/token"):
        docs.type_login(docs.open_dialog(), "alice", PASSWORD)
    docs.close_dialog()
    row = docs.open_dialog()
    held.pop().continue_()
    row.get_by_text("logged in as alice").wait_for()
    assert docs.dialog.is_visible()
    docs.close_dialog()
    docs.log_out()


# The database behind it. It is last, for it adds a scope.


def test_a_scope_added_while_the_server_runs_is_offered_within_two_seconds(
    visited: Docs, live_database_url: str
) -> None:
    docs = visited
    name, description = "reports:read", "See the reports"

    async def add() -> None:
        database = Database(live_database_url)
        async with operating(database, Clock()) as operator:
            await create_scope(operator, name=name, description=description)
        await database.close()

    assert name not in offered_scopes(docs.open_dialog())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(add())).result()
    deadline = time.monotonic() + PROPAGATION
    offered: Mapping[str, str] = {}
    while name not in offered:
        started = time.monotonic()
        docs.load()
        row = docs.open_dialog()
        offered = offered_scopes(row)
        assert name in offered or started < deadline
    assert offered[name] == description
    # The scope is known; that the client may have it can take until then, too.
    docs.page.wait_for_timeout(max(0, deadline - time.monotonic()) * 1000)
    docs.choose_scopes(row, ["profile", name])
    docs.type_login(row, "alice", PASSWORD)
    told = row.locator(".lk-differs").inner_text()
    assert f"Not granted: {name}" in told  # its client may ask for the new scope, alice has it not
