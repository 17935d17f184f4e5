"""Reading a document at an address that a stranger has named: no stranger reaches through it."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.features.client_registration.fetching import (
    MAX_SIZE,
    RESOLVERS,
    Fetched,
    Fetcher,
    RefusedDocumentError,
    UnreachableDocumentError,
    is_public,
)
from tests.support.certificates import make_certificate

JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@asynccontextmanager
async def site(
    certificate: Path, answer: str, *, close: bool = True
) -> AsyncGenerator[tuple[str, list[str]]]:
    """The address of a document that is answered with ``answer``, and what was asked."""
    asked: list[str] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer.encode())
        await writer.drain()
        if close:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"https://localhost:{port}/client.json?v=1", asked
    finally:
        server.close()


def fetcher(certificate: Path, deadline: float = 5) -> Fetcher:
    """One that may ask this machine, and trusts its certificate."""
    make_context = partial(ssl.create_default_context, cafile=str(certificate))
    return Fetcher(lambda address: address.is_loopback, make_context, deadline)


async def test_a_document_is_read_without_a_word_too_many(certificate: Path) -> None:
    answer = f'{JSON}Cache-Control: public, max-age=600\r\n\r\n{{"client_id": "x"}}'
    async with site(certificate, answer) as (url, asked):
        fetched = await fetcher(certificate).fetch(url)
    assert fetched == Fetched({"client_id": "x"}, 600)
    host = url.removeprefix("https://").partition("/")[0]
    assert asked == [
        f"GET /client.json?v=1 HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
        "Accept-Encoding: identity\r\nUser-Agent: latchkey\r\nConnection: close\r\n\r\n"
    ]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", 3600), ("max-age=1", 300), ("max-age=999999", 86_400), ("no-store", 300)],
)
async def test_it_is_good_for_as_long_as_it_says_within_bounds(
    certificate: Path, header: str, seconds: int
) -> None:
    control = f"Cache-Control: {header}\r\n" if header else ""
    chunked = f"{JSON}{control}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    async with site(certificate, chunked) as (url, _):
        assert await fetcher(certificate).fetch(url) == Fetched({}, seconds)


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 302 Found\r\nLocation: https://localhost/other\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{}",
        f"{JSON}\r\nno json",
        f"{JSON}\r\n{'[' * 5000}",
        f"{JSON}\r\n{' ' * MAX_SIZE}{{}}",
    ],
    ids=["redirect", "status", "type", "no JSON", "deep", "large"],
)
async def test_anything_but_a_small_json_document_is_refused(
    certificate: Path, answer: str
) -> None:
    async with site(certificate, answer) as (url, asked):
        with pytest.raises(RefusedDocumentError):
            await fetcher(certificate).fetch(url)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    ["", "HTTP/1.1 503 Busy\r\n\r\n", f"{JSON}Content-Length: 9\r\n\r\n{{}}", "SSH-2.0\r\n"],
)
async def test_what_is_no_answer_may_be_one_later(certificate: Path, answer: str) -> None:
    async with site(certificate, answer) as (url, _):
        with pytest.raises(UnreachableDocumentError):
            await fetcher(certificate).fetch(url)


async def test_an_answer_that_does_not_end_is_given_up_in_time(certificate: Path) -> None:
    async with site(certificate, f"{JSON}\r\n{{}}", close=False) as (url, _):
        with pytest.raises(UnreachableDocumentError):
            await fetcher(certificate, deadline=0.2).fetch(url)


async def test_a_certificate_that_nobody_trusts_is_not_spoken_to(certificate: Path) -> None:
    anybody = Fetcher(lambda _: True)
    async with site(certificate, f"{JSON}\r\n{{}}") as (url, asked):
        with pytest.raises(UnreachableDocumentError):
            await anybody.fetch(url)
    assert asked == []


@pytest.mark.parametrize("host", ["...", ".editor.example", f"{'a' * 64}.example"])
async def test_a_host_that_no_name_can_be_is_refused(host: str) -> None:
    with pytest.raises(RefusedDocumentError):
        await Fetcher().fetch(f"https://{host}/client.json")


async def test_a_host_with_a_private_address_is_not_asked(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(certificate, f"{JSON}\r\n{{}}") as (url, asked):
        with pytest.raises(UnreachableDocumentError):
            await Fetcher(make_context=contexts(certificate)).fetch(url)
        # Nor one that has a public address beside it.
        found = [(0, 0, 0, "", (each, 443)) for each in ("93.184.215.14", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(UnreachableDocumentError):
            await Fetcher(make_context=contexts(certificate)).fetch(url)
    assert asked == []


async def test_of_a_few_addresses_the_first_is_asked_where_somebody_listens(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 443)) for each in found]
    )
    async with site(certificate, f"{JSON}\r\n{{}}") as (url, asked):
        found[:] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
        assert await fetcher(certificate).fetch(url) == Fetched({}, 3600)
        found.insert(0, "127.0.0.4")
        with pytest.raises(UnreachableDocumentError):
            await fetcher(certificate).fetch(url)
    assert len(asked) == 1


async def test_names_that_nobody_answers_for_hold_up_documents_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered, held = threading.Event(), list[str]()

    def say_nothing(host: str, *_: object, **__: object) -> list[object]:
        held.append(host)
        answered.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", say_nothing)
    silent = Fetcher(deadline=0.5)
    try:
        asked = [silent.fetch(f"https://{number}.example/client.json") for number in range(40)]
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(outcome, UnreachableDocumentError)
        assert 1 <= len(held) <= RESOLVERS
        # What else of this process has threads, such as the driver that resolves the database's.
        assert await asyncio.wait_for(asyncio.to_thread(int), 5) == 0
    finally:
        answered.set()


def contexts(certificate: Path) -> Callable[[], ssl.SSLContext]:
    return partial(ssl.create_default_context, cafile=str(certificate))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:db8::1", False),
    ],
)
def test_which_addresses_anybody_could_ask(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public
