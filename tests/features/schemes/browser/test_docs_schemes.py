"""Every sample route from ``/docs``: with the right credentials, and with wrong ones.

One page serves nearly all of them, for Swagger UI takes its time to load. The code flow and
OpenID Connect are in ``test_docs_code_flow``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.docs_page import (
    PASSWORD,
    PASSWORD_FLOW,
    REFUSED_TOKEN,
    Answer,
    Docs,
    Tokens,
    fresh_context,
    kept,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = "lk_demo_alice_development_only"
DIGEST_PASSWORD = "alice-digest-in-development"
SERVICE_SECRET = "demo-service-secret-for-development-only"

KEY_SCOPES = ["items:read", "items:write"]
ALL_SCOPES = [
    "account",
    "api-keys:read",
    "api-keys:write",
    "email",
    "items:read",
    "items:write",
    "offline_access",
    "openid",
    "profile",
]
"""All that alice has."""

TOKEN_SCOPES = ["email", "items:read", "items:write", "openid", "profile"]
"""Those that are ticked already, and one more."""

API_KEY_CHALLENGE = 'APIKey realm="latchkey"'
BASIC_CHALLENGE = 'Basic realm="latchkey",charset="UTF-8"'
BEARER_CHALLENGE = 'Bearer realm="latchkey"'

BEARER_ROUTES = {
    "oauth2_password": "OAuth2PasswordBearer",
    "http_bearer": "HTTPBearer",
    "oauth2_authorization_code": "OAuth2AuthorizationCodeBearer",
    "oauth2_flows": "OAuth2",
    "openid_connect": "OpenIdConnect",
    "any_of": "HTTPBearer",
    "scopes_read": "SecurityScopes",
    "scopes_write": "SecurityScopes",
    "scopes_nested": "SecurityScopes",
    "optional": "OAuth2PasswordBearer (auto_error=False)",
}
"""What one login with the password flow opens, and what each route calls its scheme."""


@dataclass(frozen=True)
class Outcome:
    """How routes answer to wrong credentials, and to right ones."""

    wrong: Mapping[str, Answer]
    right: Mapping[str, Answer]


def challenge(answer: Answer) -> str:
    """The challenge of an answer that is 401."""
    assert answer.status == "401"
    return answer.headers["www-authenticate"]


def assert_recognised(answer: Answer, scheme: str, scopes: list[str]) -> None:
    assert answer.status == "200"
    assert (answer.body["scheme"], answer.body["scopes"]) == (scheme, scopes)
    assert len(answer.body["subject"]) == 36


def execute(docs: Docs, *routes: str) -> dict[str, Answer]:
    return {route: docs.execute(f"schemes-scheme_{route}") for route in routes}


def try_value(docs: Docs, scheme: str, label: str, wrong: str, right: str, *routes: str) -> Outcome:
    """Use a scheme with one field in the dialog."""
    answers = []
    for value in (wrong, right):
        docs.use(scheme, label, value)
        answers.append(execute(docs, *routes))
    docs.forget(scheme)
    return Outcome(*answers)


@pytest.fixture(scope="module")
def shared(browser: Browser, live: str) -> Generator[Docs]:
    """The page that serves all schemes but Digest with the right password.

    To a challenge of Basic or Digest the browser opens a dialog of its own, and Swagger UI waits:
    something wrong is typed there.
    """
    with fresh_context(browser, {"username": "alice", "password": "wrong"}) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        yield docs


# API keys


@pytest.fixture(scope="module")
def header(shared: Docs) -> Outcome:
    routes = ("api_key_header", "any_of")
    return try_value(shared, "APIKeyHeader", "X-API-Key (header)", "lk_wrong", KEY, *routes)


@pytest.fixture(scope="module")
def query(shared: Docs) -> Outcome:
    label = "api_key (query)"
    return try_value(shared, "APIKeyQuery", label, "lk_wrong", KEY, "api_key_query")


@dataclass(frozen=True)
class Cookie:
    """The cookie set in the dialog with a wrong key, and with a right one; used; cleared; used.

    The dialog calls ``set_api_key_cookie`` and ``clear_api_key_cookie``.
    """

    refused: str
    state: str
    used: Answer
    gone: Answer
    readable: str


@pytest.fixture(scope="module")
def cookie(shared: Docs) -> Cookie:
    get = "schemes-scheme_api_key_cookie"
    row = shared.open_dialog("APIKeyCookie")
    row.get_by_label("API key", exact=True).fill("lk_wrong")
    row.get_by_label("API key", exact=True).press("Enter")
    row.locator(".lk-status", has_text="valid").wait_for()
    refused = row.locator(".lk-status").inner_text()
    shared.close_dialog()
    shared.use("APIKeyCookie", "API key", KEY)
    used = shared.execute(get)
    readable = shared.page.evaluate("document.cookie")
    state = shared.open_dialog("APIKeyCookie").locator(".lk-state").inner_text()
    shared.forget("APIKeyCookie")
    return Cookie(refused, state, used, shared.execute(get), readable)


def test_each_closed_row_says_in_a_sentence_what_it_is(shared: Docs) -> None:
    shared.open_dialog()
    row = shared.dialog.locator('[data-scheme="HTTPDigest"] h3')
    assert row.inner_text().splitlines() == [
        *("HTTPDigest", "digest", "not logged in"),
        "A Digest password, which is not the login password.",
    ]
    shared.close_dialog()


def test_a_key_in_the_header_is_recognised(header: Outcome) -> None:
    assert_recognised(header.right["api_key_header"], "APIKeyHeader", KEY_SCOPES)


def test_a_wrong_key_in_the_header_is_challenged(header: Outcome) -> None:
    assert challenge(header.wrong["api_key_header"]) == API_KEY_CHALLENGE


def test_a_key_in_the_query_is_recognised(query: Outcome) -> None:
    assert_recognised(query.right["api_key_query"], "APIKeyQuery", KEY_SCOPES)


def test_a_wrong_key_in_the_query_is_challenged(query: Outcome) -> None:
    assert challenge(query.wrong["api_key_query"]) == API_KEY_CHALLENGE


def test_a_key_in_the_cookie_is_recognised_once_the_dialog_has_set_it(cookie: Cookie) -> None:
    assert cookie.state == "the browser sends it"
    assert_recognised(cookie.used, "APIKeyCookie", KEY_SCOPES)


def test_a_wrong_key_is_not_put_into_the_cookie(cookie: Cookie) -> None:
    assert cookie.refused == "A valid API key is needed."


def test_a_cookie_that_was_cleared_is_challenged(cookie: Cookie) -> None:
    assert challenge(cookie.gone) == API_KEY_CHALLENGE


def test_no_script_can_read_the_cookie(cookie: Cookie) -> None:
    assert cookie.readable == ""


# Basic and Digest


@pytest.fixture(scope="module")
def basic(shared: Docs) -> Outcome:
    answers = []
    for password in ("wrong", PASSWORD):
        shared.type_login(shared.open_dialog("HTTPBasic"), "alice", password)
        shared.dialog.wait_for(state="detached")
        answers.append(execute(shared, "http_basic", "any_of"))
    shared.forget("HTTPBasic")
    return Outcome(*answers)


@pytest.fixture(scope="module")
def wrong_digest(shared: Docs) -> Answer:
    return shared.execute("schemes-scheme_http_digest")


@dataclass(frozen=True)
class Digest:
    """What the dialog says once the browser has answered the challenge; and the route."""

    state: str
    used: Answer


@pytest.fixture(scope="module")
def digest(browser: Browser, live: str) -> Digest:
    """Typed into the browser's dialog."""
    with fresh_context(browser, {"username": "alice", "password": DIGEST_PASSWORD}) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        row = docs.open_dialog("HTTPDigest")
        row.get_by_role("button", name="Log in with the browser's dialog").click()
        docs.dialog.wait_for(state="detached")
        state = docs.open_dialog("HTTPDigest").locator(".lk-state").inner_text()
        docs.close_dialog()
        return Digest(state, docs.execute("schemes-scheme_http_digest"))


def test_a_name_and_a_password_are_recognised(basic: Outcome) -> None:
    assert_recognised(basic.right["http_basic"], "HTTPBasic", ALL_SCOPES)


def test_a_wrong_password_is_challenged(basic: Outcome) -> None:
    assert challenge(basic.wrong["http_basic"]) == BASIC_CHALLENGE


def test_a_wrong_password_opens_no_dialog_of_the_browser(basic: Outcome, shared: Docs) -> None:
    shared.page.evaluate(
        """() => {
            const ask = fetch;
            window.fetch = (url, options) => {
                window.asked = options.credentials;
                return ask(url, options);
            };
        }"""
    )
    shared.type_login(shared.open_dialog("HTTPBasic"), "alice", "wrong")
    shared.dialog.wait_for(state="detached")
    execute(shared, "http_basic")
    assert shared.page.evaluate("window.asked") == "omit"
    shared.forget("HTTPBasic")


def test_a_digest_that_the_browser_makes_is_recognised(digest: Digest) -> None:
    assert digest.state == "the browser sends it"
    assert_recognised(digest.used, "HTTPDigest", ALL_SCOPES)


def test_a_digest_of_a_wrong_password_is_challenged_with_sha_256_first(
    wrong_digest: Answer,
) -> None:
    asked = challenge(wrong_digest)
    assert asked.startswith('Digest realm="latchkey",qop="auth",algorithm=SHA-256,nonce="')
    assert asked.index("algorithm=SHA-256") < asked.index("algorithm=MD5")


# The password flow, scopes, and the token on its own


@dataclass(frozen=True)
class PasswordFlow:
    """Nobody; a login with the scopes that are ticked; with one more; and revoked."""

    nobody: Mapping[str, Answer]
    narrow: Mapping[str, Answer]
    wide: Mapping[str, Answer]
    revoked: Mapping[str, Answer]
    states: list[str]
    """Of every scheme that takes the token, after the one login."""
    bearer: Outcome
    """A token that is pasted, while the login goes on."""
    told: list[bool]
    """Whether the page said that the token is no longer good, before it was not and after."""


@pytest.fixture(scope="module")
def password_flow(shared: Docs, live: str) -> PasswordFlow:
    tokens = Tokens(shared.page, live)
    nobody = execute(shared, "oauth2_password", "optional", "any_of")
    shared.log_in()
    narrow = execute(shared, "scopes_write", "scopes_nested")
    shared.log_in(scopes=TOKEN_SCOPES)
    wide = execute(shared, *BEARER_ROUTES)
    shared.open_dialog()
    states = [
        shared.dialog.locator(f'[data-scheme="{scheme}"] .lk-state').inner_text()
        for scheme in (PASSWORD_FLOW, "HTTPBearer", "OAuth2", "OpenIdConnect")
    ]
    shared.close_dialog()
    right = tokens.last
    wrong = paste(shared, "wrong")
    bearer = Outcome(wrong, paste(shared, right))
    shared.forget("HTTPBearer")
    shared.log_in(scopes=TOKEN_SCOPES)
    execute(shared, "oauth2_password")
    expired = shared.bar.get_by_text("The access token has expired or been revoked.")
    before = expired.is_visible()
    tokens.revoke_last()
    revoked = execute(shared, *BEARER_ROUTES)
    told = [before, expired.is_visible()]
    shared.log_out()
    return PasswordFlow(nobody, narrow, wide, revoked, states, bearer, told)


def paste(docs: Docs, token: str) -> Mapping[str, Answer]:
    """Use a token for ``HTTPBearer`` alone."""
    row = docs.open_dialog("HTTPBearer")
    row.get_by_label("Use this login for every scheme that takes its token").uncheck()
    row.get_by_label("Access token", exact=True).fill(token)
    row.get_by_label("Access token", exact=True).press("Enter")
    docs.dialog.wait_for(state="detached")
    return execute(docs, "http_bearer", "any_of")


def test_one_login_is_used_by_every_scheme_that_takes_its_token(
    password_flow: PasswordFlow,
) -> None:
    assert password_flow.states == ["logged in as alice", *["uses the login of alice"] * 3]


@pytest.mark.parametrize("route", BEARER_ROUTES)
def test_a_token_of_the_password_flow_is_recognised(
    password_flow: PasswordFlow, route: str
) -> None:
    assert_recognised(password_flow.wide[route], BEARER_ROUTES[route], TOKEN_SCOPES)


@pytest.mark.parametrize("route", BEARER_ROUTES)
def test_a_token_that_was_revoked_is_challenged(password_flow: PasswordFlow, route: str) -> None:
    assert challenge(password_flow.revoked[route]) == REFUSED_TOKEN


def test_the_page_says_that_a_token_is_no_longer_good(password_flow: PasswordFlow) -> None:
    assert password_flow.told == [False, True]


def test_nobody_is_challenged_without_an_error(password_flow: PasswordFlow) -> None:
    assert challenge(password_flow.nobody["oauth2_password"]) == BEARER_CHALLENGE


def test_the_optional_route_lets_nobody_in_as_nobody(password_flow: PasswordFlow) -> None:
    answer = password_flow.nobody["optional"]
    assert answer.status == "200"
    assert (answer.body["subject"], answer.body["scopes"]) == (None, [])


@pytest.mark.parametrize(
    ("route", "scope"),
    [("scopes_write", "items:write"), ("scopes_nested", "items:write items:read")],
)
def test_a_token_without_the_scope_is_refused_with_the_scopes_that_it_takes(
    password_flow: PasswordFlow, route: str, scope: str
) -> None:
    answer = password_flow.narrow[route]
    assert answer.status == "403"
    assert answer.headers["www-authenticate"] == (
        f'{BEARER_CHALLENGE},error="insufficient_scope",error_description="This resource needs '
        f'a scope that the access token does not have.",scope="{scope}"'
    )


def test_a_token_that_is_pasted_is_recognised(password_flow: PasswordFlow) -> None:
    assert_recognised(password_flow.bearer.right["http_bearer"], "HTTPBearer", TOKEN_SCOPES)


def test_a_wrong_token_that_is_pasted_is_challenged(password_flow: PasswordFlow) -> None:
    assert challenge(password_flow.bearer.wrong["http_bearer"]) == REFUSED_TOKEN


# Whichever comes


def test_the_route_for_any_scheme_recognises_a_token(password_flow: PasswordFlow) -> None:
    assert_recognised(password_flow.bearer.right["any_of"], "HTTPBearer", TOKEN_SCOPES)


def test_the_route_for_any_scheme_recognises_a_key(header: Outcome) -> None:
    assert_recognised(header.right["any_of"], "APIKeyHeader", KEY_SCOPES)


def test_the_route_for_any_scheme_recognises_a_password(basic: Outcome) -> None:
    assert_recognised(basic.right["any_of"], "HTTPBasic", ALL_SCOPES)


def test_the_route_for_any_scheme_challenges_with_the_scheme_that_came(
    password_flow: PasswordFlow, header: Outcome, basic: Outcome
) -> None:
    assert challenge(password_flow.nobody["any_of"]) == BEARER_CHALLENGE
    assert challenge(password_flow.bearer.wrong["any_of"]) == REFUSED_TOKEN
    assert challenge(header.wrong["any_of"]) == API_KEY_CHALLENGE
    assert challenge(basic.wrong["any_of"]) == BASIC_CHALLENGE


# Several flows


@dataclass(frozen=True)
class Flows:
    """Nobody; the client credentials flow with a wrong secret, with the right one, and revoked."""

    nobody: Answer
    refusal: str
    client: Answer
    revoked: Answer


@pytest.fixture(scope="module")
def flows(shared: Docs, live: str) -> Flows:
    route = "schemes-scheme_oauth2_flows"
    tokens = Tokens(shared.page, live)
    nobody = shared.execute(route)
    row = shared.open_dialog("OAuth2")
    row.get_by_label("The client itself (client credentials)").check()
    row.get_by_label("Client id").fill("demo-service")
    secret = row.get_by_label("Client secret")
    secret.fill("a wrong secret")
    secret.press("Enter")
    row.locator(".lk-status", has_text="failed").wait_for()
    refusal = row.locator(".lk-status").inner_text()
    secret.fill(SERVICE_SECRET)
    secret.press("Enter")
    shared.dialog.wait_for(state="detached")
    client = shared.execute(route)
    tokens.revoke_last(("demo-service", SERVICE_SECRET))
    revoked = shared.execute(route)
    shared.log_out()
    return Flows(nobody, refusal, client, revoked)


def test_a_client_is_recognised_by_its_own_token(flows: Flows) -> None:
    assert flows.client.status == "200"
    assert flows.client.body == {
        "scheme": "OAuth2",
        "subject": "demo-service",
        "scopes": ["items:read"],
    }


def test_a_wrong_client_secret_is_told_in_the_dialog(flows: Flows) -> None:
    assert flows.refusal == "Client authentication failed."


def test_the_route_of_several_flows_challenges_nobody_without_an_error(flows: Flows) -> None:
    assert challenge(flows.nobody) == BEARER_CHALLENGE


def test_a_token_of_a_client_that_was_revoked_is_challenged(flows: Flows) -> None:
    assert challenge(flows.revoked) == REFUSED_TOKEN


# The two forms


FORM = "schemes-scheme_oauth2_password_form"
STRICT_FORM = "schemes-scheme_oauth2_password_form_strict"

GOOD_FORM = {"password": PASSWORD}
"""All that has to be typed: the rest is there, or may be empty."""


@dataclass(frozen=True)
class Forms:
    """A form with a wrong password, and with the right one."""

    wrong: Answer
    right: Answer


@pytest.fixture(scope="module", params=[FORM, STRICT_FORM])
def forms(shared: Docs, request: pytest.FixtureRequest) -> Forms:
    wrong = shared.execute(request.param, form=GOOD_FORM | {"password": "wrong"})
    return Forms(wrong, shared.execute(request.param, form=GOOD_FORM))


def test_a_form_with_the_right_password_gets_a_token(forms: Forms) -> None:
    assert forms.right.status == "200"
    assert forms.right.body["scope"] == "email items:read profile"


def test_a_form_with_a_wrong_password_gets_the_error_of_the_token_endpoint(forms: Forms) -> None:
    assert forms.wrong.status == "400"
    assert forms.wrong.body == {
        "error": "invalid_grant",
        "error_description": "The user name or the password is wrong.",
    }


def test_the_lax_form_needs_no_grant_type(shared: Docs) -> None:
    assert shared.execute(FORM, form=GOOD_FORM | {"grant_type": ""}).status == "200"


def test_the_strict_form_can_only_be_sent_with_its_grant_type(shared: Docs) -> None:
    assert shared.form_choices(STRICT_FORM, "grant_type") == ["password"]


# What all of them leave behind


def test_no_scheme_stores_anything_that_a_script_could_read(
    shared: Docs,
    header: Outcome,
    query: Outcome,
    password_flow: PasswordFlow,
    flows: Flows,
) -> None:
    assert kept(shared.page) == [{}, {}, ""]
