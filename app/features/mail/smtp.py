"""Speaking to the mail server (RFC 5321): the only module that knows aiosmtplib."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from urllib.parse import urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from app.features.mail.queue import QueuedMail
from app.settings import Settings
from app.settings.mail import parse_sender

TIMEOUT = 20.0
"""Seconds for each answer of the server."""

LONGEST = 60.0
"""Seconds for one mail, connecting included: far less than a lease of the queue."""

NO_MAILBOX = "the address is not one that mail can be sent to"


class RefusedError(Exception):
    """The server will not take this mail, now or later. The text says why, without its content."""


class PutOffError(Exception):
    """The server does not take this mail now; it may take others."""


class ServerAwayError(Exception):
    """The server cannot be reached, or takes no mail at all, such as from an unknown user."""


def compose(mail: QueuedMail, settings: Settings) -> tuple[str, str, EmailMessage]:
    """The sender's and the recipient's addresses, and the message between them.

    Raises :class:`RefusedError` for a recipient that is no mailbox (RFC 5322, section 3.4.1): what
    users typed as their address becomes no second recipient and no further header.
    """
    sender, recipient = parse_sender(settings.mail_from), _mailbox(mail.recipient)
    message = EmailMessage(SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = mail.subject
    message["Date"] = mail.created_at
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: nobody is to answer it
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return sender.addr_spec, recipient.addr_spec, message


def _mailbox(address: str) -> Address:
    """In front of the @ in ASCII: few servers take anything else (RFC 6531)."""
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode()
        mailbox = Address(addr_spec=f"{local}@{ascii_domain}")
    except (ValueError, IndexError, MessageError):  # as Python parses, so it refuses
        raise RefusedError(NO_MAILBOX) from None
    if not mailbox.username or not mailbox.domain:
        raise RefusedError(NO_MAILBOX)
    return mailbox


class Connection:
    """A connection that takes one mail after the other."""

    def __init__(self, smtp: aiosmtplib.SMTP, settings: Settings) -> None:
        """``smtp`` is connected, and logged in where the settings say so."""
        self._smtp = smtp
        self._settings = settings

    async def send(self, mail: QueuedMail) -> None:
        """Hand the mail over: on return the server has accepted it.

        Raises :class:`RefusedError`, :class:`PutOffError` or :class:`ServerAwayError`.
        """
        sender, recipient, message = compose(mail, self._settings)
        try:
            async with asyncio.timeout(LONGEST):
                await self._smtp.sendmail(sender, [recipient], message.as_bytes())
        except SMTPRecipientsRefused as refused:
            raise _refusal(refused.recipients[0]) from None
        except SMTPDataError as refused:
            raise _refusal(refused) from None
        except ValueError:  # of aiosmtplib, for an address that could say something else as well
            raise RefusedError(NO_MAILBOX) from None
        except (SMTPException, OSError) as error:
            raise ServerAwayError(_described(error)) from None


NOT_ABOUT_THE_MAIL = frozenset({421, 530, 534, 535, 538})
"""It is closing (RFC 5321, section 3.8), or wants another login (RFC 4954, section 6)."""


def _refusal(answer: SMTPResponseException) -> Exception:
    """5yz is for good, 4yz for now (RFC 5321, section 4.2.1). Texts of servers repeat addresses."""
    said = f"the mail server answered {answer.code}"
    if answer.code in NOT_ABOUT_THE_MAIL:
        return ServerAwayError(said)
    return RefusedError(said) if answer.code >= 500 else PutOffError(said)


def _described(error: Exception) -> str:
    code = f" {error.code}" if isinstance(error, SMTPResponseException) else ""
    return f"{type(error).__name__}{code}"


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Connection]:
    """A connection to the mail server of the settings, closed at the end of the block.

    Its certificate has to be good, and with STARTTLS nothing is said before TLS. Raises
    :class:`ServerAwayError`.
    """
    server = settings.smtp_server
    if server is None:
        raise ServerAwayError("LATCHKEY_SMTP_URL is not set")
    smtp = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.username,
        password=server.password,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        tls_context=None if server.security == "none" else ssl.create_default_context(),
        local_hostname=_own_name(settings),
        timeout=TIMEOUT,
    )
    try:
        async with asyncio.timeout(LONGEST):
            await smtp.connect()
    except (SMTPException, OSError) as error:
        smtp.close()
        raise ServerAwayError(_described(error)) from None
    try:
        yield Connection(smtp, settings)
        with suppress(SMTPException, OSError):
            async with asyncio.timeout(TIMEOUT):
                await smtp.quit()
    finally:
        smtp.close()


def _own_name(settings: Settings) -> str:
    """What this client calls itself (RFC 5321, section 4.1.4), without asking a name server."""
    host = urlsplit(settings.issuer).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host
