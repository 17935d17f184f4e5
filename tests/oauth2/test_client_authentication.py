"""Who asks at ``POST /token``: RFC 6749, sections 2.3 and 3.2.1."""

import base64
from datetime import timedelta
from urllib.parse import quote_plus

import httpx2
import pytest
from sqlalchemy import insert, select, update

from app.main import create_app
from app.models import Client, ClientSecret
from app.security.opaque import hash_secret
from app.server import Server
from app.settings import Settings, SettingsError
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client, other_secret
from tests.support.on_sqlite import backend as backend

FORM = {"grant_type": "password", "username": "alice", "password": PASSWORD}
FAILED = "Client authentication failed."
TWO_METHODS = "Use one method of client authentication."


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


with_default_client = pytest.mark.parametrize(
    "changes", [{"default_client_id": "first-party"}], ids=["default_client"]
)


def basic(pair: str | bytes) -> str:
    raw = pair.encode() if isinstance(pair, str) else pair
    return "Basic " + base64.b64encode(raw).decode()


async def ask(
    http: httpx2.AsyncClient, authorization: str | None = None, **more: str
) -> httpx2.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return await http.post("/token", data=FORM | more, headers=headers)


def assert_refused(response: httpx2.Response) -> None:
    assert_oauth2_error(response, "invalid_client", 401, FAILED)


def assert_granted(response: httpx2.Response) -> None:
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "Bearer"


# A secret, with Basic or in the body


@pytest.mark.usefixtures("alice")
class TestSecret:
    @pytest.mark.rfc("6749", "2.3.1", 1)
    async def test_a_client_proves_itself_with_basic(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await ask(http, basic(f"web:{web.secret}")))

    @pytest.mark.rfc("6749", "2.3.1", 3)
    async def test_a_client_proves_itself_in_the_body(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await ask(http, client_id="web", client_secret=web.secret))

    @pytest.mark.rfc("9110", "11.1")
    @pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc"])
    async def test_the_name_of_the_scheme_knows_no_case(
        self, http: httpx2.AsyncClient, web: TestClient, scheme: str
    ) -> None:
        encoded = basic(f"web:{web.secret}").removeprefix("Basic ")
        assert_granted(await ask(http, f"{scheme} {encoded}"))

    async def test_spaces_after_the_scheme_do_not_matter(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        encoded = basic(f"web:{web.secret}").removeprefix("Basic ")
        assert_granted(await ask(http, f"Basic   {encoded}"))

    @pytest.mark.rfc("6749", "5.2", 3, 4)
    @pytest.mark.parametrize(
        "secret",
        [
            pytest.param("wrong", id="another"),
            pytest.param(other_secret(), id="another_of_the_same_form"),
            pytest.param("passwörd", id="not_ascii"),
            pytest.param("x" * 8_000, id="long"),
        ],
    )
    async def test_a_wrong_secret_is_refused(
        self, http: httpx2.AsyncClient, web: TestClient, secret: str
    ) -> None:
        assert_refused(await ask(http, basic(f"web:{quote_plus(secret)}")))
        assert_refused(await ask(http, client_id="web", client_secret=secret))

    async def test_the_secret_of_another_client_is_refused(
        self, http: httpx2.AsyncClient, web: TestClient, server: Server
    ) -> None:
        other = await add_client(server, "other")
        assert_refused(await ask(http, basic(f"web:{other.secret}")))

    async def test_the_stored_hash_is_not_a_secret(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_refused(await ask(http, basic(f"web:{hash_secret(web.secret)}")))

    @pytest.mark.rfc("6749", "2.2", 2)
    @pytest.mark.rfc("6749", "3.2.1", 1)
    @pytest.mark.rfc("6749", "4.3.2", 3)
    @pytest.mark.rfc("6749", "10.2", 1)
    @pytest.mark.rfc("9700", "2.5", 1)
    async def test_a_confidential_client_that_only_names_itself_is_refused(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_refused(await ask(http, client_id=web.client_id))

    async def test_an_empty_secret_in_the_body_counts_as_left_out(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_refused(await ask(http, client_id=web.client_id, client_secret=""))

    async def test_an_empty_secret_in_basic_is_none(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_refused(await ask(http, basic(f"{web.client_id}:")))

    @pytest.mark.rfc("6749", "5.2", 3, 10, 12)
    @pytest.mark.parametrize(
        "client_id",
        [
            pytest.param("nobody", id="another"),
            pytest.param("WEB", id="another_case"),
            pytest.param("web ", id="with_a_space"),
            pytest.param("wéb", id="not_ascii"),
            pytest.param("x" * 8_000, id="long"),
        ],
    )
    async def test_an_unknown_client_is_refused(
        self, http: httpx2.AsyncClient, web: TestClient, client_id: str
    ) -> None:
        assert_refused(await ask(http, basic(f"{quote_plus(client_id)}:{web.secret}")))
        assert_refused(await ask(http, client_id=client_id, client_secret=web.secret))

    async def test_a_secret_without_a_client_id_is_refused(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_refused(await ask(http, client_secret=web.secret))
        assert_refused(await ask(http, basic(f":{web.secret}")))


# The form encoding of RFC 6749, section 2.3.1


@pytest.mark.rfc("6749", "2.3.1", 2)
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        pytest.param("a:b", "c" * 32, id="colon_in_the_id"),
        pytest.param("web", "a:b:c" * 8, id="colons_in_the_secret"),
        pytest.param("a+b", "c+d" * 12, id="plus"),
        pytest.param("a%41b", "c%41d" * 8, id="percent"),
        pytest.param("!#$&'()*,/;=?@[]~", "!#$&'()*,/;=?@[]~" * 2, id="reserved"),
    ],
)
async def test_id_and_secret_are_form_encoded_in_basic(
    http: httpx2.AsyncClient, server: Server, client_id: str, secret: str
) -> None:
    await add_client(server, client_id, client_secret=secret)
    assert_granted(await ask(http, basic(f"{quote_plus(client_id)}:{quote_plus(secret)}")))


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("secret", ["c+d" * 12, "c%41d" * 8, "c%ffd%" * 8])
async def test_a_secret_is_taken_over_basic_from_programs_that_do_not_encode_it(
    http: httpx2.AsyncClient, server: Server, secret: str
) -> None:
    await add_client(server, "plain", client_secret=secret)
    assert_granted(await ask(http, basic(f"plain:{secret}")))
    assert_refused(await ask(http, basic(f"plain:{secret}x")))


@pytest.fixture
async def odd(server: Server, web: TestClient) -> str:
    """A second secret of ``web``, with characters that the registration does not accept."""
    secret = "pässwörd with ☃ and a space"
    async with server.database.transaction() as connection:
        await connection.execute(
            insert(ClientSecret).values(
                client_id=web.client_id,
                secret_hash=hash_secret(secret),
                created_at=server.clock.now(),
            )
        )
    return secret


@pytest.mark.usefixtures("alice")
async def test_basic_is_utf_8(http: httpx2.AsyncClient, odd: str) -> None:
    assert_granted(await ask(http, basic(f"web:{quote_plus(odd)}")))
    assert_granted(await ask(http, basic(f"web:{odd}")))


@pytest.mark.usefixtures("alice")
async def test_the_body_is_utf_8(http: httpx2.AsyncClient, odd: str) -> None:
    assert_granted(await ask(http, client_id="web", client_secret=odd))


# Basic that cannot be read


@pytest.mark.rfc("6749", "5.2", 5)
@pytest.mark.rfc("9110", "11.4")
@pytest.mark.usefixtures("alice", "web")
@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("Basic", id="nothing_after_the_scheme"),
        pytest.param("Basic ", id="only_a_space"),
        pytest.param("Basic !!!!", id="not_base64"),
        pytest.param("Basic d2Vi", id="no_colon"),
        pytest.param("Basic d2ViOnNlY3JldA", id="padding_left_out"),
        pytest.param("Basic d2Vi OnNlY3JldA==", id="space_inside"),
        pytest.param(basic(b"web:\xff\xfe"), id="not_utf_8"),
        pytest.param(basic("web:%FF%FE"), id="form_encoded_and_not_utf_8"),
        pytest.param(basic("web:%ED%A0%80"), id="lone_surrogate"),
        pytest.param(basic("w\x00b:secret"), id="nul_in_the_id"),
        pytest.param(basic("w%00b:secret"), id="form_encoded_nul_in_the_id"),
        pytest.param(basic("web:s\x00cret"), id="nul_in_the_secret"),
        pytest.param("", id="empty_header"),
        pytest.param("Bearer abc", id="bearer"),
        pytest.param('Digest username="web"', id="digest"),
        pytest.param("Basically d2ViOnNlY3JldA==", id="another_scheme_of_a_similar_name"),
    ],
)
async def test_an_authorization_that_is_not_good_basic_is_refused(
    http: httpx2.AsyncClient, authorization: str
) -> None:
    assert_refused(await ask(http, authorization))


@pytest.mark.usefixtures("alice")
@with_default_client
async def test_a_bad_authorization_is_not_taken_for_the_default_client(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_client(server, "first-party", is_public=True)
    assert_refused(await ask(http, "Basic !!!!"))


@pytest.mark.rfc("9110", "5.3")
@pytest.mark.usefixtures("alice")
async def test_a_repeated_authorization_header_is_a_malformed_request(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    value = basic(f"web:{web.secret}")
    response = await http.post(
        "/token", data=FORM, headers=[("Authorization", value), ("Authorization", value)]
    )
    assert_oauth2_error(
        response, "invalid_request", description="The Authorization header is repeated."
    )


# One method a request


@pytest.mark.usefixtures("alice")
class TestTwoMethods:
    @pytest.mark.rfc("6749", "2.3", 3)
    async def test_a_secret_in_basic_and_in_the_body_is_a_malformed_request(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        response = await ask(
            http, basic(f"web:{web.secret}"), client_id="web", client_secret=web.secret
        )
        assert_oauth2_error(response, "invalid_request", description=TWO_METHODS)

    @pytest.mark.rfc("6749", "2.3", 3)
    async def test_basic_and_a_secret_without_id_in_the_body_is_a_malformed_request(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        response = await ask(http, basic(f"web:{web.secret}"), client_secret=web.secret)
        assert_oauth2_error(response, "invalid_request", description=TWO_METHODS)

    async def test_the_same_client_id_in_the_body_beside_basic_is_accepted(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await ask(http, basic(f"web:{web.secret}"), client_id="web"))

    async def test_another_client_id_in_the_body_beside_basic_is_a_malformed_request(
        self, http: httpx2.AsyncClient, web: TestClient, server: Server
    ) -> None:
        await add_client(server, "other")
        response = await ask(http, basic(f"web:{web.secret}"), client_id="other")
        assert_oauth2_error(
            response, "invalid_request", description="The request names more than one client."
        )

    async def test_the_empty_pair_of_swagger_ui_leaves_the_body_to_name_the_client(
        self, http: httpx2.AsyncClient, web: TestClient
    ) -> None:
        assert_granted(await ask(http, "Basic Og==", client_id="web", client_secret=web.secret))


# Methods that a client is registered for


@pytest.mark.rfc("6749", "2.3", 1)
@pytest.mark.rfc("6749", "2.3.1", 4)
@pytest.mark.rfc("openid-connect-core", "3.1.3.1", 1)
@pytest.mark.rfc("openid-connect-core", "9", 1)
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_client_uses_only_the_method_that_it_is_registered_for(
    http: httpx2.AsyncClient, server: Server, method: str
) -> None:
    client = await add_client(server, auth_methods=(method,))
    with_basic = await ask(http, basic(f"web:{client.secret}"))
    in_the_body = await ask(http, client_id="web", client_secret=client.secret)
    if method == "client_secret_basic":
        assert_granted(with_basic)
        assert_refused(in_the_body)
    else:
        assert_refused(with_basic)
        assert_granted(in_the_body)


# Public clients


@pytest.mark.usefixtures("alice")
class TestPublicClient:
    @pytest.fixture(autouse=True)
    async def _client(self, server: Server) -> None:
        await add_client(server, "mobile", is_public=True)

    @pytest.mark.rfc("6749", "3.2.1", 2)
    async def test_a_public_client_names_itself_in_the_body(self, http: httpx2.AsyncClient) -> None:
        assert_granted(await ask(http, client_id="mobile"))

    async def test_a_public_client_names_itself_in_basic_with_an_empty_secret(
        self, http: httpx2.AsyncClient
    ) -> None:
        assert_granted(await ask(http, basic("mobile:")))

    async def test_a_public_client_may_leave_its_secret_empty_in_the_body(
        self, http: httpx2.AsyncClient
    ) -> None:
        assert_granted(await ask(http, client_id="mobile", client_secret=""))

    @pytest.mark.rfc("6749", "2.3", 2)
    async def test_a_public_client_that_sends_a_secret_is_refused(
        self, http: httpx2.AsyncClient
    ) -> None:
        assert_refused(await ask(http, client_id="mobile", client_secret="made-up"))
        assert_refused(await ask(http, basic("mobile:made-up")))

    @pytest.mark.rfc("6749", "2.1", 1)
    @pytest.mark.rfc("8252", "8.5", 2)
    async def test_a_public_client_that_was_given_a_secret_cannot_use_it(
        self, http: httpx2.AsyncClient, server: Server
    ) -> None:
        secret = other_secret()
        async with server.database.transaction() as connection:
            await connection.execute(
                insert(ClientSecret).values(
                    client_id="mobile",
                    secret_hash=hash_secret(secret),
                    created_at=server.clock.now(),
                )
            )
        assert_refused(await ask(http, client_id="mobile", client_secret=secret))


# No client named


@pytest.mark.usefixtures("alice")
class TestNoClient:
    async def test_without_a_default_client_a_request_has_to_name_one(
        self, http: httpx2.AsyncClient
    ) -> None:
        assert_refused(await ask(http))

    async def test_without_a_default_client_an_empty_pair_is_no_client(
        self, http: httpx2.AsyncClient
    ) -> None:
        assert_refused(await ask(http, "Basic Og=="))

    @with_default_client
    @pytest.mark.parametrize("authorization", [None, "Basic Og=="], ids=["none", "empty_pair"])
    async def test_a_request_that_names_no_client_comes_from_the_default_one(
        self, http: httpx2.AsyncClient, server: Server, authorization: str | None
    ) -> None:
        await add_client(server, "first-party", is_public=True, default_scopes=("email",))
        response = await ask(http, authorization)
        assert_granted(response)
        token = await server.access_tokens.verify(response.json()["access_token"])
        assert (token.client_id, token.scope) == ("first-party", "email")

    @with_default_client
    async def test_an_empty_client_id_counts_as_left_out(
        self, http: httpx2.AsyncClient, server: Server
    ) -> None:
        await add_client(server, "first-party", is_public=True)
        assert_granted(await ask(http, client_id="", client_secret=""))

    @with_default_client
    async def test_a_request_that_names_a_client_does_not_come_from_the_default_one(
        self, http: httpx2.AsyncClient, server: Server
    ) -> None:
        await add_client(server, "first-party", is_public=True)
        assert_refused(await ask(http, client_id="nobody"))

    @with_default_client
    async def test_a_secret_without_id_does_not_come_from_the_default_client(
        self, http: httpx2.AsyncClient, server: Server
    ) -> None:
        await add_client(server, "first-party", is_public=True)
        assert_refused(await ask(http, client_secret="made-up"))

    @with_default_client
    async def test_a_default_client_that_does_not_exist_is_no_client(
        self, http: httpx2.AsyncClient
    ) -> None:
        assert_refused(await ask(http))

    @with_default_client
    async def test_a_default_client_that_became_confidential_is_no_client(
        self, http: httpx2.AsyncClient, server: Server
    ) -> None:
        await add_client(server, "first-party")
        assert_refused(await ask(http))


@with_default_client
async def test_a_confidential_default_client_stops_the_start(
    http: httpx2.AsyncClient, server: Server, settings: Settings
) -> None:
    await add_client(server, "first-party")
    again = create_app(settings)
    with pytest.raises(SettingsError) as refused:
        async with again.router.lifespan_context(again):
            pass
    assert str(refused.value) == "LATCHKEY_DEFAULT_CLIENT_ID must be the id of a public client"


# What changes while the server runs


@pytest.mark.usefixtures("alice")
async def test_a_disabled_client_is_refused_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, web: TestClient, clock: TestClock
) -> None:
    assert_granted(await ask(http, basic(f"web:{web.secret}")))
    async with server.database.transaction() as connection:
        await connection.execute(
            update(Client).where(Client.client_id == "web").values(disabled_at=clock.now())
        )
    clock.advance(2)
    assert_refused(await ask(http, basic(f"web:{web.secret}")))


@pytest.mark.usefixtures("alice")
async def test_a_disabled_client_is_enabled_again_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, web: TestClient, clock: TestClock
) -> None:
    for disabled_at in (clock.now(), None):
        async with server.database.transaction() as connection:
            await connection.execute(
                update(Client).where(Client.client_id == "web").values(disabled_at=disabled_at)
            )
        clock.advance(2)
        response = await ask(http, basic(f"web:{web.secret}"))
        assert response.status_code == (200 if disabled_at is None else 401)


async def test_a_client_that_was_just_registered_is_known_at_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    assert_refused(await ask(http, client_id="mobile"))
    await add_client(server, "mobile", is_public=True)
    assert_granted(await ask(http, client_id="mobile"))


@pytest.mark.usefixtures("alice")
class TestSecretsOfARotation:
    @pytest.fixture
    async def newer(self, server: Server, web: TestClient, clock: TestClock) -> str:
        """A second secret of ``web``; the first one ends in a minute."""
        secret = other_secret()
        async with server.database.transaction() as connection:
            await connection.execute(
                update(ClientSecret).values(expires_at=clock.now() + timedelta(seconds=60))
            )
            await connection.execute(
                insert(ClientSecret).values(
                    client_id="web", secret_hash=hash_secret(secret), created_at=clock.now()
                )
            )
        return secret

    async def test_both_secrets_are_good_until_the_old_one_ends(
        self, http: httpx2.AsyncClient, web: TestClient, newer: str, clock: TestClock
    ) -> None:
        clock.advance(59)
        assert_granted(await ask(http, basic(f"web:{web.secret}")))
        assert_granted(await ask(http, basic(f"web:{newer}")))

    async def test_the_old_secret_is_refused_from_its_end_on(
        self, http: httpx2.AsyncClient, web: TestClient, newer: str, clock: TestClock
    ) -> None:
        clock.advance(60)
        assert_refused(await ask(http, basic(f"web:{web.secret}")))
        assert_granted(await ask(http, basic(f"web:{newer}")))

    async def test_a_secret_ends_on_time_even_when_the_client_was_read_before(
        self, http: httpx2.AsyncClient, web: TestClient, newer: str, clock: TestClock
    ) -> None:
        clock.advance(59)
        assert_granted(await ask(http, basic(f"web:{newer}")))
        clock.advance(1)
        assert_refused(await ask(http, basic(f"web:{web.secret}")))


# What is told, and what is not


async def test_an_unknown_client_and_a_wrong_secret_look_the_same(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    unknown = await ask(http, basic("nobody:wrong"))
    wrong = await ask(http, basic("web:wrong"))
    assert_refused(unknown)
    assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())


@pytest.mark.rfc("6749", "5.2", 5)
@pytest.mark.parametrize("changes", [{"realm": "my realm"}], ids=["another_realm"])
async def test_the_challenge_names_the_configured_realm(http: httpx2.AsyncClient) -> None:
    response = await ask(http, "Basic !!!!")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Basic realm="my realm", charset="UTF-8"'


@pytest.mark.rfc("6749", "4.3.2", 3)
async def test_the_client_is_judged_before_the_user(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await http.post(
        "/token", data={"grant_type": "password"}, auth=(web.client_id, "wrong")
    )
    assert_refused(response)


@pytest.mark.rfc("6749", "2.3", 1)
async def test_only_the_hash_of_a_secret_is_stored(server: Server, web: TestClient) -> None:
    async with server.database.read() as connection:
        stored = await connection.scalar(select(ClientSecret.secret_hash))
    assert stored == hash_secret(web.secret)
