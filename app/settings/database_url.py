"""The setting ``LATCHKEY_DATABASE_URL``, as providers of databases write it."""

import re
from urllib.parse import parse_qsl, urlencode

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}

_TLS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"}
)

_IN_DSN = _TLS | {"application_name", "options", "target_session_attrs"}
"""What libpq calls them, and every provider of databases. asyncpg reads them from a URL alone."""

_OF_THE_DRIVER = ("host", "port", "ssl")

_KNOWN = _IN_DSN.union(_OF_THE_DRIVER, {"connect_timeout"})

_ADDRESS = re.compile(
    r"(?:[^:/]*(?::[^@]*)?@)?(?P<host>\[[^\]/]*\]|[^:/]*)(?::(?P<port>[^/]*))?(?:/.*)?", re.DOTALL
)
"""As SQLAlchemy reads it."""

_MAX_PORT = 65535


def _split(url: str) -> tuple[str, str, list[tuple[str, str]]]:
    scheme, rest = url.split("://", 1)
    address, _, query = rest.partition("?")
    return scheme, address, parse_qsl(query, keep_blank_values=True)


def unknown_parameters(url: str) -> list[str]:
    """The names of what the URL asks for and this server does not know."""
    return [name for name, _ in _split(url)[2] if name not in _KNOWN]


def find_fault(url: str) -> str | None:
    """What of a URL of PostgreSQL cannot be read, after "LATCHKEY_DATABASE_URL"; None if all can.

    It repeats nothing of the URL, any part of which can be one of the password.
    """
    _, address, parameters = _split(url)
    if any("@" in name + value for name, value in parameters if name not in _KNOWN):
        return "has a ? before its host: in a password it is written %3F"
    parts = _ADDRESS.fullmatch(address)
    host, port = (parts["host"], parts["port"] or "") if parts else ("", "")
    if "," in host + port:
        return "names several hosts: write them as ?host=a&host=b"
    if host.startswith("[") and not host.endswith("]"):
        return "has an IPv6 address without its closing bracket"
    if port and not (_is_number(port) and 0 < int(port) <= _MAX_PORT):
        return f"has a port that is not a number between 1 and {_MAX_PORT}"
    given = dict(parameters).get("connect_timeout")
    if given and not _is_number(given):
        return "has a connect_timeout that is not a number of seconds"
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch("[0-9]{1,9}", text) is not None


def connect_timeout(url: str) -> float | None:
    """Seconds until a connection has to be open, if the URL says so; 0 is libpq's "no limit"."""
    given = dict(_split(url)[2]).get("connect_timeout")
    return (int(given) or None) if given else None


def driver_url(url: str) -> str:
    """The SQLAlchemy URL for a setting such as ``postgresql://user:pw@host/db?sslmode=require``."""
    scheme, address, parameters = _split(url)
    in_dsn = [each for each in parameters if each[0] in _IN_DSN]
    others = [each for each in parameters if each[0] in _OF_THE_DRIVER]
    if in_dsn:
        others.append(("dsn", f"postgresql://?{urlencode(in_dsn)}"))
    query = f"?{urlencode(others)}" if others else ""
    return f"{DRIVERS[scheme]}://{address}{query}"
