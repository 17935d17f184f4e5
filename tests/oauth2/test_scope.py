"""What a login may do: what is asked for, of what client and user have (RFC 6749, section 3.3)."""

import httpx2
import pytest

from app.oauth2.scope import MAX_SCOPES
from app.server import Server
from tests.support.assertions import assert_oauth2_error
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client, add_scope, add_user
from tests.support.on_sqlite import backend as backend

MALFORMED_OR_REFUSED = "A requested scope is unknown or not allowed for this client."
NONE_LEFT = "The user has none of the requested scopes."
NO_DEFAULT = "The scope parameter is required: this client has no default scope."


async def ask(
    http: httpx2.AsyncClient,
    user: TestUser,
    client: TestClient,
    scope: str | None,
    password: str = PASSWORD,
) -> httpx2.Response:
    form = {"grant_type": "password", "username": user.username, "password": password}
    if scope is not None:
        form["scope"] = scope
    return await http.post("/token", data=form, auth=client.basic)


async def granted(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, scope: str | None
) -> str:
    response = await ask(http, user, client, scope)
    assert response.status_code == 200, response.text
    told: str = response.json()["scope"]
    return told


@pytest.mark.rfc("6749", "10.3", 4)
@pytest.mark.rfc("9700", "2.3", 1)
async def test_what_client_and_user_both_have_is_granted(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    assert await granted(http, alice, web, "items:read items:write") == "items:read items:write"


@pytest.mark.rfc("6750", "5.2", 4)
@pytest.mark.rfc("9700", "2.3", 1)
async def test_a_scope_that_was_not_asked_for_is_not_granted(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    assert await granted(http, alice, web, "email") == "email"


@pytest.mark.rfc("6749", "5.2", 9)
@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("nonsense", id="unknown"),
        pytest.param("profile nonsense", id="unknown_beside_a_good_one"),
        pytest.param("users:read", id="known_but_not_allowed_to_the_client"),
        pytest.param("profile users:read", id="not_allowed_beside_a_good_one"),
        pytest.param("PROFILE", id="another_case"),
        pytest.param("profile,email", id="separated_by_a_comma"),
    ],
)
async def test_a_scope_that_the_client_may_not_have_refuses_the_request(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, scope: str
) -> None:
    response = await ask(http, alice, web, scope)
    assert_oauth2_error(response, "invalid_scope", description=MALFORMED_OR_REFUSED)


@pytest.mark.rfc("6749", "3.3", 4)
async def test_a_scope_that_the_user_does_not_have_is_left_out(
    http: httpx2.AsyncClient, server: Server, web: TestClient
) -> None:
    user = await add_user(server, "bob", scopes=("profile", "items:read"))
    assert await granted(http, user, web, "items:read items:write profile") == "items:read profile"


async def test_a_default_scope_that_the_user_does_not_have_is_left_out(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, "bob", scopes=("email",))
    client = await add_client(server, default_scopes=("profile", "email"))
    assert await granted(http, user, client, None) == "email"


@pytest.mark.parametrize("scope", [None, "profile"], ids=["by_default", "asked_for"])
async def test_a_user_who_has_none_of_the_scopes_gets_no_token(
    http: httpx2.AsyncClient, server: Server, web: TestClient, scope: str | None
) -> None:
    user = await add_user(server, "bob", scopes=("email",))
    response = await ask(http, user, web, scope)
    assert_oauth2_error(response, "invalid_scope", description=NONE_LEFT)


async def test_a_user_without_any_scope_gets_no_token(
    http: httpx2.AsyncClient, server: Server, web: TestClient
) -> None:
    user = await add_user(server, "bob", scopes=())
    response = await ask(http, user, web, "profile email")
    assert_oauth2_error(response, "invalid_scope", description=NONE_LEFT)


async def test_a_wrong_password_does_not_tell_which_scopes_the_user_has(
    http: httpx2.AsyncClient, server: Server, web: TestClient
) -> None:
    user = await add_user(server, "bob", scopes=("email",))
    response = await ask(http, user, web, "profile", password="a wrong password")
    assert_oauth2_error(response, "invalid_grant")


@pytest.mark.rfc("6749", "3.3", 6)
@pytest.mark.parametrize("scope", [None, ""], ids=["left_out", "empty"])
async def test_a_client_that_does_not_say_gets_its_default_scopes(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, scope: str | None
) -> None:
    client = await add_client(server, default_scopes=("profile", "items:read"))
    told = await granted(http, alice, client, scope)
    assert sorted(told.split(" ")) == ["items:read", "profile"]


@pytest.mark.rfc("6749", "3.3", 6)
@pytest.mark.parametrize("scope", [None, ""], ids=["left_out", "empty"])
async def test_a_client_without_defaults_has_to_ask(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, scope: str | None
) -> None:
    client = await add_client(server, default_scopes=())
    response = await ask(http, alice, client, scope)
    assert_oauth2_error(response, "invalid_scope", description=NO_DEFAULT)


async def test_a_client_without_defaults_gets_what_it_asks_for(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_client(server, default_scopes=())
    assert await granted(http, alice, client, "email") == "email"


async def test_a_client_without_any_scope_gets_none(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    client = await add_client(server, scopes=(), default_scopes=())
    response = await ask(http, alice, client, "profile")
    assert_oauth2_error(response, "invalid_scope", description=MALFORMED_OR_REFUSED)


@pytest.mark.rfc("6749", "3.3", 2)
@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("email profile", id="one_order"),
        pytest.param("profile email", id="the_other_order"),
        pytest.param("profile email profile", id="repeated"),
        pytest.param("profile  email", id="double_space"),
        pytest.param(" profile email ", id="spaces_at_the_ends"),
    ],
)
async def test_order_repetition_and_more_spaces_do_not_matter(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, scope: str
) -> None:
    told = await granted(http, alice, web, scope)
    assert sorted(told.split(" ")) == ["email", "profile"]


@pytest.mark.rfc("6749", "3.3", 3)
@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("profile\temail", id="tab"),
        pytest.param("profile\nemail", id="newline"),
        pytest.param("profile\n", id="newline_at_the_end"),
        pytest.param("profile\r\nemail", id="carriage_return"),
        pytest.param("profile\u00a0email", id="no_break_space"),
        pytest.param('"profile"', id="quotes"),
        pytest.param("pro\\file", id="backslash"),
        pytest.param("profilé", id="not_ascii"),
        pytest.param("\uff50rofile", id="fullwidth"),
        pytest.param("profile\x7f", id="delete"),
        pytest.param("profile\x1b", id="escape"),
    ],
)
async def test_a_character_that_no_scope_has_refuses_the_request(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, scope: str
) -> None:
    response = await ask(http, alice, web, scope)
    assert_oauth2_error(response, "invalid_scope", description=MALFORMED_OR_REFUSED)


async def test_a_scope_of_spaces_alone_names_nothing_and_gives_the_defaults(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    assert await granted(http, alice, web, "   ") == "profile"


@pytest.mark.rfc("6749", "3.3", 3)
async def test_every_character_of_the_rfc_can_be_in_a_scope(
    http: httpx2.AsyncClient, server: Server
) -> None:
    name = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\')
    await add_scope(server, name, "Odd.")
    user = await add_user(server, scopes=(name,))
    client = await add_client(server, scopes=(name,), default_scopes=())
    assert await granted(http, user, client, name) == name


@pytest.mark.rfc("6749", "3.3", 1)
async def test_scopes_that_differ_in_case_are_two(http: httpx2.AsyncClient, server: Server) -> None:
    for name in ("reports", "Reports"):
        await add_scope(server, name, name)
    user = await add_user(server, scopes=("Reports",))
    client = await add_client(server, scopes=("reports", "Reports"), default_scopes=())
    assert await granted(http, user, client, "reports Reports") == "Reports"


@pytest.fixture
async def many(server: Server) -> list[str]:
    """One scope more than a request may name."""
    names = [f"s{number}" for number in range(MAX_SCOPES + 1)]
    for name in names:
        await add_scope(server, name, name)
    return names


async def test_as_many_scopes_as_may_be_asked_for_are_granted(
    http: httpx2.AsyncClient, server: Server, many: list[str]
) -> None:
    user = await add_user(server, scopes=many)
    client = await add_client(server, scopes=many, default_scopes=())
    asked = " ".join(many[:MAX_SCOPES])
    assert await granted(http, user, client, asked) == asked


async def test_too_many_scopes_are_refused(
    http: httpx2.AsyncClient, server: Server, many: list[str]
) -> None:
    user = await add_user(server, scopes=many)
    client = await add_client(server, scopes=many, default_scopes=())
    response = await ask(http, user, client, " ".join(many))
    assert_oauth2_error(response, "invalid_scope", description=MALFORMED_OR_REFUSED)
