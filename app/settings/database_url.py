"""The setting ``LATCHKEY_DATABASE_URL``, as providers of databases write it."""

from urllib.parse import parse_qsl, urlencode

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}

_TLS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"}
)

_IN_DSN = _TLS | {"application_name", "options", "target_session_attrs"}
"""What libpq calls them, and every provider of databases. asyncpg reads them from a URL alone."""

_OF_THE_DRIVER = ("host", "port", "ssl")

_KNOWN = _IN_DSN.union(_OF_THE_DRIVER, {"connect_timeout"})


def _split(url: str) -> tuple[str, str, list[tuple[str, str]]]:
    scheme, rest = url.split("://", 1)
    address, _, query = rest.partition("?")
    return scheme, address, parse_qsl(query, keep_blank_values=True)


def unknown_parameters(url: str) -> list[str]:
    """The names of what the URL asks for and this server does not know."""
    return [name for name, _ in _split(url)[2] if name not in _KNOWN]


def connect_timeout(url: str) -> float | None:
    """Seconds until a connection has to be open, if the URL says so; 0 is libpq's "no limit".

    Raises :class:`ValueError` for what is no number.
    """
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
