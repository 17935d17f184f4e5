"""Clients of the code flow: what they are registered with, and what the doctor says of them."""

from typing import Any

import httpx2
import pytest

from app.server import Server
from tests.support.doctor import Doctor, doctor
from tests.support.factories import add_client
from tests.support.operators import assert_invalid

__all__ = ["doctor"]

RULE = "authorization_code requires a redirect URI"


async def test_a_confidential_client_says_where_its_users_return_to(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    wanted: dict[str, Any] = {"name": "Shop", "grant_types": ["authorization_code"]}
    response = await http.post("/clients", json=wanted, headers=as_admin)
    assert_invalid(response, ("body.redirect_uris", RULE))
    wanted["redirect_uris"] = ["https://shop.example.com/callback"]
    response = await http.post("/clients", json=wanted, headers=as_admin)
    assert response.status_code == 201, response.text


@pytest.mark.parametrize("posture", ["standard", "oauth21"])
def test_a_client_that_needs_no_pkce_is_named_unless_the_posture_wants_it_of_all(
    doctor: Doctor, posture: str
) -> None:
    async def work(server: Server) -> None:
        grants = ("password", "authorization_code")
        uris = ("https://app.example/callback",)
        await add_client(server, "old", grant_types=grants, redirect_uris=uris, require_pkce=False)

    doctor.prepare(work)
    expected = {"password-grant": "warning", "no-pkce": "warning"}
    assert doctor.finds(posture=posture) == (expected if posture == "standard" else {})
