"""A real mail server on the loopback interface, which answers as a test wants it to."""

import asyncio
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

ACCOUNT = ("mailer", "the password: of/the mail@server")


@dataclass
class Delivered:
    """A mail as it arrived."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes
    was_encrypted: bool
    login: bytes | None

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    @property
    def html(self) -> str:
        body = self.message.get_body(("html",))
        assert body is not None
        return str(body.get_content())


@dataclass
class PostOffice:
    """What it has got, and how it answers."""

    delivered: list[Delivered] = field(default_factory=list)
    port: int = 0
    to_recipient: dict[str, str] = field(default_factory=dict)
    """The answer to RCPT by address, if not 250."""
    to_sender: str = ""
    """The answer to MAIL, if not 250."""
    to_data: str = ""
    """The answer to the message, if not 250."""
    loses_answers: bool = False
    """Whether it hangs up when it has the message, before it says so."""
    is_slow: bool = False
    """Whether it never answers to MAIL."""
    connections: int = 0

    @property
    def recipients(self) -> list[str]:
        return [address for each in self.delivered for address in each.recipients]

    def forget(self) -> None:
        """As good as new, at the same port."""
        port = self.port
        PostOffice.__init__(self, port=port)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.is_slow:
            await asyncio.sleep(3600)
        if self.to_sender:
            return self.to_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.to_recipient:
            return self.to_recipient[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.to_data:
            return self.to_data
        raw = envelope.content
        assert isinstance(raw, bytes)
        message = message_from_bytes(raw, policy=default)
        assert isinstance(message, EmailMessage)
        login = session.auth_data.login if session.auth_data else None
        self.delivered.append(
            Delivered(
                envelope.mail_from or "",
                list(envelope.rcpt_tos),
                message,
                raw,
                session.ssl is not None or _is_tls(server.transport),
                login,
            )
        )
        if self.loses_answers:
            assert server.transport is not None
            server.transport.close()
        return "250 OK"


def _is_tls(transport: asyncio.BaseTransport | None) -> bool:
    return transport is not None and transport.get_extra_info("sslcontext") is not None


@contextmanager
def post_office(
    certificate: Path | None = None, *, starttls: bool = False, with_login: bool = False
) -> Generator[PostOffice]:
    """It listens in a thread of its own, with TLS from the start unless by STARTTLS."""
    office = PostOffice()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)

    def check(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == ACCOUNT
        return AuthResult(success=good, handled=False, auth_data=data)

    def protocol() -> SMTP:
        office.connections += 1
        return SMTP(
            office,
            hostname="localhost",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=check if with_login else None,
            auth_required=with_login,
            auth_require_tls=with_login,
            loop=loop,
        )

    loop = asyncio.SelectorEventLoop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(
        loop.create_server(protocol, "127.0.0.1", 0, ssl=None if starttls else context), loop
    ).result()
    office.port = listening.sockets[0].getsockname()[1]
    try:
        yield office
    finally:

        async def close() -> None:
            listening.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
