"""A second factor at ``/token``: ``mfa_required``, and the grant that goes on."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from app.features.mfa.model import MfaChallenge, TotpSecret
from app.identity.users import change_password, get_account
from app.management.authority import operating
from app.management.users import change_user
from app.models import AuditEvent, Login
from app.server import Server
from tests.features.mfa.phones import MFA, STEP, Phone, ask, challenge, give_phone, go_on
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer
from tests.support.flow import dump
from tests.support.forger import read_claims

REFUSED = "The mfa_token is invalid, expired or used up, or the code is wrong."


def assert_refused(response: httpx2.Response) -> None:
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)


async def count_logins(server: Server) -> int:
    async with server.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(Login)) or 0


async def events(server: Server, event_type: str) -> list[dict[str, Any]]:
    async with server.database.read() as connection:
        query = select(AuditEvent.details).where(AuditEvent.type == event_type)
        return list(await connection.scalars(query.order_by(AuditEvent.id)))


# The way that is meant


@pytest.mark.rfc("6749", "8.5", 1, 2)
async def test_the_right_password_is_answered_with_what_is_missing(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    response = await ask(http, alice, web)
    answer = response.json()
    assert (response.status_code, answer) == (
        400,
        {
            "error": "mfa_required",
            "error_description": "A second factor is required.",
            "mfa_token": answer["mfa_token"],
            "mfa_methods": ["otp", "recovery_code"],
        },
    )
    assert len(answer["mfa_token"]) == 43
    assert response.headers["cache-control"] == "no-store"
    assert await count_logins(server) == 0


@pytest.mark.rfc("6749", "4.5", 1, 2)
@pytest.mark.rfc("6749", "8.2", 1)
@pytest.mark.rfc("9470", "6.1")
async def test_with_a_code_the_login_is_what_was_asked_for(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web, scope="email profile")
    response = await go_on(http, web, token, otp=phone.code())
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["scope"] == "email profile"
    claims = read_claims(answer["access_token"])
    assert (claims["acr"], claims["amr"]) == ("urn:latchkey:acr:mfa", ["pwd", "otp", "mfa"])
    assert await events(server, "login.succeeded") == [
        {"door": "token", "amr": ["pwd", "otp", "mfa"]}
    ]
    me = await http.get("/users/me", headers=bearer(answer["access_token"]))
    assert me.status_code == 200


async def test_a_recovery_code_does_in_place_of_the_app(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    typed = phone.recovery_codes[3].upper().replace("-", " ")
    response = await go_on(http, web, await challenge(http, alice, web), recovery_code=typed)
    assert response.status_code == 200, response.text
    assert read_claims(response.json()["access_token"])["amr"] == ["pwd", "mfa"]
    assert await events(server, "mfa.recovery_code_used") == [{"left": 9}]


@pytest.mark.rfc("9068", "2.2.1", 1, 2)
async def test_a_refresh_keeps_how_the_user_logged_in(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    user = await add_user(server)
    client = await add_client(server, grant_types=("password", "refresh_token"))
    phone = await give_phone(server, clock, user)
    answer = await go_on(http, client, await challenge(http, user, client), otp=phone.code())
    form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    refreshed = await http.post("/token", data=form, auth=client.basic)
    assert read_claims(refreshed.json()["access_token"])["amr"] == ["pwd", "otp", "mfa"]


@pytest.mark.rfc("7662", "2.2", 3)
@pytest.mark.rfc("9470", "6.2")
async def test_introspection_tells_how_the_user_logged_in(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    """RFC 9470, section 6.2."""
    answer = await go_on(http, web, await challenge(http, alice, web), otp=phone.code())
    token = answer.json()["access_token"]
    told = (await http.post("/introspect", data={"token": token}, auth=web.basic)).json()
    assert (told["acr"], told["amr"]) == ("urn:latchkey:acr:mfa", ["pwd", "otp", "mfa"])


@pytest.mark.rfc("6238", "3", 1)
@pytest.mark.rfc("6238", "5.2", 1)
@pytest.mark.parametrize("steps", [-1, 1], ids=["behind", "ahead"])
async def test_a_clock_that_is_half_a_minute_wrong_does_no_harm(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    phone: Phone,
    clock: TestClock,
    steps: int,
) -> None:
    clock.advance(STEP)  # away from the code that set the app up
    token = await challenge(http, alice, web)
    assert (await go_on(http, web, token, otp=phone.code(steps=steps))).status_code == 200


@pytest.mark.rfc("6238", "5.2", 1, 2)
@pytest.mark.rfc("6238", "6", 2)
@pytest.mark.parametrize("steps", [-2, 2], ids=["behind", "ahead"])
async def test_a_clock_that_is_a_minute_wrong_has_wrong_codes(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    phone: Phone,
    clock: TestClock,
    steps: int,
) -> None:
    clock.advance(2 * STEP)
    token = await challenge(http, alice, web)
    assert_refused(await go_on(http, web, token, otp=phone.code(steps=steps)))


async def test_without_a_factor_the_password_is_enough(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    response = await ask(http, alice, web)
    assert response.status_code == 200
    assert "acr" not in read_claims(response.json()["access_token"])


@pytest.mark.parametrize("changes", [{"mfa": "off"}], ids=["off"])
async def test_where_it_is_off_the_grant_is_not_there(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await go_on(http, web, "x" * 43, otp="123456")
    assert response.json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("changes", [{"posture": "oauth21"}], ids=["oauth21"])
async def test_where_no_password_is_taken_there_is_no_grant_that_goes_on_with_it(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    response = await go_on(http, web, "x" * 43, otp="123456")
    assert response.json()["error"] == "unsupported_grant_type"


# Whoever knows the password and not the code


async def test_a_wrong_password_is_answered_as_if_there_were_no_factor(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    response = await ask(http, alice, web, password="not the password")
    wrong = "The user name or the password is wrong."
    assert_oauth2_error(response, "invalid_grant", 400, wrong)


async def test_an_mfa_token_is_good_for_five_tries(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web)
    for _ in range(5):
        assert_refused(await go_on(http, web, token, otp=phone.wrong_code()))
    assert_refused(await go_on(http, web, token, otp=phone.code()))
    assert await events(server, "login.failed") == [{"door": "token", "reason": "wrong code"}] * 5


async def test_of_many_guesses_at_once_five_are_looked_at(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web)
    guesses = [go_on(http, web, token, otp=phone.wrong_code()) for _ in range(12)]
    for response in await asyncio.gather(*guesses):
        assert_refused(response)
    assert len(await events(server, "login.failed")) == 5


@pytest.mark.parametrize("changes", [{"login_max_failures": 7}], ids=["seven"])
async def test_guesses_are_counted_by_account_over_all_mfa_tokens(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    phone: Phone,
    clock: TestClock,
) -> None:
    for _ in range(2):
        token = await challenge(http, alice, web)
        answers = [await go_on(http, web, token, otp=phone.wrong_code()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    assert answers[-1].headers["retry-after"] == "300"
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    token = await challenge(http, alice, web)
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 429
    clock.advance(301)
    token = await challenge(http, alice, web)
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200
    assert_refused(await go_on(http, web, await challenge(http, alice, web), otp="0"))


@pytest.mark.rfc("6238", "5.2", 4)
async def test_a_code_is_good_once(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    code = phone.code()
    assert (await go_on(http, web, await challenge(http, alice, web), otp=code)).status_code == 200
    assert_refused(await go_on(http, web, await challenge(http, alice, web), otp=code))


@pytest.mark.rfc("6238", "5.2", 4)
async def test_a_code_before_the_last_one_is_void_with_it(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    tokens = [await challenge(http, alice, web) for _ in range(2)]
    assert (await go_on(http, web, tokens[0], otp=phone.code(steps=1))).status_code == 200
    assert_refused(await go_on(http, web, tokens[1], otp=phone.code()))


@pytest.mark.rfc("6238", "5.2", 4)
async def test_of_two_logins_with_one_code_at_once_one_succeeds(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    tokens = [await challenge(http, alice, web) for _ in range(4)]
    code = phone.code()
    answers = await asyncio.gather(*[go_on(http, web, token, otp=code) for token in tokens])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert await count_logins(server) == 1


async def test_of_two_uses_of_an_mfa_token_at_once_one_succeeds(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web)
    shown = [{"otp": phone.code()}, *({"recovery_code": code} for code in phone.recovery_codes[:3])]
    answers = await asyncio.gather(*[go_on(http, web, token, **each) for each in shown])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert await count_logins(server) == 1


async def test_a_recovery_code_is_good_once(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    code = phone.recovery_codes[0]
    first = await go_on(http, web, await challenge(http, alice, web), recovery_code=code)
    assert first.status_code == 200
    second = await challenge(http, alice, web)
    assert_refused(await go_on(http, web, second, recovery_code=code))


async def test_a_wrong_code_uses_nothing_up(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    token = await challenge(http, alice, web)
    assert_refused(await go_on(http, web, token, otp=phone.wrong_code()))
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200


@pytest.mark.rfc("6238", "3", 5)
async def test_the_codes_of_somebody_else_are_wrong(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    phone: Phone,
    server: Server,
    clock: TestClock,
) -> None:
    other = await give_phone(server, clock, await add_user(server, "bob"))
    token = await challenge(http, alice, web)
    assert_refused(await go_on(http, web, token, otp=other.code()))
    assert_refused(await go_on(http, web, token, recovery_code=other.recovery_codes[0]))


# Whoever has got hold of an mfa_token


async def test_an_mfa_token_is_good_for_five_minutes(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, clock: TestClock
) -> None:
    token = await challenge(http, alice, web)
    clock.advance(300)
    assert_refused(await go_on(http, web, token, otp=phone.code()))


async def test_an_mfa_token_is_good_at_its_client_alone_and_costs_it_no_try(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    other = await add_client(server, "other")
    token = await challenge(http, alice, web)
    for _ in range(6):
        assert_refused(await go_on(http, other, token, otp=phone.code()))
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200


async def test_an_mfa_token_is_good_from_where_the_password_came(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    token = await challenge(http, alice, web)
    elsewhere = httpx2.ASGITransport(
        app=http._transport.app,  # type: ignore[attr-defined]
        client=("203.0.113.7", 1),
    )
    async with httpx2.AsyncClient(transport=elsewhere, base_url=http.base_url) as stranger:
        assert_refused(await go_on(stranger, web, token, otp=phone.code()))


async def test_an_mfa_token_is_good_for_the_scopes_that_were_asked_for(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    token = await challenge(http, alice, web, scope="profile")
    response = await go_on(http, web, token, otp=phone.code(), scope="profile items:write")
    assert_oauth2_error(
        response, "invalid_scope", 400, "The mfa_token was issued for other scopes."
    )
    same = await go_on(http, web, token, otp=phone.code(), scope="profile")
    assert same.json()["scope"] == "profile"


async def test_a_request_for_other_scopes_is_no_try(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    token = await challenge(http, alice, web, scope="profile")
    for _ in range(5):
        response = await go_on(http, web, token, otp=phone.code(), scope="items:write")
        assert response.json()["error"] == "invalid_scope"
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200


async def test_other_scopes_tell_nothing_of_a_token_that_there_is_not(
    http: httpx2.AsyncClient, web: TestClient, phone: Phone
) -> None:
    assert_refused(await go_on(http, web, "unknown", otp=phone.code(), scope="items:write"))


async def test_an_mfa_token_ends_with_the_password(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web)
    async with server.database.transaction() as connection:
        account = await get_account(connection, alice.id)
        assert await change_password(connection, account, "another hash", server.clock.now())
    response = await go_on(http, web, token, otp=phone.code())
    assert response.json()["error"] == "invalid_grant"
    assert await count_logins(server) == 0


async def test_a_user_who_is_disabled_meanwhile_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web)
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, alice.id, {"disabled": True})
    response = await go_on(http, web, token, otp=phone.code())
    assert response.json()["error"] == "invalid_grant"


async def test_a_client_without_the_password_grant_cannot_go_on(
    http: httpx2.AsyncClient, server: Server
) -> None:
    service = await add_client(server, "service", grant_types=("client_credentials",))
    response = await go_on(http, service, "x" * 43, otp="123456")
    assert response.json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        pytest.param({}, "The request needs one of otp or recovery_code.", id="nothing"),
        pytest.param(
            {"otp": "1", "recovery_code": "2"},
            "The request needs one of otp or recovery_code.",
            id="both",
        ),
    ],
)
async def test_one_thing_is_shown(
    http: httpx2.AsyncClient, web: TestClient, shown: dict[str, str], told: str
) -> None:
    response = await go_on(http, web, "x" * 43, **shown)
    assert_oauth2_error(response, "invalid_request", 400, told)


async def test_an_mfa_token_is_needed(http: httpx2.AsyncClient, web: TestClient) -> None:
    form = {"grant_type": MFA, "otp": "123456"}
    response = await http.post("/token", data=form, auth=web.basic)
    assert_oauth2_error(response, "invalid_request", 400, "The request needs an mfa_token.")


@pytest.mark.rfc("6749", "4.5", 2)
@pytest.mark.parametrize(
    "value", ["", "\x00", "x" * 5000, "\u0661\u0662\u0663\u0664\u0665\u0666", "browser"]
)
async def test_what_is_no_code_and_no_token_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, value: str
) -> None:
    token = await challenge(http, alice, web)
    for response in (
        await go_on(http, web, token, otp=value),
        await go_on(http, web, token, recovery_code=value),
        await go_on(http, web, value, otp=phone.code()),
    ):
        assert response.status_code == 400
        assert response.json()["error"] in ("invalid_grant", "invalid_request")


# What is stored


@pytest.mark.rfc("6238", "3", 7)
@pytest.mark.rfc("6238", "5.1", 3)
async def test_no_secret_of_it_is_stored_as_it_is(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    token = await challenge(http, alice, web)
    stored = await dump(server)
    for secret in (token, phone.secret, *phone.recovery_codes):
        assert secret not in stored
        assert secret.replace("-", "") not in stored


async def test_a_challenge_is_used_up_with_the_code(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    await go_on(http, web, await challenge(http, alice, web), otp=phone.code())
    async with server.database.read() as connection:
        assert await connection.scalar(select(MfaChallenge.used_at)) is not None
        assert await connection.scalar(select(TotpSecret.last_step)) is not None
