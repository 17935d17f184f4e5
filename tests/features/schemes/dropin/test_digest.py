"""``DigestServer`` in an application that is not this one."""

from dataclasses import replace
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request

from app.features.schemes.dropin.digest import DigestCredentials, DigestServer, make_ha1

from .client import client_of
from .rfc7616 import Login, challenges, h, read_parameters

SECRETS = ["a secret of at least 32 random bytes"]


class OneUser(DigestServer):
    """The example of the module's own text, with a dictionary as the database."""

    def __init__(self, realm: str = "example", **more: Any) -> None:
        super().__init__(realm=realm, secrets=SECRETS, **more)
        self.counts: dict[str, int] = {}

    async def find_ha1(self, request: Request, username: str, algorithm: str) -> str | None:
        known = username == "alice"
        return make_ha1("alice", self.realm, "secret", algorithm) if known else None

    async def accept_count(
        self, request: Request, nonce: str, count: int, expires_at: float
    ) -> bool:
        if nonce in self.counts and count <= self.counts[nonce]:
            return False
        self.counts[nonce] = count
        return True


def digest_app(digest: DigestServer) -> FastAPI:
    app = FastAPI()

    @app.get("/private")
    async def private(
        user: Annotated[DigestCredentials | None, Depends(digest)],
    ) -> str | None:
        return user.username if user else None

    return app


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_digest_makes_the_hash_of_the_rfc(algorithm: str) -> None:
    assert make_ha1("Zoe\u0308", "example", "пароль", algorithm) == h(
        algorithm, "Zo\u00eb:example:пароль"
    )


async def test_digest_challenges_of_an_application_without_handlers_are_kept_apart() -> None:
    async with client_of(digest_app(OneUser())) as http:
        response = await http.get("/private")
    assert response.json() == {"detail": "Digest credentials are needed."}
    assert [each.parameters["algorithm"] for each in challenges(response)] == ["SHA-256", "MD5"]


@pytest.mark.parametrize("password", ["secret", "wrong"])
async def test_digest_checks_the_password(password: str) -> None:
    async with client_of(digest_app(OneUser())) as http:
        response = await http.get("/private", auth=httpx2.DigestAuth("alice", password))
    assert response.status_code == (200 if password == "secret" else 401)


async def test_digest_accepts_a_count_once() -> None:
    async with client_of(digest_app(OneUser())) as http:
        found, _ = challenges(await http.get("/private"))
        login = Login("alice", "secret", found, uri="/private")
        headers = [(b"authorization", login.header())]
        statuses = [(await http.get("/private", headers=headers)).status_code for _ in range(2)]
    assert statuses == [200, 401]


async def test_digest_counts_from_one() -> None:
    """RFC 7616, section 3.4: nc is the number of requests that were sent with the nonce."""
    async with client_of(digest_app(OneUser())) as http:
        found, _ = challenges(await http.get("/private"))
        first = Login("alice", "secret", found, uri="/private")
        statuses = [
            (
                await http.get("/private", headers=[(b"authorization", first.next(nc).header())])
            ).status_code
            for nc in (0, 1)
        ]
    assert statuses == [401, 200]


@pytest.mark.rfc("7616", "3.5", 3, 4)
async def test_digest_hands_out_the_next_nonce_in_the_second_half_of_a_lifetime() -> None:
    now = 1000.0
    digest = OneUser(nonce_lifetime=300, now=lambda: now)
    async with client_of(digest_app(digest)) as http:
        found, _ = challenges(await http.get("/private"))
        login = Login("alice", "secret", found, uri="/private")

        async def info_of(login: Login) -> dict[str, str]:
            response = await http.get("/private", headers=[(b"authorization", login.header())])
            assert response.status_code == 200
            return read_parameters(response.headers["authentication-info"])

        now = 1149
        assert "nextnonce" not in await info_of(login)
        now = 1150
        successor = (await info_of(login.next()))["nextnonce"]
        assert await info_of(login.next(3))
        now = 1400  # where the first one is stale
        parameters = found.parameters | {"nonce": successor}
        renewed = Login("alice", "secret", replace(found, parameters=parameters), uri="/private")
        assert (await info_of(renewed))["rspauth"] == renewed.response("")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}], ids=["none", "bearer"])
async def test_digest_without_auto_error_lets_in_whoever_presents_nothing(
    headers: dict[str, str],
) -> None:
    async with client_of(digest_app(OneUser(auto_error=False))) as http:
        response = await http.get("/private", headers=headers)
    assert (response.status_code, response.json()) == (200, None)


async def test_digest_without_auto_error_refuses_what_is_presented_and_bad() -> None:
    async with client_of(digest_app(OneUser(auto_error=False))) as http:
        response = await http.get("/private", headers={"Authorization": "Digest x=y"})
    assert response.status_code == 401


async def test_digest_under_a_mounted_application_checks_the_whole_address() -> None:
    outer = FastAPI()
    outer.mount("/inner", digest_app(OneUser()))
    async with client_of(outer) as http:
        response = await http.get(
            "/inner/private", params={"a": "b"}, auth=httpx2.DigestAuth("alice", "secret")
        )
    assert (response.status_code, response.json()) == (200, "alice")


async def test_digest_says_what_is_to_be_overridden() -> None:
    digest = DigestServer(realm="example", secrets=SECRETS)
    async with client_of(digest_app(digest)) as http:
        with pytest.raises(TypeError, match="find_ha1 is to be overridden"):
            await http.get("/private", auth=httpx2.DigestAuth("alice", "secret"))


@pytest.mark.parametrize(
    "secrets",
    [
        pytest.param("one string of more than 32 characters", id="a_string"),
        pytest.param([], id="none"),
        pytest.param([""], id="an_empty_one"),
        pytest.param(["short", *SECRETS], id="a_short_one"),
    ],
)
def test_digest_refuses_secrets_that_protect_nothing(secrets: Any) -> None:
    with pytest.raises(ValueError, match="secret"):
        DigestServer(realm="example", secrets=secrets)


async def test_digest_quotes_its_realm() -> None:
    async with client_of(digest_app(OneUser(r'a "b" \ c'))) as http:
        found, _ = challenges(await http.get("/private"))
        assert r'realm="a \"b\" \\ c",' in found.header
        login = Login("alice", "secret", found, uri="/private")
        response = await http.get("/private", headers=[(b"authorization", login.header())])
    assert response.status_code == 200


@pytest.mark.parametrize("realm", ["Zoë", "two\r\nlines"])
def test_digest_refuses_a_realm_that_no_header_can_carry(realm: str) -> None:
    with pytest.raises(ValueError, match="the realm is printable ASCII"):
        OneUser(realm)


@pytest.mark.parametrize(
    ("address", "uri", "status"),
    [
        pytest.param("/private", "/private?", 200, id="an_empty_query_is_as_good_as_none"),
        pytest.param("/private?", "/private", 200, id="none_is_as_good_as_an_empty_one"),
        pytest.param("/private?a=b", "/private?", 401, id="another_query"),
    ],
)
async def test_digest_takes_an_empty_query_for_none(address: str, uri: str, status: int) -> None:
    async with client_of(digest_app(OneUser())) as http:
        found, _ = challenges(await http.get("/private"))
        login = Login("alice", "secret", found, uri=uri)
        response = await http.get(address, headers=[(b"authorization", login.header())])
    assert response.status_code == status


async def test_digest_judges_once_also_when_the_user_cannot_be_looked_up() -> None:
    verdicts: list[bool | None] = []

    class Failing(OneUser):
        async def find_ha1(self, request: Request, username: str, algorithm: str) -> str | None:
            raise ConnectionError

        async def judged(self, request: Request, username: str, matches: bool | None) -> None:
            verdicts.append(matches)

    async with client_of(digest_app(Failing())) as http:
        with pytest.raises(ConnectionError):
            await http.get("/private", auth=httpx2.DigestAuth("alice", "secret"))
    assert verdicts == [None]


def test_digest_is_published_as_digest() -> None:
    schemes = digest_app(OneUser()).openapi()["components"]["securitySchemes"]
    assert schemes == {"OneUser": {"type": "http", "scheme": "digest"}}
