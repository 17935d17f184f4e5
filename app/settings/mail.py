"""``LATCHKEY_SMTP_URL`` and ``LATCHKEY_MAIL_FROM``: the mail server, and the sender."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from email.headerregistry import Address

Security = Literal["tls", "starttls", "none"]
"""TLS from the first byte (RFC 8314, section 3), TLS by STARTTLS (RFC 3207), or none."""

STARTTLS: dict[str, Security] = {"required": "starttls", "off": "none"}
"""What the parameter ``starttls`` may say."""


@dataclass(frozen=True)
class SmtpServer:
    """A mail server that takes mail for others."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_smtp_url(url: str) -> SmtpServer:
    """The server of ``smtp://user:password@host:587`` or ``smtps://host``.

    ``smtp`` means STARTTLS, and no mail to a server without it, unless that is on this machine or
    the URL ends with ``?starttls=off``. Raises :class:`ValueError` for anything else.
    """
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.fragment:
        raise ValueError("no URL of a mail server")
    if parts.path not in ("", "/") or not url.isprintable() or " " in url:
        raise ValueError("a path")
    parameters = dict(given)
    starttls = parameters.pop("starttls", "off" if _is_loopback(parts.hostname) else "required")
    if parameters or len(given) > 1 or starttls not in STARTTLS:
        raise ValueError("an unknown parameter")
    if parts.scheme == "smtps":
        if given:
            raise ValueError("STARTTLS behind TLS")
        security: Security = "tls"
    else:
        security = STARTTLS[starttls]
    if bool(parts.username) != bool(parts.password):
        raise ValueError("a user name and a password belong together")
    return SmtpServer(
        parts.hostname,
        parts.port or (465 if security == "tls" else 587),
        security,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def parse_sender(text: str) -> "Address":
    """The one mailbox of ``name@domain`` or ``Name <name@domain>``. Raises :class:`ValueError`."""
    # Parsing mail takes longer to import than most commands of the command line run.
    from email.headerregistry import AddressHeader
    from email.policy import SMTP

    header = SMTP.header_factory("From", text)
    addresses = header.addresses if isinstance(header, AddressHeader) else ()
    if header.defects or len(addresses) != 1 or not addresses[0].domain:
        raise ValueError("not one mailbox")
    sender: Address = addresses[0]
    if not sender.addr_spec.isascii():
        raise ValueError("an address beyond ASCII, which few servers send from")
    return sender
