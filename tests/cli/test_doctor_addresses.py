"""``latchkey doctor``: addresses that cannot work."""

import pytest

from app.server import Server
from tests.support.doctor import Doctor, doctor
from tests.support.factories import add_client
from tests.support.processes import development

__all__ = ["doctor"]


@pytest.mark.parametrize(
    ("issuer", "check"),
    [
        ("https://localhost:8443", "issuer-loopback"),
        ("https://[::1]", "issuer-loopback"),
        ("https://latchkey:8000", "issuer-local-name"),
    ],
)
def test_an_issuer_that_browsers_cannot_reach_is_found(
    doctor: Doctor, issuer: str, check: str
) -> None:
    assert doctor.finds(issuer=issuer) == {check: "warning"}


def test_an_issuer_on_the_network_is_as_it_should_be(doctor: Doctor) -> None:
    assert doctor.finds(issuer="https://login.example.com") == {}
    assert doctor.finds(issuer="https://[2001:db8::1]") == {}


def test_a_web_application_that_is_sent_to_its_users_machine_is_found(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        uris = ("https://shop.example.com/callback", "http://localhost:3000/callback")
        await add_client(server, "shop", grant_types=("refresh_token",), redirect_uris=uris)

    doctor.prepare(work)
    assert doctor.finds() == {"redirect-loopback": "warning"}
    assert doctor.sentence("redirect-loopback") == (
        "the client shop is sent to http://localhost:3000/callback"
    )
    assert "redirect-loopback" not in doctor.finds(base=development)


def test_a_native_application_is_sent_there_rightly(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        await add_client(
            server,
            "app",
            is_public=True,
            grant_types=("refresh_token",),
            redirect_uris=("http://127.0.0.1/callback",),
        )

    doctor.prepare(work)
    assert doctor.finds() == {}
