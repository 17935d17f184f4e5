"""The authorization endpoint: RFC 6749, section 4.1; OpenID Connect Core, section 3.1.2."""

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl

import httpx2
import pytest
from sqlalchemy import update

from app.models import Client
from app.server import Server
from tests.conftest import ISSUER
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_scope, log_in
from tests.support.flow import (
    CALLBACK,
    FORM,
    LOGIN_HEADING,
    LOOPBACK,
    PRIVATE_SCHEME,
    STATE,
    VERIFIER,
    CodeFlow,
    Page,
    add_native_client,
    add_web_client,
    assert_asks_to_allow,
    assert_asks_to_log_in,
    assert_code_answer,
    assert_error_answer,
    assert_error_page,
    challenge_of,
    read_answer,
    source_names,
)
from tests.support.lifecycle import KNOWN_EVERYWHERE, disable_client, set_grants

# What is tested here does not depend on the kind of database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

UNNAMED = "The request must name exactly one application"
UNKNOWN = "The application is unknown or disabled"
TWO_ADDRESSES = "The request names more than one address to return to"
NO_ADDRESS = "The request does not name an address to return to"
OTHER_ADDRESS = "The address to return to is not registered for this application"
UNREADABLE = "The request could not be read"

REPEATED = "A parameter is repeated."
TOO_LONG = "A parameter is too long or contains NUL."
NO_TYPE = "The request needs a response_type."
OTHER_TYPE = "The only supported response_type is code."
OTHER_MODE = "The response_mode must be query, fragment or form_post."
NO_CHALLENGE = "The request needs a code_challenge (PKCE)."
NOT_S256 = "The code_challenge_method must be S256."
BAD_CHALLENGE = "The code_challenge is malformed."
BAD_SCOPE = "A requested scope is unknown or not allowed."
BAD_PROMPT = "The prompt must be none, or any of login, consent, select_account."
BAD_MAX_AGE = "The max_age must be a number of seconds."
MUST_LOG_IN = "The user must log in."
MUST_CONSENT = "The user must consent."
OTHER_USER = "A different user is logged in."

XSS = "\"><script>alert(1)</script>'<img src=x onerror=alert(2)>"


@pytest.fixture
async def old(server: Server) -> TestClient:
    """A confidential client that may do without PKCE."""
    return await add_web_client(server, "old", require_pkce=False)


@pytest.fixture
def old_flow(http: httpx2.AsyncClient, alice: TestUser, old: TestClient) -> CodeFlow:
    return CodeFlow(http, alice, old)


def pairs_without(flow: CodeFlow, *names: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in flow.parameters().items() if name not in names]


def named(values: dict[str, str]) -> list[object]:
    """``values`` as parameters with readable ids."""
    return [pytest.param(value, id=name) for name, value in values.items()]


# A good request


@pytest.mark.rfc("6749", "3.1", 1, 4)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.2.3", 1)
async def test_a_good_request_leads_to_the_login_page(flow: CodeFlow) -> None:
    assert_asks_to_log_in(await flow.start())


@pytest.mark.rfc("6749", "3.1", 5)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 1)
async def test_a_good_request_by_form_leads_to_the_login_page(flow: CodeFlow) -> None:
    assert_asks_to_log_in(await flow.post())


@pytest.mark.rfc("9207", "2", 1)
@pytest.mark.rfc("9700", "2.1.2", 1)
@pytest.mark.rfc("9700", "4.4.2.1", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.2.5")
async def test_a_request_ends_with_a_code_and_nothing_else_in_the_address(
    flow: CodeFlow,
) -> None:
    assert_code_answer(await flow.finish())


async def test_a_request_by_form_ends_with_a_code(flow: CodeFlow) -> None:
    page = await flow.follow(await flow.post())
    consent = await flow.follow(await flow.log_in(page))
    assert_code_answer(await flow.allow(consent))


async def test_who_is_logged_in_and_has_allowed_it_is_sent_back_at_once(flow: CodeFlow) -> None:
    await flow.finish()
    assert_code_answer(await flow.start())


async def test_who_is_logged_in_comes_from_a_form_with_one_step_more(flow: CodeFlow) -> None:
    await flow.finish()
    response = await flow.post()
    assert_asks_to_log_in(response)  # the browser sends no cookies with another site's form
    assert_code_answer(await flow.follow(response))


@pytest.mark.rfc("7636", "4.4", 2)
async def test_every_code_is_another_one(flow: CodeFlow) -> None:
    assert len({await flow.code() for _ in range(3)}) == 3


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_method_is_not_answered(http: httpx2.AsyncClient, method: str) -> None:
    assert (await http.request(method, "/authorize")).status_code == 405


# Who asks is not known: a page, and no redirect


@pytest.mark.rfc("6749", "4.1.1", 2)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 5)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 2)
@pytest.mark.parametrize(
    "clients",
    [
        pytest.param([], id="missing"),
        pytest.param([""], id="empty"),
        pytest.param(["shop", "shop"], id="twice_the_same"),
        pytest.param(["shop", "other"], id="two"),
        pytest.param(["other", "shop"], id="two_the_other_way_round"),
    ],
)
async def test_a_request_that_does_not_name_one_client_is_refused_on_a_page(
    flow: CodeFlow, clients: Sequence[str]
) -> None:
    pairs = pairs_without(flow, "client_id") + [("client_id", value) for value in clients]
    for response in await flow.by_both(pairs):
        assert_error_page(response, UNNAMED)


@pytest.mark.rfc("6749", "4.1.2.1", 1)
@pytest.mark.rfc("9700", "4.11.2", 1)
@pytest.mark.parametrize(
    "client_id",
    named(
        {
            "another": "nobody",
            "another_case": "SHOP",
            "a_space_more": "shop ",
            "nul": "shop\x00",
            "not_ascii": "sh\u00f6p",
            "very_long": "x" * 5000,
            "sql": "' OR '1'='1",
        }
    ),
)
async def test_an_unknown_client_is_refused_on_a_page(flow: CodeFlow, client_id: str) -> None:
    pairs = [*pairs_without(flow, "client_id"), ("client_id", client_id)]
    for response in await flow.by_both(pairs):
        assert_error_page(response, UNKNOWN)


@pytest.mark.rfc("6749", "4.1.2.1", 1)
async def test_a_disabled_client_is_refused_on_a_page(
    flow: CodeFlow, server: Server, shop: TestClient, clock: TestClock
) -> None:
    await disable_client(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    assert_error_page(await flow.start(), UNKNOWN)


@pytest.mark.rfc("6749", "3.1", 8)
@pytest.mark.parametrize(
    "second", [CALLBACK, "https://evil.example.com/"], ids=["the_same", "another"]
)
async def test_a_repeated_redirect_uri_is_refused_on_a_page(flow: CodeFlow, second: str) -> None:
    pairs = [*pairs_without(flow), ("redirect_uri", second)]
    for response in await flow.by_both(pairs):
        assert_error_page(response, TWO_ADDRESSES)


@pytest.mark.rfc("6749", "3.1.2", 1)
@pytest.mark.rfc("6749", "3.1.2.2", 1)
@pytest.mark.rfc("6749", "3.1.2.3", 3)
@pytest.mark.rfc("6749", "3.1.2.4", 1, 2)
@pytest.mark.rfc("6749", "10.1", 2)
@pytest.mark.rfc("8252", "7.2", 1)
@pytest.mark.rfc("8252", "8.10", 1)
@pytest.mark.rfc("9700", "2.1", 1)
@pytest.mark.rfc("9700", "4.1.3", 1)
@pytest.mark.rfc("9700", "4.11.2", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 6)
@pytest.mark.rfc("openid-connect-core", "3.1.2.6", 1)
@pytest.mark.rfc("openid-connect-core", "14")
@pytest.mark.parametrize(
    "uri",
    named(
        {
            "another": "https://evil.example.com/callback",
            "a_trailing_slash": CALLBACK + "/",
            "cut": CALLBACK[:-1],
            "longer": CALLBACK + "2",
            "a_path_behind_it": CALLBACK + "/evil",
            "dots": CALLBACK + "/../callback",
            "a_double_slash": "https://shop.example.com//callback",
            "the_host_alone": "https://shop.example.com",
            "a_query_more": CALLBACK + "?next=evil",
            "an_empty_query": CALLBACK + "?",
            "a_fragment": CALLBACK + "#evil",
            "an_empty_fragment": CALLBACK + "#",
            "the_case_of_the_path": "https://shop.example.com/Callback",
            "the_case_of_the_host": "https://SHOP.example.com/callback",
            "the_case_of_the_scheme": "HTTPS://shop.example.com/callback",
            "the_default_port": "https://shop.example.com:443/callback",
            "another_port": "https://shop.example.com:8443/callback",
            "http": "http://shop.example.com/callback",
            "a_user": "https://evil@shop.example.com/callback",
            "the_host_as_user": "https://shop.example.com@evil.example.com/callback",
            "the_host_as_user_and_password": "https://shop.example.com:x@evil.example.com/callback",
            "a_backslash": "https://evil.example.com\\@shop.example.com/callback",
            "the_host_as_prefix": "https://shop.example.com.evil.example/callback",
            "the_host_as_suffix": "https://evilshop.example.com/callback",
            "a_subdomain": "https://evil.shop.example.com/callback",
            "a_final_dot": "https://shop.example.com./callback",
            "a_percent_encoded_letter": "https://shop.example.com/%63allback",
            "a_percent_encoded_slash": "https://shop.example.com%2Fcallback",
            "encoded_twice": "https%3A%2F%2Fshop.example.com%2Fcallback",
            "a_wide_slash": "https://shop.example.com\uff0fcallback",
            "a_cyrillic_letter": "https://sh\u043ep.example.com/callback",
            "a_wildcard": "https://*.example.com/callback",
            "a_space_before": " " + CALLBACK,
            "a_space_behind": CALLBACK + " ",
            "a_tab": "https://shop.example.com/call\tback",
            "a_newline": CALLBACK + "\n",
            "nul": CALLBACK + "\x00",
            "no_scheme": "//shop.example.com/callback",
            "the_path_alone": "/callback",
            "javascript": "javascript:alert(1)//shop.example.com/callback",
            "data": "data:text/html,<script>alert(1)</script>",
            "two_at_once": f"{CALLBACK} https://evil.example.com/",
            "very_long": CALLBACK + "/" * 5000,
            "this_server": f"{ISSUER}/account",
        }
    ),
)
async def test_a_redirect_uri_is_compared_character_by_character(flow: CodeFlow, uri: str) -> None:
    pairs = [*pairs_without(flow, "redirect_uri"), ("redirect_uri", uri)]
    for response in await flow.by_both(pairs):
        assert_error_page(response, OTHER_ADDRESS)


@pytest.mark.rfc("6749", "3.1.2.3", 2)
@pytest.mark.rfc("6749", "4.1.2.1", 1)
async def test_the_redirect_uri_of_another_client_is_refused_on_a_page(
    flow: CodeFlow, server: Server
) -> None:
    other = "https://other.example.com/callback"
    await add_web_client(server, "other", redirect_uris=[other])
    assert_error_page(await flow.start(redirect_uri=other), OTHER_ADDRESS)


@pytest.mark.rfc("6749", "3.1.2.4", 1)
async def test_the_page_does_not_repeat_the_address_that_it_refuses(flow: CodeFlow) -> None:
    response = await flow.start(redirect_uri="https://evil.example.com/" + XSS)
    assert "evil" not in response.text
    assert "alert(" not in response.text


@pytest.mark.rfc("6749", "3.1.2.4", 2)
async def test_a_request_with_two_faults_is_refused_on_a_page_if_one_is_the_redirect_uri(
    flow: CodeFlow,
) -> None:
    response = await flow.start(redirect_uri="https://evil.example.com/", response_type="token")
    assert_error_page(response, OTHER_ADDRESS)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_is_not_a_form_is_refused_on_a_page(
    http: httpx2.AsyncClient, content_type: str
) -> None:
    response = await http.post("/authorize", content="{}", headers={"Content-Type": content_type})
    assert_error_page(response, UNREADABLE)


async def test_the_address_of_a_posted_form_is_not_read(flow: CodeFlow) -> None:
    response = await flow.browser.post(
        "/authorize", params=flow.parameters(), content="", headers=FORM
    )
    assert_error_page(response, UNNAMED)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("state=%ff", id="percent_ff"),
        pytest.param("state=%c3%28", id="a_broken_sequence"),
        pytest.param("state=%ed%a0%80", id="a_surrogate"),
        pytest.param("%ff=state", id="in_a_name"),
        pytest.param("&".join(f"x{number}=y" for number in range(60)), id="too_many_parameters"),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused_on_a_page(
    flow: CodeFlow, method: str, encoded: str
) -> None:
    good = str(httpx2.QueryParams(flow.parameters(state=None)))
    if method == "GET":
        response = await flow.browser.get(f"/authorize?{good}&{encoded}")
    else:
        response = await flow.browser.post("/authorize", content=f"{good}&{encoded}", headers=FORM)
    assert_error_page(response, UNREADABLE)


# The loopback interface: RFC 8252, section 7.3


@pytest.fixture
async def several_loopbacks(server: Server) -> TestClient:
    return await add_native_client(
        server,
        redirect_uris=[
            LOOPBACK,
            "http://127.0.0.1:9000/with-a-port",
            "http://[::1]/callback",
            "http://localhost:9000/callback",
            "https://127.0.0.1/callback",
            "http://127.0.0.1/query?a=b",
        ],
    )


@pytest.mark.rfc("8252", "7.3", 1, 3)
@pytest.mark.rfc("9700", "4.1.3", 2)
@pytest.mark.parametrize(
    "uri",
    named(
        {
            "as_registered": LOOPBACK,
            "a_port": "http://127.0.0.1:51004/callback",
            "another_port": "http://127.0.0.1:51005/callback",
            "another_port_than_the_registered_one": "http://127.0.0.1:9001/with-a-port",
            "without_the_registered_port": "http://127.0.0.1/with-a-port",
            "ipv6": "http://[::1]/callback",
            "ipv6_with_a_port": "http://[::1]:61023/callback",
            "with_the_registered_query": "http://127.0.0.1:51004/query?a=b",
            "localhost_as_registered": "http://localhost:9000/callback",
        }
    ),
)
async def test_a_public_client_on_a_loopback_address_may_use_any_port(
    http: httpx2.AsyncClient, alice: TestUser, several_loopbacks: TestClient, uri: str
) -> None:
    assert_code_answer(await CodeFlow(http, alice, several_loopbacks, uri).finish(), uri)


@pytest.mark.rfc("8252", "7.3", 1)
@pytest.mark.rfc("8252", "8.3", 2)
@pytest.mark.rfc("8252", "8.4", 2)
@pytest.mark.rfc("9700", "2.1", 1)
@pytest.mark.parametrize(
    "uri",
    named(
        {
            "another_path": "http://127.0.0.1:51004/evil",
            "the_case_of_the_path": "http://127.0.0.1:51004/Callback",
            "a_trailing_slash": "http://127.0.0.1:51004/callback/",
            "no_path": "http://127.0.0.1:51004",
            "a_query_more": "http://127.0.0.1:51004/callback?a=b",
            "an_empty_query": "http://127.0.0.1:51004/callback?",
            "another_query": "http://127.0.0.1:51004/query?a=c",
            "without_the_query": "http://127.0.0.1:51004/query",
            "a_fragment": "http://127.0.0.1:51004/callback#evil",
            "an_empty_fragment": "http://127.0.0.1:51004/callback#",
            "parameters_of_a_path": "http://127.0.0.1:51004/callback;a",
            "another_loopback_address": "http://127.0.0.2:51004/callback",
            "the_short_form_of_the_address": "http://127.1:51004/callback",
            "the_address_as_a_number": "http://2130706433:51004/callback",
            "the_long_form_of_ipv6": "http://[0:0:0:0:0:0:0:1]:51004/callback",
            "the_address_within_ipv6": "http://[::ffff:127.0.0.1]:51004/callback",
            "every_interface": "http://0.0.0.0:51004/callback",
            "localhost_with_another_port": "http://localhost:51004/callback",
            "localhost_instead_of_the_address": "http://localhost/callback",
            "https_with_a_port": "https://127.0.0.1:51004/callback",
            "the_case_of_the_scheme": "HTTP://127.0.0.1:51004/callback",
            "a_user": "http://evil@127.0.0.1:51004/callback",
            "the_address_as_user": "http://127.0.0.1:51004@evil.example.com/callback",
            "the_address_as_prefix": "http://127.0.0.1.evil.example.com:51004/callback",
            "no_number": "http://127.0.0.1:evil/callback",
            "too_large_a_port": "http://127.0.0.1:65536/callback",
            "a_negative_port": "http://127.0.0.1:-1/callback",
            "two_ports": "http://127.0.0.1:1:2/callback",
            "a_port_in_other_digits": "http://127.0.0.1:\u0661\u0662/callback",
            "a_tab": "http://127.0.0.1:51004/call\tback",
            "a_newline": "http://127.0.0.1:51004/call\nback",
            "a_carriage_return_in_the_port": "http://127.0.0.1:510\r04/callback",
            "a_space_before": " http://127.0.0.1:51004/callback",
            "a_control_character_before": "\x01http://127.0.0.1:51004/callback",
            "a_broken_bracket": "http://[::1:51004/callback",
            "a_percent_encoded_letter": "http://127.0.0.1:51004/%63allback",
        }
    ),
)
async def test_nothing_but_the_port_may_vary(
    http: httpx2.AsyncClient, alice: TestUser, several_loopbacks: TestClient, uri: str
) -> None:
    response = await CodeFlow(http, alice, several_loopbacks, uri).start()
    assert_error_page(response, OTHER_ADDRESS)


@pytest.mark.rfc("8252", "8.4", 2)
async def test_a_confidential_client_may_not_vary_the_port(
    http: httpx2.AsyncClient, alice: TestUser, server: Server
) -> None:
    web = await add_web_client(server, redirect_uris=[LOOPBACK])
    flow = CodeFlow(http, alice, web, LOOPBACK)
    assert_asks_to_log_in(await flow.start())
    varied = "http://127.0.0.1:51004/callback"
    assert_error_page(await flow.start(redirect_uri=varied), OTHER_ADDRESS)


@pytest.mark.rfc("8252", "7.1", 2)
@pytest.mark.rfc("8252", "8.4", 2)
async def test_a_private_scheme_is_compared_like_any_other(
    http: httpx2.AsyncClient, alice: TestUser, server: Server
) -> None:
    native = await add_native_client(server, redirect_uris=[PRIVATE_SCHEME])
    flow = CodeFlow(http, alice, native, PRIVATE_SCHEME)
    assert_code_answer(await flow.finish(), PRIVATE_SCHEME)
    varied = "com.example.app://callback"
    assert_error_page(await flow.start(redirect_uri=varied), OTHER_ADDRESS)


# A redirect URI with a query, and a request without one


WITH_QUERY = "https://shop.example.com/callback?tenant=one&x=%20a+b"


@pytest.fixture
async def query_flow(http: httpx2.AsyncClient, alice: TestUser, server: Server) -> CodeFlow:
    web = await add_web_client(server, redirect_uris=[WITH_QUERY])
    return CodeFlow(http, alice, web, WITH_QUERY)


@pytest.mark.rfc("6749", "3.1.2", 3)
async def test_the_query_of_a_redirect_uri_is_kept_before_the_code(query_flow: CodeFlow) -> None:
    assert_code_answer(await query_flow.finish(), WITH_QUERY)


@pytest.mark.rfc("6749", "3.1.2", 3)
async def test_the_query_of_a_redirect_uri_is_kept_before_an_error(query_flow: CodeFlow) -> None:
    response = await query_flow.start(prompt="none")
    assert_error_answer(response, "login_required", MUST_LOG_IN, redirect_uri=WITH_QUERY)


@pytest.mark.rfc("6749", "3.1.2.2", 3)
async def test_a_redirect_uri_without_its_query_is_another_one(query_flow: CodeFlow) -> None:
    response = await query_flow.start(redirect_uri=CALLBACK)
    assert_error_page(response, OTHER_ADDRESS)


@pytest.mark.rfc("6749", "4.1.1", 3)
@pytest.mark.parametrize("given", [None, ""], ids=["left_out", "empty"])
async def test_the_only_redirect_uri_need_not_be_named(flow: CodeFlow, given: str | None) -> None:
    assert_code_answer(await flow.finish(redirect_uri=given, scope="profile"))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 6)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 2)
async def test_with_openid_the_redirect_uri_must_be_named(flow: CodeFlow) -> None:
    response = await flow.start(redirect_uri=None, scope="openid")
    description = "A request with the scope openid needs a redirect_uri."
    assert_error_answer(response, "invalid_request", description)


@pytest.mark.rfc("6749", "3.1.2.2", 1, 2)
@pytest.mark.rfc("6749", "3.1.2.3", 1)
@pytest.mark.rfc("6749", "10.2", 2)
@pytest.mark.rfc("6749", "10.6", 2)
@pytest.mark.parametrize(
    "registered",
    [
        pytest.param([], id="none_registered"),
        pytest.param([CALLBACK, "https://shop.example.com/other"], id="two_registered"),
    ],
)
async def test_a_request_that_does_not_say_where_to_return_to_is_refused_on_a_page(
    http: httpx2.AsyncClient, alice: TestUser, server: Server, registered: Sequence[str]
) -> None:
    flow = CodeFlow(http, alice, await add_native_client(server, redirect_uris=registered))
    response = await flow.start(redirect_uri=None, scope="profile")
    assert_error_page(response, NO_ADDRESS)


@pytest.mark.rfc("6749", "3.1.2", 1)
@pytest.mark.rfc("6749", "3.1.2.2", 4)
@pytest.mark.parametrize("path", ["/callback", "/other"])
async def test_each_registered_redirect_uri_is_good(
    http: httpx2.AsyncClient, alice: TestUser, server: Server, path: str
) -> None:
    uris = ["https://shop.example.com/callback", "https://shop.example.com/other"]
    web = await add_web_client(server, redirect_uris=uris)
    uri = "https://shop.example.com" + path
    assert_code_answer(await CodeFlow(http, alice, web, uri).finish(), uri)


# Errors that the client is told


@pytest.mark.rfc("6749", "3.1.1")
@pytest.mark.rfc("6749", "4.1.1", 1, 6)
@pytest.mark.rfc("6749", "4.1.2.1", 2, 6, 10)
@pytest.mark.rfc("7636", "A")
@pytest.mark.rfc("7636", "4.2", 1)
@pytest.mark.rfc("7636", "4.3", 2)
@pytest.mark.rfc("7636", "4.4.1", 3)
@pytest.mark.rfc("7636", "7.2", 1, 2)
@pytest.mark.rfc("8252", "8.2")
@pytest.mark.rfc("9207", "2", 1)
@pytest.mark.rfc("9700", "2.1.1", 5)
@pytest.mark.rfc("9700", "2.1.2", 1)
@pytest.mark.rfc("9700", "4.4.2.1", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 4, 17, 30)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 1, 6)
@pytest.mark.rfc("openid-connect-core", "3.1.2.6", 1, 6)
@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        pytest.param({name: value}, error, description, id=test_id)
        for test_id, name, value, error, description in [
            ("no_response_type", "response_type", None, "invalid_request", NO_TYPE),
            ("an_empty_response_type", "response_type", "", "invalid_request", NO_TYPE),
            ("token", "response_type", "token", "unsupported_response_type", OTHER_TYPE),
            ("id_token", "response_type", "id_token", "unsupported_response_type", OTHER_TYPE),
            (
                "code_id_token",
                "response_type",
                "code id_token",
                "unsupported_response_type",
                OTHER_TYPE,
            ),
            ("none", "response_type", "none", "unsupported_response_type", OTHER_TYPE),
            ("capitals", "response_type", "CODE", "unsupported_response_type", OTHER_TYPE),
            ("web_message", "response_mode", "web_message", "invalid_request", OTHER_MODE),
            ("a_jwt", "response_mode", "query.jwt", "invalid_request", OTHER_MODE),
            ("no_challenge", "code_challenge", None, "invalid_request", NO_CHALLENGE),
            ("an_empty_challenge", "code_challenge", "", "invalid_request", NO_CHALLENGE),
            ("no_method", "code_challenge_method", None, "invalid_request", NOT_S256),
            ("an_empty_method", "code_challenge_method", "", "invalid_request", NOT_S256),
            ("plain", "code_challenge_method", "plain", "invalid_request", NOT_S256),
            ("a_small_s", "code_challenge_method", "s256", "invalid_request", NOT_S256),
            ("an_unknown_method", "code_challenge_method", "S512", "invalid_request", NOT_S256),
            ("a_short_challenge", "code_challenge", "x" * 42, "invalid_request", BAD_CHALLENGE),
            ("a_long_challenge", "code_challenge", "x" * 44, "invalid_request", BAD_CHALLENGE),
            (
                "a_padded_challenge",
                "code_challenge",
                challenge_of(VERIFIER) + "=",
                "invalid_request",
                BAD_CHALLENGE,
            ),
            (
                "a_challenge_in_base64",
                "code_challenge",
                "x" * 41 + "+/",
                "invalid_request",
                BAD_CHALLENGE,
            ),
            (
                "a_challenge_with_a_newline",
                "code_challenge",
                "x" * 43 + "\n",
                "invalid_request",
                BAD_CHALLENGE,
            ),
            (
                "a_challenge_that_is_not_ascii",
                "code_challenge",
                "\u00e9" * 43,
                "invalid_request",
                BAD_CHALLENGE,
            ),
            ("an_unknown_scope", "scope", "profile evil", "invalid_scope", BAD_SCOPE),
            ("a_scope_of_others", "scope", "profile users:read", "invalid_scope", BAD_SCOPE),
            ("a_scope_in_capitals", "scope", "PROFILE", "invalid_scope", BAD_SCOPE),
            ("a_malformed_scope", "scope", 'profile "', "invalid_scope", BAD_SCOPE),
            ("scopes_with_a_comma", "scope", "profile,email", "invalid_scope", BAD_SCOPE),
            ("scopes_with_a_tab", "scope", "profile\temail", "invalid_scope", BAD_SCOPE),
            ("an_unknown_prompt", "prompt", "create", "invalid_request", BAD_PROMPT),
            ("a_prompt_in_capitals", "prompt", "NONE", "invalid_request", BAD_PROMPT),
            ("none_and_login", "prompt", "none login", "invalid_request", BAD_PROMPT),
            ("consent_and_none", "prompt", "consent none", "invalid_request", BAD_PROMPT),
            ("login_and_another", "prompt", "login create", "invalid_request", BAD_PROMPT),
            ("a_negative_age", "max_age", "-1", "invalid_request", BAD_MAX_AGE),
            ("a_broken_age", "max_age", "1.5", "invalid_request", BAD_MAX_AGE),
            ("an_age_in_words", "max_age", "ten", "invalid_request", BAD_MAX_AGE),
            ("an_age_with_a_sign", "max_age", "+1", "invalid_request", BAD_MAX_AGE),
            ("an_age_with_an_exponent", "max_age", "1e3", "invalid_request", BAD_MAX_AGE),
            ("an_age_with_a_space", "max_age", " 1", "invalid_request", BAD_MAX_AGE),
            ("an_age_in_other_digits", "max_age", "\u0661", "invalid_request", BAD_MAX_AGE),
            ("too_large_an_age", "max_age", str(2**31), "invalid_request", BAD_MAX_AGE),
            ("an_endless_age", "max_age", "9" * 4000, "invalid_request", BAD_MAX_AGE),
            ("nul", "nonce", "a\x00b", "invalid_request", TOO_LONG),
            ("nul_in_an_unknown_parameter", "unknown", "\x00", "invalid_request", TOO_LONG),
            ("too_long", "nonce", "x" * 4097, "invalid_request", TOO_LONG),
            ("too_long_a_hint", "login_hint", "x" * 4097, "invalid_request", TOO_LONG),
        ]
    ],
)
async def test_the_client_is_told_what_is_wrong_with_its_request(
    flow: CodeFlow,
    changed: dict[str, str | None],
    error: str,
    description: str,
) -> None:
    for response in await flow.by_both(list(flow.parameters(**changed).items())):
        assert_error_answer(response, error, description)


@pytest.mark.rfc("6749", "3.1", 8)
@pytest.mark.rfc("6749", "4.1.2.1", 3)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 1)
@pytest.mark.parametrize(
    "name",
    [
        "response_type",
        "scope",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "prompt",
        "max_age",
        "response_mode",
        "unknown",
    ],
)
async def test_a_repeated_parameter_is_an_error(flow: CodeFlow, name: str) -> None:
    value = {"nonce": "n", "prompt": "login", "max_age": "9", "response_mode": "query"}
    once = flow.parameters().get(name, value.get(name, "x"))
    pairs = [*pairs_without(flow, name), (name, once), (name, once)]
    for response in await flow.by_both(pairs):
        assert_error_answer(response, "invalid_request", REPEATED)


async def test_a_repeated_state_is_an_error_and_none_of_them_comes_back(flow: CodeFlow) -> None:
    for response in await flow.by_both([*pairs_without(flow), ("state", "another")]):
        assert_error_answer(response, "invalid_request", REPEATED, state=None)


@pytest.mark.rfc("6749", "3.1", 6)
@pytest.mark.parametrize(
    "name",
    ["client_id", "redirect_uri", "response_type", "state", "request", "prompt", "max_age"],
)
async def test_a_parameter_with_an_empty_value_counts_as_left_out(
    flow: CodeFlow, name: str
) -> None:
    response = await flow.send("GET", [(name, ""), *pairs_without(flow), (name, "")])
    assert_asks_to_log_in(response)


@pytest.mark.rfc("openid-connect-core", "3.1.2.6", 4)
@pytest.mark.rfc("openid-connect-core", "6.1")
@pytest.mark.rfc("openid-connect-core", "6.2")
@pytest.mark.rfc("openid-connect-discovery", "3", 23, 24)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("request", "eyJhbGciOiJub25lIn0.e30.", id="request"),
        pytest.param("request_uri", "https://shop.example.com/request.jwt", id="request_uri"),
        pytest.param("request_uri", "urn:ietf:params:oauth:request_uri:x", id="pushed"),
        pytest.param("registration", "{}", id="registration"),
    ],
)
async def test_a_request_object_is_refused_by_name(flow: CodeFlow, name: str, value: str) -> None:
    description = f"The parameter {name} is not supported."
    for response in await flow.by_both([*pairs_without(flow), (name, value)]):
        assert_error_answer(response, f"{name}_not_supported", description)


@pytest.mark.rfc("openid-connect-core", "6.2")
async def test_a_request_object_that_has_the_other_parameters_in_it_is_refused_by_name(
    flow: CodeFlow,
) -> None:
    pairs = [("client_id", "shop"), ("request_uri", "https://shop.example.com/r")]
    description = "The parameter request_uri is not supported."
    response = await flow.send("GET", pairs)
    assert_error_answer(response, "request_uri_not_supported", description, state=None)


@pytest.mark.rfc("6749", "4.1.2.1", 4)
async def test_a_client_that_may_not_use_the_flow_is_told_so(
    flow: CodeFlow, server: Server, shop: TestClient
) -> None:
    await set_grants(server, shop, "password", "refresh_token")
    description = "This client may not use this flow."
    assert_error_answer(await flow.start(), "unauthorized_client", description)


async def test_the_longest_values_are_taken(flow: CodeFlow) -> None:
    state = "x" * 4096
    assert_code_answer(await flow.finish(state=state, nonce="n" * 4096), state=state)


# The state comes back as it was


STATES = pytest.mark.parametrize(
    "state",
    named(
        {
            "spaces": "a b  c",
            "spaces_at_the_ends": " a ",
            "one_space": " ",
            "plus": "a+b",
            "percent": "100%",
            "percent_encoded": "a%20b%2Bc%00",
            "ampersand": "a&code=evil&iss=evil",
            "equals": "YQ==",
            "question_mark": "a?b",
            "hash": "a#b",
            "semicolon": "a;b",
            "slashes": "/a//b\\c",
            "quotes": "\"a' `b`",
            "html": "</form><script>alert(1)</script>&amp;&#39;",
            "json": '{"a": ["b", null]}',
            "umlauts": "\u00e4\u00f6\u00fc\u00df",
            "decomposed": "e\u0301",
            "emoji": "\U0001f511\u200d",
            "right_to_left": "\u202eabc",
            "tab": "a\tb",
            "newline": "a\nb",
            "no_break_space": "a\u00a0b",
            "byte_order_mark": "\ufeffa",
            "replacement_character": "\ufffd",
            "template": "{{ 7 * 7 }}${7}%s{0}",
        }
    ),
)


@pytest.mark.rfc("6749", "4.1.2.1", 12)
@STATES
async def test_the_state_comes_back_with_an_error_byte_for_byte(flow: CodeFlow, state: str) -> None:
    pairs = list(flow.parameters(state=state, response_type="token").items())
    for response in await flow.by_both(pairs):
        assert_error_answer(response, "unsupported_response_type", OTHER_TYPE, state=state)


@pytest.mark.rfc("6749", "4.1.2", 7)
@pytest.mark.rfc("8252", "8.9")
@pytest.mark.rfc("9700", "2.1", 3)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 7)
@pytest.mark.rfc("openid-connect-core", "13.1")
@STATES
async def test_the_state_comes_back_with_the_code_byte_for_byte(flow: CodeFlow, state: str) -> None:
    assert_code_answer(await flow.finish(state=state), state=state)


@pytest.mark.rfc("oauth-form-post-response-mode", "2", 2)
@STATES
async def test_the_state_comes_back_by_form_post_byte_for_byte(flow: CodeFlow, state: str) -> None:
    response = await flow.start(state=state, response_mode="form_post", prompt="none")
    assert Page(response).form.fields["state"] == state


@pytest.mark.rfc("openid-connect-core", "13.1")
async def test_a_space_is_encoded_as_every_reader_of_addresses_understands(flow: CodeFlow) -> None:
    location = (await flow.start(prompt="none", state="a b+c")).headers["location"]
    assert "error_description=The%20user%20must%20log%20in." in location
    assert location.endswith("&state=a%20b%2Bc")


@pytest.mark.rfc("6749", "10.14")
async def test_a_carriage_return_in_the_state_makes_no_header(flow: CodeFlow) -> None:
    state = "a\r\nSet-Cookie: evil=1"
    response = await flow.start(state=state, prompt="none")
    assert "set-cookie" not in response.headers
    assert_error_answer(response, "login_required", MUST_LOG_IN, state=state)


@pytest.mark.rfc("6749", "4.1.1", 5)
@pytest.mark.parametrize("state", [None, ""], ids=["left_out", "empty"])
async def test_without_a_state_none_comes_back(flow: CodeFlow, state: str | None) -> None:
    assert_code_answer(await flow.finish(state=state), state=None)


@pytest.mark.rfc("6749", "4.1.2.1", 12)
@pytest.mark.parametrize("state", [None, ""], ids=["left_out", "empty"])
async def test_without_a_state_none_comes_back_with_an_error(
    flow: CodeFlow, state: str | None
) -> None:
    response = await flow.start(state=state, prompt="none")
    assert_error_answer(response, "login_required", MUST_LOG_IN, state=None)


# PKCE: RFC 7636


@pytest.mark.rfc("6749", "4.1.2.1", 3)
@pytest.mark.rfc("7636", "4.3", 1)
@pytest.mark.rfc("7636", "4.4.1", 1, 2)
@pytest.mark.rfc("8252", "6")
@pytest.mark.rfc("8252", "8.1", 2)
@pytest.mark.rfc("9700", "2.1.1", 1)
async def test_a_public_client_needs_a_challenge(native_flow: CodeFlow) -> None:
    response = await native_flow.start(code_challenge=None, code_challenge_method=None)
    assert_error_answer(response, "invalid_request", NO_CHALLENGE, redirect_uri=LOOPBACK)


@pytest.mark.rfc("7636", "4.3", 1)
@pytest.mark.rfc("7636", "4.4.1", 1)
@pytest.mark.rfc("9700", "2.1.1", 2)
async def test_a_confidential_client_needs_a_challenge(flow: CodeFlow) -> None:
    response = await flow.start(code_challenge=None, code_challenge_method=None)
    assert_error_answer(response, "invalid_request", NO_CHALLENGE)


@pytest.mark.rfc("7636", "5")
@pytest.mark.rfc("9700", "2.1.1", 3)
async def test_a_client_that_opted_out_needs_no_challenge(old_flow: CodeFlow) -> None:
    assert_code_answer(await old_flow.finish(code_challenge=None, code_challenge_method=None))


async def test_a_client_that_opted_out_may_send_a_challenge(old_flow: CodeFlow) -> None:
    assert_code_answer(await old_flow.finish())


@pytest.mark.parametrize("method", ["S256", "plain"])
async def test_a_method_without_a_challenge_is_an_error_also_after_opting_out(
    old_flow: CodeFlow, method: str
) -> None:
    response = await old_flow.start(code_challenge=None, code_challenge_method=method)
    assert_error_answer(response, "invalid_request", NO_CHALLENGE)


@pytest.mark.parametrize("method", [None, "plain"], ids=["absent", "plain"])
async def test_a_challenge_without_s256_is_an_error_also_after_opting_out(
    old_flow: CodeFlow, method: str | None
) -> None:
    response = await old_flow.start(code_challenge_method=method)
    assert_error_answer(response, "invalid_request", NOT_S256)


@pytest.mark.parametrize("changes", [{"posture": "oauth21"}], ids=["posture_oauth21"])
async def test_the_posture_oauth21_takes_the_opt_out_away(old_flow: CodeFlow) -> None:
    response = await old_flow.start(code_challenge=None, code_challenge_method=None)
    assert_error_answer(response, "invalid_request", NO_CHALLENGE)
    assert_asks_to_log_in(await old_flow.start())


# Scopes


async def granted(flow: CodeFlow, scope: str | None) -> str:
    """The scope of the tokens that such a request ends with."""
    answer: str = (await flow.tokens(scope=scope))["scope"]
    return answer


@pytest.mark.rfc("6749", "4.1.1", 4)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 3)
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param("profile email", "profile email", id="two"),
        pytest.param("email profile", "email profile", id="in_another_order"),
        pytest.param(" profile  email ", "profile email", id="more_spaces"),
        pytest.param("profile email profile", "profile email", id="one_twice"),
        pytest.param(None, "profile", id="the_defaults"),
        pytest.param("", "profile", id="the_defaults_for_an_empty_one"),
        pytest.param(" ", "profile", id="the_defaults_for_a_space"),
        pytest.param("openid", "openid", id="openid_alone"),
        pytest.param("openid evil profile", "openid profile", id="an_unknown_one_with_openid"),
        pytest.param("openid users:read", "openid", id="one_of_others_with_openid"),
        pytest.param('openid "evil\\', "openid", id="a_malformed_one_with_openid"),
    ],
)
async def test_the_scopes_of_a_request_are_granted(
    flow: CodeFlow, scope: str | None, expected: str
) -> None:
    assert await granted(flow, scope) == expected


@pytest.mark.rfc("6749", "4.1.1", 4)
async def test_a_client_without_default_scopes_has_to_ask_for_some(
    http: httpx2.AsyncClient, alice: TestUser, server: Server
) -> None:
    flow = CodeFlow(http, alice, await add_web_client(server, default_scopes=[]))
    assert_error_answer(await flow.start(scope=None), "invalid_scope", BAD_SCOPE)


@pytest.mark.rfc("6749", "4.1.2.1", 7)
@pytest.mark.parametrize("scope", ["openid", "openid profile"])
async def test_openid_is_refused_to_a_client_that_may_not_have_it(
    http: httpx2.AsyncClient, alice: TestUser, server: Server, scope: str
) -> None:
    """It would wait for an ID token."""
    flow = CodeFlow(http, alice, await add_web_client(server, scopes=["profile"]))
    assert_error_answer(await flow.start(scope=scope), "invalid_scope", BAD_SCOPE)


@pytest.mark.rfc("6749", "4.1.2.1", 7)
async def test_a_scope_that_exists_and_is_not_the_clients_is_refused(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    await add_scope(server, "reports", "Read")
    response = await flow.start(scope="profile reports")
    assert_error_answer(response, "invalid_scope", BAD_SCOPE)


# prompt


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 11, 12)
@pytest.mark.rfc("openid-connect-core", "3.1.2.3", 3)
@pytest.mark.rfc("openid-connect-core", "3.1.2.6", 2)
@pytest.mark.rfc("openid-connect-core", "15.1", 2)
async def test_prompt_none_without_a_session_needs_a_login(flow: CodeFlow) -> None:
    assert_error_answer(await flow.start(prompt="none"), "login_required", MUST_LOG_IN)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 11)
async def test_prompt_none_by_form_shows_no_page(flow: CodeFlow) -> None:
    response = await flow.follow(await flow.post(prompt="none"))
    assert_error_answer(response, "login_required", MUST_LOG_IN)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 12)
@pytest.mark.rfc("openid-connect-core", "3.1.2.6", 2)
async def test_prompt_none_without_a_consent_needs_one(flow: CodeFlow) -> None:
    await flow.consent_page()
    response = await flow.start(prompt="none")
    assert_error_answer(response, "consent_required", MUST_CONSENT)


async def test_prompt_none_by_form_without_a_consent_shows_no_page(flow: CodeFlow) -> None:
    await flow.consent_page()
    response = await flow.follow(await flow.post(prompt="none"))
    assert_error_answer(response, "consent_required", MUST_CONSENT)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 11, 27)
async def test_prompt_none_with_all_that_it_needs_is_a_code(flow: CodeFlow) -> None:
    await flow.finish()
    assert_code_answer(await flow.start(prompt="none"))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 13, 16, 29)
@pytest.mark.rfc("openid-connect-core", "3.1.2.3", 2)
@pytest.mark.rfc("openid-connect-core", "15.1", 2)
@pytest.mark.parametrize("prompt", ["login", "select_account", "login select_account"])
async def test_a_prompt_for_the_login_asks_for_the_password_again(
    flow: CodeFlow, clock: TestClock, prompt: str
) -> None:
    await flow.finish()
    clock.advance(1)
    page = await flow.login_page(prompt=prompt)
    assert_code_answer(await flow.log_in(page))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 14)
async def test_a_prompt_for_the_login_is_not_satisfied_by_going_on_without_one(
    flow: CodeFlow, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(1)
    login_url = (await flow.start(prompt="login")).headers["location"]
    response = await flow.browser.get(login_url.replace("/login", "/consent"))
    assert_asks_to_log_in(response)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 15)
async def test_prompt_consent_asks_again_for_what_is_allowed(flow: CodeFlow) -> None:
    await flow.finish()
    response = await flow.start(prompt="consent")
    assert_asks_to_allow(response)
    assert_code_answer(await flow.allow(await flow.follow(response)))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 26)
async def test_prompt_consent_is_not_satisfied_by_what_was_allowed_before(flow: CodeFlow) -> None:
    await flow.finish()
    page = await flow.follow(await flow.start(prompt="consent"))
    assert_error_answer(await flow.deny(page), "access_denied", "The user denied the request.")


async def test_two_prompts_ask_for_both(flow: CodeFlow, clock: TestClock) -> None:
    await flow.finish()
    clock.advance(1)
    page = await flow.login_page(prompt="consent login")
    response = await flow.log_in(page)
    assert_asks_to_allow(response)
    assert_code_answer(await flow.allow(await flow.follow(response)))


# max_age


@pytest.mark.parametrize("max_age", ["60", "2147483647"])
async def test_a_login_that_is_young_enough_is_good(
    flow: CodeFlow, clock: TestClock, max_age: str
) -> None:
    await flow.finish()
    clock.advance(60)
    assert_code_answer(await flow.start(max_age=max_age))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 18)
@pytest.mark.rfc("openid-connect-core", "15.1", 6)
@pytest.mark.parametrize("max_age", ["59", "1", "0", "00"])
async def test_a_login_that_is_older_than_max_age_is_asked_for_again(
    flow: CodeFlow, clock: TestClock, max_age: str
) -> None:
    await flow.finish()
    clock.advance(60)
    page = await flow.login_page(max_age=max_age)
    assert_code_answer(await flow.log_in(page))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 18)
async def test_a_login_that_is_too_old_is_an_error_with_prompt_none(
    flow: CodeFlow, clock: TestClock
) -> None:
    await flow.finish()
    clock.advance(60)
    response = await flow.start(max_age="59", prompt="none")
    assert_error_answer(response, "login_required", MUST_LOG_IN)


async def test_a_login_for_max_age_0_is_good_although_time_passes_until_the_consent(
    flow: CodeFlow, clock: TestClock
) -> None:
    page = await flow.login_page(max_age="0", prompt="consent")
    clock.advance(5)
    consent = await flow.follow(await flow.log_in(page))
    clock.advance(5)
    assert_code_answer(await flow.allow(consent))


# Hints, and what causes no error


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 24)
async def test_the_login_hint_is_filled_in(flow: CodeFlow) -> None:
    page = Page(await flow.login_page(login_hint="alice@example.com"))
    assert page.form.fields["username"] == "alice@example.com"


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 24)
async def test_a_login_hint_does_not_log_anybody_in(flow: CodeFlow) -> None:
    response = await flow.start(login_hint="alice", prompt="none")
    assert_error_answer(response, "login_required", MUST_LOG_IN)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 21)
async def test_the_hint_of_the_user_who_is_logged_in_changes_nothing(flow: CodeFlow) -> None:
    hint = (await flow.tokens())["id_token"]
    assert_code_answer(await flow.start(id_token_hint=hint, prompt="none"))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 22)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 7)
async def test_an_expired_hint_is_good(flow: CodeFlow, clock: TestClock) -> None:
    hint = (await flow.tokens())["id_token"]
    clock.advance(3600)
    assert_code_answer(await flow.start(id_token_hint=hint, prompt="none"))


@pytest.fixture
async def hint_of_bob(other_browser: httpx2.AsyncClient, bob: TestUser, shop: TestClient) -> str:
    """An ID token of another user."""
    hint: str = (await CodeFlow(other_browser, bob, shop).tokens())["id_token"]
    return hint


async def test_the_hint_of_another_user_asks_to_log_in(
    flow: CodeFlow, clock: TestClock, hint_of_bob: str
) -> None:
    await flow.finish()
    clock.advance(1)
    assert_asks_to_log_in(await flow.start(id_token_hint=hint_of_bob))


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 23)
async def test_the_hint_of_another_user_is_an_error_with_prompt_none(
    flow: CodeFlow, clock: TestClock, hint_of_bob: str
) -> None:
    await flow.finish()
    clock.advance(1)
    response = await flow.start(id_token_hint=hint_of_bob, prompt="none")
    assert_error_answer(response, "login_required", MUST_LOG_IN)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 23)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 3)
async def test_a_user_other_than_the_hinted_one_gets_no_code(
    flow: CodeFlow, clock: TestClock, hint_of_bob: str
) -> None:
    await flow.finish()
    clock.advance(1)
    page = await flow.login_page(id_token_hint=hint_of_bob)
    assert_error_answer(await flow.log_in(page), "login_required", OTHER_USER)


async def test_a_user_other_than_the_hinted_one_gets_no_code_through_the_consent_page(
    flow: CodeFlow, clock: TestClock, hint_of_bob: str
) -> None:
    """OpenID Connect Core, section 3.1.2.2: never for a different user than the hinted one."""
    login_url = (await flow.start(id_token_hint=hint_of_bob)).headers["location"]
    clock.advance(1)
    await flow.log_in(await flow.browser.get("/login"))
    response = await flow.browser.get(login_url.replace("/login", "/consent"))
    assert_error_answer(response, "login_required", OTHER_USER)


@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 21)
async def test_the_hinted_user_logs_in_and_gets_a_code(
    other_browser: httpx2.AsyncClient,
    alice: TestUser,
    bob: TestUser,
    shop: TestClient,
    clock: TestClock,
    hint_of_bob: str,
) -> None:
    other_browser.cookies.clear()
    await CodeFlow(other_browser, alice, shop).finish()
    clock.advance(1)
    flow = CodeFlow(other_browser, bob, shop)
    page = await flow.login_page(id_token_hint=hint_of_bob)
    assert_code_answer(await flow.log_in(page))


@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 4)
@pytest.mark.parametrize(
    "hint",
    named(
        {
            "garbage": "garbage",
            "three_parts": "a.b.c",
            "not_signed": "eyJhbGciOiJub25lIn0.e30.",
            "not_ascii": "\u00e9.\u00e9.\u00e9",
            "long": "x" * 4096,
        }
    ),
)
async def test_a_hint_that_is_no_id_token_is_left_alone(flow: CodeFlow, hint: str) -> None:
    await flow.finish()
    assert_code_answer(await flow.start(id_token_hint=hint, prompt="none"))


@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 4)
async def test_an_access_token_is_no_hint(
    flow: CodeFlow, server: Server, bob: TestUser, clock: TestClock
) -> None:
    token = (await log_in(flow.browser, bob, await add_client(server), "profile"))["access_token"]
    await flow.finish()
    clock.advance(1)
    assert_code_answer(await flow.start(id_token_hint=token, prompt="none"))


@pytest.mark.rfc("6749", "3.1", 7)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 10, 25)
@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 5)
@pytest.mark.rfc("openid-connect-core", "15.1", 3, 4, 7)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("display", "popup", id="display"),
        pytest.param("display", "hologram", id="an_unknown_display"),
        pytest.param("ui_locales", "fr-CA fr en", id="ui_locales"),
        pytest.param("claims_locales", "de", id="claims_locales"),
        pytest.param("claims", '{"userinfo": {"email": {"essential": true}}}', id="claims"),
        pytest.param("acr_values", "urn:mace:incommon:iap:silver", id="acr_values"),
        pytest.param("login_hint", "nobody", id="login_hint"),
        pytest.param("id_token_hint", "garbage", id="id_token_hint"),
        pytest.param("nonce", "n-0S6_WzA2Mj", id="nonce"),
        pytest.param("response_mode", "query", id="response_mode"),
        pytest.param("resource", "https://api.example.com", id="resource"),
        pytest.param("utm_source", "newsletter", id="an_unknown_parameter"),
        pytest.param("\u00fc", "\u00fc", id="an_unknown_parameter_that_is_not_ascii"),
        pytest.param("\x00", "x", id="an_unknown_parameter_with_nul"),
        pytest.param("client_secret", "x" * 40, id="a_secret"),
    ],
)
async def test_a_parameter_that_this_server_does_not_need_is_no_error(
    flow: CodeFlow, name: str, value: str
) -> None:
    for response in await flow.by_both([*pairs_without(flow), (name, value)]):
        assert_asks_to_log_in(response)


# response_mode=fragment


@pytest.mark.rfc("9207", "2", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 8)
@pytest.mark.rfc("openid-connect-discovery", "3", 8)
async def test_an_answer_can_come_in_the_fragment_of_the_address(flow: CodeFlow) -> None:
    location = (await flow.finish(response_mode="fragment")).headers["location"]
    assert location.startswith(f"{CALLBACK}#code=")
    assert set(dict(parse_qsl(location.partition("#")[2]))) == {"code", "iss", "state"}


async def test_so_can_an_error(flow: CodeFlow) -> None:
    response = await flow.start(response_mode="fragment", prompt="none")
    assert response.headers["location"].startswith(f"{CALLBACK}#error=login_required&")


# response_mode=form_post


@pytest.mark.rfc("9207", "2", 1)
@pytest.mark.rfc("oauth-form-post-response-mode", "2", 1, 2)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 8)
async def test_a_code_by_form_post(flow: CodeFlow) -> None:
    page = Page(await flow.finish(response_mode="form_post"))
    fields = page.form.fields
    assert fields == {"code": fields["code"], "iss": ISSUER, "state": STATE}
    assert (page.form.action, page.form.method) == (CALLBACK, "post")
    assert len(fields["code"]) == 43


async def test_a_code_that_came_by_form_post_is_good(flow: CodeFlow) -> None:
    page = Page(await flow.finish(response_mode="form_post"))
    assert (await flow.exchange(page.form.fields["code"])).status_code == 200


@pytest.mark.rfc("oauth-form-post-response-mode", "2", 2)
async def test_an_error_by_form_post(flow: CodeFlow) -> None:
    response = await flow.start(response_mode="form_post", response_type="token")
    page = Page(response)
    assert (response.status_code, page.form.action) == (200, CALLBACK)
    assert page.form.fields == {
        "error": "unsupported_response_type",
        "error_description": OTHER_TYPE,
        "iss": ISSUER,
        "state": STATE,
    }


async def test_a_refusal_of_the_user_by_form_post(flow: CodeFlow) -> None:
    page = Page(await flow.deny(await flow.consent_page(response_mode="form_post")))
    assert page.form.fields["error"] == "access_denied"


@pytest.mark.rfc("9700", "4.2.4", 6)
@pytest.mark.rfc("oauth-form-post-response-mode", "4", 1)
async def test_an_answer_by_form_post_leaves_the_address_bare(flow: CodeFlow) -> None:
    assert "location" not in (await flow.finish(response_mode="form_post")).headers


@pytest.mark.parametrize(
    ("uri", "sources"),
    [
        pytest.param(CALLBACK, ["https:"], id="https"),
        pytest.param("https://shop.example.com:8443/cb?a=b;c", ["https:"], id="a_port"),
        pytest.param("http://127.0.0.1:9000/cb", ["http:", "https:"], id="loopback"),
        pytest.param("http://[::1]:9000/cb", ["http:", "https:"], id="loopback_version_6"),
        pytest.param(PRIVATE_SCHEME, ["com.example.app:"], id="a_private_scheme"),
    ],
)
async def test_the_form_of_an_answer_goes_to_the_client_which_may_redirect_by_its_scheme(
    http: httpx2.AsyncClient, alice: TestUser, server: Server, uri: str, sources: list[str]
) -> None:
    web = await add_web_client(server, redirect_uris=[uri])
    response = await CodeFlow(http, alice, web, uri).start(response_mode="form_post", prompt="none")
    assert Page(response).form.action == uri
    assert source_names(response, "form-action") == ["'self'", *sources]
    assert source_names(response, "script-src") == ["'self'"]


@pytest.mark.rfc("oauth-form-post-response-mode", "2", 4)
async def test_the_form_of_an_answer_is_sent_by_a_script_of_this_server(flow: CodeFlow) -> None:
    response = await flow.start(response_mode="form_post", prompt="none")
    assert Page(response).tags["script"] == 1
    assert '<script src="assets/form-post.js?' in response.text
    assert (await flow.browser.get("/assets/form-post.js")).status_code == 200


async def test_an_unknown_response_mode_is_told_by_query(flow: CodeFlow) -> None:
    response = await flow.start(response_mode="window")
    assert "#" not in response.headers["location"]
    assert_error_answer(response, "invalid_request", OTHER_MODE)


# Addresses are those of the settings


FORGED = {
    "Host": "evil.example.com",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "host=evil.example.com;proto=https",
}


async def test_the_login_page_is_at_the_issuer_whatever_the_headers_say(flow: CodeFlow) -> None:
    response = await flow.browser.get("/authorize", params=flow.parameters(), headers=FORGED)
    assert_asks_to_log_in(response)


@pytest.mark.rfc("9207", "2", 2)
@pytest.mark.rfc("9207", "2.3", 1)
@pytest.mark.rfc("9700", "4.4.2.1", 1)
async def test_the_iss_is_the_issuer_whatever_the_headers_say(flow: CodeFlow) -> None:
    response = await flow.browser.get(
        "/authorize", params=flow.parameters(prompt="none"), headers=FORGED
    )
    assert_error_answer(response, "login_required", MUST_LOG_IN)


async def test_no_page_names_the_forged_host(flow: CodeFlow) -> None:
    address = (await flow.start()).headers["location"]
    response = await flow.browser.get(address, headers=FORGED)
    assert Page(response).heading == LOGIN_HEADING
    assert "evil" not in response.text + str(response.headers)


@pytest.mark.parametrize(
    "changes", [{"issuer": "https://auth.example.com/tenants/one"}], ids=["a_path"]
)
async def test_an_issuer_with_a_path_has_its_pages_behind_it(flow: CodeFlow) -> None:
    issuer = "https://auth.example.com/tenants/one"
    assert_asks_to_log_in(await flow.start(), issuer)
    assert read_answer(await flow.start(prompt="none"))["iss"] == issuer


# What is put into a page


@pytest.mark.rfc("6749", "10.14")
async def test_a_login_hint_is_written_as_text(flow: CodeFlow) -> None:
    response = await flow.login_page(login_hint=XSS)
    page = Page(response)
    assert page.form.fields["username"] == XSS
    assert page.foreign == []


@pytest.mark.rfc("6749", "10.14")
async def test_the_name_of_a_client_is_written_as_text(
    flow: CodeFlow, server: Server, shop: TestClient, clock: TestClock
) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(Client).where(Client.client_id == shop.client_id).values(name=XSS)
        )
    clock.advance(KNOWN_EVERYWHERE)
    login = await flow.login_page()
    consent = await flow.follow(await flow.log_in(login))
    assert Page(login).all("strong") == [XSS]
    assert Page(consent).heading == f"Allow {XSS}?"
    for response in (login, consent):
        assert Page(response).foreign == []


@pytest.mark.rfc("6749", "10.14")
async def test_a_redirect_uri_is_written_as_text(
    http: httpx2.AsyncClient, alice: TestUser, server: Server
) -> None:
    uri = "https://shop.example.com/callback?a=\"><script>alert('1')</script>"
    web = await add_web_client(server, redirect_uris=[uri])
    response = await CodeFlow(http, alice, web, uri).start(response_mode="form_post", prompt="none")
    page = Page(response)
    assert (page.form.action, page.tags["script"]) == (uri, 1)


# Headers


async def see_authorize(flow: CodeFlow) -> httpx2.Response:
    return await flow.start()


async def see_authorize_by_form(flow: CodeFlow) -> httpx2.Response:
    return await flow.post()


async def see_login(flow: CodeFlow) -> httpx2.Response:
    return await flow.login_page()


async def see_wrong_password(flow: CodeFlow) -> httpx2.Response:
    return await flow.log_in(await flow.login_page(), password="wrong")


async def see_logged_in(flow: CodeFlow) -> httpx2.Response:
    return await flow.log_in(await flow.login_page())


async def see_consent(flow: CodeFlow) -> httpx2.Response:
    return await flow.consent_page()


async def see_code(flow: CodeFlow) -> httpx2.Response:
    return await flow.finish()


async def see_form_post(flow: CodeFlow) -> httpx2.Response:
    return await flow.finish(response_mode="form_post")


async def see_error(flow: CodeFlow) -> httpx2.Response:
    return await flow.start(client_id="nobody")


async def see_error_answer(flow: CodeFlow) -> httpx2.Response:
    return await flow.start(prompt="none")


SEEN = pytest.mark.parametrize(
    "see",
    [
        pytest.param(see, id=see.__name__.removeprefix("see_"))
        for see in (
            see_authorize,
            see_authorize_by_form,
            see_login,
            see_wrong_password,
            see_logged_in,
            see_consent,
            see_code,
            see_form_post,
            see_error,
            see_error_answer,
        )
    ],
)

See = Callable[[CodeFlow], Awaitable[httpx2.Response]]


@pytest.mark.rfc("6749", "10.13")
@pytest.mark.rfc("9700", "4.2.4", 2)
@pytest.mark.rfc("9700", "4.16", 1, 2)
@pytest.mark.rfc("oauth-form-post-response-mode", "2", 3)
@pytest.mark.rfc("openid-connect-core", "3.1.2.3", 4)
@SEEN
async def test_no_answer_of_the_flow_is_kept_framed_or_told_to_another_site(
    flow: CodeFlow, see: See
) -> None:
    response = await see(flow)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert source_names(response, "frame-ancestors") == ["'none'"]
    assert source_names(response, "default-src") == ["'none'"]


@SEEN
async def test_every_answer_of_the_flow_lets_a_popup_reach_its_opener(
    flow: CodeFlow, see: See
) -> None:
    response = await see(flow)
    assert response.headers["cross-origin-opener-policy"] == "unsafe-none"


@pytest.mark.rfc("9700", "2.6", 7)
@SEEN
async def test_no_page_of_another_origin_may_read_an_answer_of_the_flow(
    flow: CodeFlow, see: See
) -> None:
    flow.browser.headers["Origin"] = "https://shop.example.com"
    response = await see(flow)
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.rfc("9700", "4.2.4", 1)
@pytest.mark.parametrize("see", [see_login, see_consent, see_error], ids=lambda see: see.__name__)
async def test_no_page_runs_or_loads_anything_from_elsewhere(flow: CodeFlow, see: See) -> None:
    response = await see(flow)
    assert Page(response).foreign == []
    assert "unsafe" not in response.headers["content-security-policy"]
    assert source_names(response, "script-src") == ["'self'"]
    assert source_names(response, "base-uri") == ["'none'"]


@pytest.mark.parametrize("see", [see_login, see_consent], ids=lambda see: see.__name__)
async def test_the_forms_of_the_flow_may_lead_here_and_to_wherever_the_client_redirects_to(
    flow: CodeFlow, see: See
) -> None:
    response = await see(flow)
    assert source_names(response, "form-action") == ["'self'", "https:"]


@pytest.mark.rfc("9110", "15.4.4")
@pytest.mark.rfc("9700", "2.1", 5)
@pytest.mark.rfc("9700", "4.12", 1, 2)
@pytest.mark.rfc("openid-connect-core", "16.22")
async def test_every_redirect_of_the_flow_is_303(flow: CodeFlow) -> None:
    """Any other would send a password on, or might."""
    start = await flow.start()
    by_form = await flow.post()
    logged_in = await flow.log_in(await flow.follow(start))
    denied = await flow.deny(await flow.follow(logged_in))
    allowed = await flow.allow(await flow.consent_page())
    remembered = await flow.start()
    refused = await flow.start(response_type="token")
    responses = [start, by_form, logged_in, denied, allowed, remembered, refused]
    assert [response.status_code for response in responses] == [303] * 7
