"""How mail is handed to a mail server: TLS, logins, refusals, and what a message looks like."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from app.features import load_features
from app.features.mail import smtp
from app.features.mail.queue import QueuedMail
from app.features.mail.sending import PAUSE
from app.features.mail.smtp import compose
from app.look import Look
from app.message import Message
from app.server import Server
from tests.conftest import make_settings
from tests.features.mail.conftest import SENDER
from tests.features.mail.post_office import ACCOUNT, PostOffice, post_office
from tests.features.mail.sent import letter, mails, queue, sender_of
from tests.support.certificates import make_certificate
from tests.support.clock import TestClock
from tests.support.on_sqlite import backend as backend

Deliver = Callable[..., Coroutine[Any, Any, float]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL takes the certificates in this file for good ones."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture(scope="module")
def with_starttls(certificate: Path) -> Generator[PostOffice]:
    with post_office(certificate, starttls=True, with_login=True) as office:
        yield office


@pytest.fixture(scope="module")
def with_tls(certificate: Path) -> Generator[PostOffice]:
    with post_office(certificate, with_login=False) as office:
        yield office


@pytest.fixture
async def deliver(
    database_url: str, clock: TestClock
) -> AsyncGenerator[Callable[..., Coroutine[Any, Any, float]]]:
    """Queue a mail at a server with this setting, and let it look once."""
    servers: list[Server] = []

    async def send(url: str, to: str = "alice@example.com", **more: Any) -> float:
        settings = make_settings(database_url=database_url, smtp_url=url, mail_from=SENDER)
        server = Server(settings, clock, load_features())
        servers.append(server)
        await queue(server, to, **more)
        return await sender_of(server).look()

    yield send
    for server in servers:
        await server.close()


LOGIN = f"{ACCOUNT[0]}:{quote(ACCOUNT[1], safe='')}"


async def test_with_starttls_login_and_mail_are_encrypted(
    trusted: None, with_starttls: PostOffice, deliver: Deliver
) -> None:
    with_starttls.forget()
    await deliver(f"smtp://{LOGIN}@localhost:{with_starttls.port}?starttls=required")
    (mail,) = with_starttls.delivered
    assert (mail.was_encrypted, mail.login) == (True, ACCOUNT[0].encode())


async def test_with_smtps_everything_is_encrypted(
    trusted: None, with_tls: PostOffice, deliver: Deliver
) -> None:
    with_tls.forget()
    await deliver(f"smtps://localhost:{with_tls.port}")
    (mail,) = with_tls.delivered
    assert mail.was_encrypted


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_whose_certificate_nobody_vouches_for_gets_no_mail(
    scheme: str, with_tls: PostOffice, with_starttls: PostOffice, deliver: Deliver
) -> None:
    offices = {"smtp": with_starttls, "smtps": with_tls}
    offices[scheme].forget()
    parameter = "?starttls=required" if scheme == "smtp" else ""
    pause = await deliver(f"{scheme}://localhost:{offices[scheme].port}{parameter}")
    assert (pause, offices[scheme].delivered) == (PAUSE, [])


async def test_a_server_with_a_certificate_of_another_host_gets_no_mail(
    trusted: None, with_tls: PostOffice, deliver: Deliver
) -> None:
    with_tls.forget()
    assert await deliver(f"smtps://127.0.0.1:{with_tls.port}") == PAUSE
    assert with_tls.delivered == []


async def test_a_server_that_offers_no_starttls_gets_no_mail_where_it_is_required(
    office: PostOffice, deliver: Deliver
) -> None:
    assert await deliver(f"smtp://localhost:{office.port}?starttls=required") == PAUSE
    assert office.delivered == []


async def test_a_wrong_password_of_the_mail_server_loses_no_mail(
    trusted: None, with_starttls: PostOffice, deliver: Deliver, clock: TestClock
) -> None:
    with_starttls.forget()
    at = f"localhost:{with_starttls.port}?starttls=required"
    assert await deliver(f"smtp://mailer:wrong@{at}") == PAUSE
    clock.advance(60)
    await deliver(f"smtp://{LOGIN}@{at}", "bob@example.com")
    assert sorted(with_starttls.recipients) == ["alice@example.com", "bob@example.com"]


@pytest.mark.parametrize("answer", ["421 Closing", "530 Authentication required"])
async def test_an_answer_that_is_not_about_the_mail_loses_none(
    office: PostOffice, deliver: Deliver, clock: TestClock, answer: str
) -> None:
    office.to_recipient["alice@example.com"] = answer
    assert await deliver(f"smtp://127.0.0.1:{office.port}") == PAUSE
    del office.to_recipient["alice@example.com"]
    clock.advance(60)
    await deliver(f"smtp://127.0.0.1:{office.port}", "bob@example.com")
    assert sorted(office.recipients) == ["alice@example.com", "bob@example.com"]


async def test_a_slow_server_is_left_after_a_while_and_asked_again(
    office: PostOffice, deliver: Deliver, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.is_slow = True
    monkeypatch.setattr(smtp, "LONGEST", 0.1)
    url = f"smtp://127.0.0.1:{office.port}"
    assert await deliver(url) == PAUSE
    office.is_slow = False
    clock.advance(60)
    await deliver(url, "bob@example.com")
    assert sorted(office.recipients) == ["alice@example.com", "bob@example.com"]


async def test_a_server_that_is_not_there_is_asked_again(deliver: Deliver) -> None:
    assert await deliver("smtp://127.0.0.1:9") == PAUSE


async def test_a_message_has_text_and_html_and_says_that_a_program_wrote_it(
    office: PostOffice, deliver: Deliver
) -> None:
    await deliver(f"smtp://127.0.0.1:{office.port}")
    (mail,) = office.delivered
    assert (mail.sender, mail.recipients) == ("no-reply@example.com", ["alice@example.com"])
    headers = {name: mail.message[name] for name in ("From", "To", "Subject", "Auto-Submitted")}
    assert headers == {
        "From": "Latchkey <no-reply@example.com>",
        "To": "alice@example.com",
        "Subject": "A subject",
        "Auto-Submitted": "auto-generated",
    }
    assert mail.message["Message-ID"].endswith("@example.com>")
    assert mail.message["Date"] is not None
    assert mail.message.get_content_type() == "multipart/alternative"
    assert mail.text == (
        "Something has happened.\n\n"
        "Look at it:\nhttps://auth.example.com/it?token=the-token\n\n"
        "Or type this code:\n1234 5678\n\n"
        "When: now\nWhere: here\n\n"
        "If it was you, there is nothing to do.\n\n"
        "-- \nLatchkey\n"
    )
    assert 'href="https://auth.example.com/it?token=the-token"' in mail.html
    assert max(map(len, mail.raw.splitlines())) <= 78


async def test_nothing_in_the_html_is_code_or_loaded_from_elsewhere(
    office: PostOffice, deliver: Deliver
) -> None:
    await deliver(f"smtp://127.0.0.1:{office.port}")
    html = office.delivered[0].html
    for sign in ("<script", "<img", "<link", "url(", "@import", "src="):
        assert sign not in html


def test_what_a_name_says_is_text_in_the_html() -> None:
    html = letter(paragraphs=[Message("For <b>you</b> & me")]).written(Look("<i>Service</i>"))[
        "html"
    ]
    assert "For &lt;b&gt;you&lt;/b&gt; &amp; me" in html
    assert "&lt;i&gt;Service&lt;/i&gt;" in html


@pytest.mark.parametrize(
    "address",
    [
        "alice@example.com,mallory@example.com",
        "alice@example.com\r\nBcc: mallory@example.com",
        "alice@example.com>\r\nRCPT TO:<mallory@example.com",
        "Alice <alice@example.com>",
        "alice@example.com> NOTIFY=SUCCESS",
        "alice;mallory@example.com",
        "alice@example.com\x00",
        "alice@exa mple.com",
        "@example.com",
        "group:alice@example.com;",
        "alice@a..b\u3002",
        "\u00e5lice@example.com",
    ],
)
async def test_what_is_no_single_mailbox_gets_nothing_and_brings_no_header_with_it(
    address: str, office: PostOffice, deliver: Deliver, database_url: str
) -> None:
    await deliver(f"smtp://127.0.0.1:{office.port}", address)
    assert office.delivered == []


def test_a_subject_of_two_lines_becomes_no_header(clock: TestClock) -> None:
    now = clock.now()
    mail = QueuedMail(
        uuid4(), "test", None, now, now, 1, "a@b.example", "Hello\r\nBcc: c@d.example", "", ""
    )
    with pytest.raises(ValueError, match="may not contain linefeed"):
        compose(mail, make_settings(mail_from=SENDER))


async def test_an_international_domain_is_written_in_ascii(
    office: PostOffice, deliver: Deliver
) -> None:
    await deliver(f"smtp://127.0.0.1:{office.port}", "alice@bücher.example")
    assert office.recipients == ["alice@xn--bcher-kva.example"]


async def test_the_log_of_production_has_neither_addresses_nor_texts(
    office: PostOffice,
    database_url: str,
    clock: TestClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = make_settings(
        database_url=database_url,
        environment="production",
        issuer="https://auth.example.com",
        secret_key="a secret key of thirty-two bytes or more",
        smtp_url=f"smtp://127.0.0.1:{office.port}",
        mail_from=SENDER,
    )
    office.to_recipient["nobody@example.com"] = "550 nobody@example.com does not exist"
    server = Server(settings, clock, load_features())
    for address in ("carol@example.com", "nobody@example.com"):
        await queue(server, address)
    with caplog.at_level("DEBUG"):
        await sender_of(server).look()
    assert office.recipients == ["carol@example.com"]
    assert await mails(server) == []
    await server.close()
    said = "".join(record.getMessage() for record in caplog.records if record.name == "latchkey")
    assert "mail is sent" in said
    assert "mail is given up" in said
    for secret in ("carol", "nobody@", "the-token", "1234 5678"):
        assert secret not in said
