"""Whose word is taken for where a request comes from."""

from typing import Any

import httpx2
import pytest

from app import main
from app.web.proxies import TrustedProxies
from tests.conftest import make_settings

SAID = "203.0.113.9"

WARNING = (
    "a request was forwarded by a proxy that LATCHKEY_FORWARDED_ALLOW_IPS does not name, "
    "or pretends to be; its address is taken for that of the client"
)


async def tell_the_client(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["client"][0].encode()})


def behind(proxies: str) -> TrustedProxies:
    """An application that says whom it takes for its client."""
    return TrustedProxies(
        tell_the_client, make_settings(forwarded_allow_ips=proxies).forwarded_allow_ips
    )


async def client_of(app: TrustedProxies, peer: str, header: str = "X-Forwarded-For") -> str:
    transport = httpx2.ASGITransport(app, client=(peer, 1))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://a") as http:
        return (await http.get("/", headers={header: SAID})).text


@pytest.mark.rfc("9700", "4.13", 1)
@pytest.mark.parametrize(
    ("proxies", "peer"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1/8", "127.0.0.2"),
        ("10.1.2.3/16", "10.1.0.1"),
        ("2001:db8::1/32", "2001:db8::2"),
        ("*", "198.51.100.1"),
    ],
)
async def test_a_proxy_that_is_named_is_believed(
    proxies: str, peer: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await client_of(behind(proxies), peer) == SAID
    assert caplog.text == ""


@pytest.mark.rfc("9700", "4.13", 1)
@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"])
async def test_a_proxy_that_is_not_named_is_not_believed_and_noticed_once(
    caplog: pytest.LogCaptureFixture, header: str
) -> None:
    app = behind("10.0.0.1")
    for peer in ("10.0.0.2", "10.0.0.2", "10.0.0.3"):
        assert await client_of(app, peer, header) == peer
    assert caplog.text.count(WARNING) == 1
    assert "10.0.0.2" in caplog.text
    assert SAID not in caplog.text


async def test_a_client_without_a_proxy_is_not_remarkable(caplog: pytest.LogCaptureFixture) -> None:
    assert await client_of(behind("10.0.0.1"), "10.0.0.2", "X-Other") == "10.0.0.2"
    assert caplog.text == ""


def test_a_worker_believes_the_proxies_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_ENVIRONMENT", "development")
    monkeypatch.setenv("LATCHKEY_FORWARDED_ALLOW_IPS", "10.1.2.3/16")
    monkeypatch.setattr("gc.freeze", lambda: None)
    trusted = main.create_worker().trusted_hosts
    assert ("10.1.9.9" in trusted, "127.0.0.1" in trusted) == (True, False)


async def test_whoever_may_open_the_unix_socket_is_a_proxy() -> None:
    app = behind("10.0.0.0/8")
    told = []
    scope = {
        "type": "http",
        "client": None,
        "server": ("/run/latchkey.sock", None),
        "headers": [(b"x-forwarded-for", f"198.51.100.7, {SAID}".encode())],
    }

    async def send(message: Any) -> None:
        told.append(message.get("body"))

    await app(scope, None, send)  # type: ignore[arg-type]
    assert told[-1] == SAID.encode()
