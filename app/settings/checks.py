"""What the settings must be, each by itself and together, and what follows from the environment."""

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from app.look import NO_THEME, Look
from app.settings.database_url import find_fault, unknown_parameters
from app.settings.mail import parse_sender, parse_smtp_url
from app.settings.theme import ThemeError, load_theme

if TYPE_CHECKING:
    from app.settings.model import Settings

DEVELOPMENT_SECRET_KEY = "latchkey-development-secret-key-do-not-deploy"

DEVELOPMENT_ISSUER = "http://127.0.0.1:8000"

PUBLISHED_SECRET_KEYS = {
    DEVELOPMENT_SECRET_KEY,
    # The HS256 key printed in FastAPI's tutorial.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
}

SECRET_KEY_MIN_BYTES = 32

EVERY_PROXY = "*"

LOCATION = r"^(sqlite:///[^?]+|postgresql://.+)$"
"""SQLite in a file: a database in memory would be another one for each connection."""


UNSAFE_SCHEMES = {
    *("javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "jar", "intent"),
    *("view-source", "chrome", "resource", "ws", "wss", "ftp", "mailto", "tel", "sms"),
    *("chrome-extension", "moz-extension", "safari-web-extension", "feed", "search", "search-ms"),
    *("ms-msdt", "shell", "smb"),
}
"""Of redirect URIs: what runs something, or is somebody else's."""


class SettingsError(ValueError):
    """One line that names a setting and says what it accepts."""


def complete(settings: "Settings") -> None:
    """Fill what depends on the environment and refuse what production must not run with.

    Raises :class:`SettingsError`.
    """
    if settings.development:
        settings.secret_key = settings.secret_key or [SecretStr(DEVELOPMENT_SECRET_KEY)]
        settings._issuer_given = bool(settings.issuer)
        settings.issuer = settings.issuer or DEVELOPMENT_ISSUER
        if settings.default_client_id is None:
            settings.default_client_id = "first-party"
    _check_database_url(settings)
    _check_hash_cost(settings)
    _complete_proxies(settings)
    _check_secret_keys(settings)
    _check_password_peppers(settings)
    _check_issuer(settings)
    _check_cors_origins(settings)
    _check_otlp_endpoint(settings)
    _check_registration_schemes(settings)
    _check_mail(settings)
    _complete_look(settings)
    _check_registration(settings)
    settings.audience = settings.audience or settings.issuer
    settings.default_client_id = settings.default_client_id or ""
    if settings.docs is None:
        settings.docs = settings.development
    settings.demo_routes = (
        settings.development if settings.demo_routes is None else settings.demo_routes
    )
    settings.log_format = settings.log_format or ("text" if settings.development else "json")


def _check_database_url(settings: "Settings") -> None:
    if not re.match(LOCATION, settings.database_url) or ":memory:" in settings.database_url:
        raise SettingsError(
            "LATCHKEY_DATABASE_URL must be sqlite:///path/to/file or postgresql://user:pw@host/db"
        )
    if fault := find_fault(settings.database_url):
        raise SettingsError(f"LATCHKEY_DATABASE_URL {fault}")
    if unknown := unknown_parameters(settings.database_url):
        raise SettingsError(f"LATCHKEY_DATABASE_URL has a parameter without effect: {unknown[0]}")


def _check_hash_cost(settings: "Settings") -> None:
    """RFC 9106, section 3.1: eight blocks of memory for each lane."""
    if settings.password_hash_memory_kib < 8 * settings.password_hash_parallelism:
        raise SettingsError(
            "LATCHKEY_PASSWORD_HASH_MEMORY_KIB must be 8 or more for each of "
            "LATCHKEY_PASSWORD_HASH_PARALLELISM"
        )


def _complete_proxies(settings: "Settings") -> None:
    """Write addresses and networks in the one way that the server understands."""
    if settings.forwarded_allow_ips.strip() == EVERY_PROXY:
        settings.forwarded_allow_ips = EVERY_PROXY
        return
    try:
        networks = [
            ip_network(part.strip(), strict=False)
            for part in settings.forwarded_allow_ips.split(",")
        ]
    except ValueError:
        raise SettingsError(
            "LATCHKEY_FORWARDED_ALLOW_IPS must be addresses and networks separated by commas, or *"
        ) from None
    settings.forwarded_allow_ips = ",".join(str(network) for network in networks)


def _check_secret_keys(settings: "Settings") -> None:
    if not settings.secret_key:
        raise SettingsError("LATCHKEY_SECRET_KEY is required: 32 random bytes or more")
    for key in settings.secret_keys:
        if len(key.encode()) < SECRET_KEY_MIN_BYTES:
            raise SettingsError("LATCHKEY_SECRET_KEY is too short: it must have 32 bytes or more")
        if key in PUBLISHED_SECRET_KEYS and not settings.development:
            raise SettingsError("LATCHKEY_SECRET_KEY is a published key: generate 32 random bytes")


def _check_password_peppers(settings: "Settings") -> None:
    for pepper in settings.password_peppers:
        if len(pepper.encode()) < SECRET_KEY_MIN_BYTES:
            raise SettingsError(
                "LATCHKEY_PASSWORD_PEPPER is too short: it must have 32 bytes or more"
            )


def _split_url(url: str) -> SplitResult | None:
    """The parts of an http or https URL of printable ASCII, without user; None if it is none."""
    if not re.fullmatch(r"[\x21-\x7e]+", url) or re.search(r"[\"'<>\\^`{|}*@]", url):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def _check_issuer(settings: "Settings") -> None:
    """RFC 8414, section 2: an https URL without query or fragment."""
    if not settings.issuer:
        raise SettingsError("LATCHKEY_ISSUER is required: the https URL of this server")
    parts = _split_url(settings.issuer)
    schemes = ("http", "https") if settings.development else ("https",)
    # In its one spelling: clients compare it byte for byte, and so does this server.
    if parts is None or not settings.issuer.startswith(tuple(f"{each}://" for each in schemes)):
        raise SettingsError("LATCHKEY_ISSUER must be a URL that begins with https://")
    if "?" in settings.issuer or "#" in settings.issuer or settings.issuer.endswith("/"):
        raise SettingsError(
            "LATCHKEY_ISSUER must be a URL without query, fragment or trailing slash"
        )


def _check_otlp_endpoint(settings: "Settings") -> None:
    if settings.otlp_endpoint and _split_url(settings.otlp_endpoint) is None:
        raise SettingsError(
            "LATCHKEY_OTLP_ENDPOINT must be the http or https URL of a collector, such as "
            "http://127.0.0.1:4318"
        )


def _check_cors_origins(settings: "Settings") -> None:
    """RFC 6454, section 6.2: scheme, host and port. No wildcard: name who may call."""
    for origin in settings.cors_origins:
        parts = _split_url(origin)
        if parts is None or origin != f"{parts.scheme}://{parts.netloc}":
            raise SettingsError("LATCHKEY_CORS_ORIGINS must be origins such as https://app.example")


def _check_registration_schemes(settings: "Settings") -> None:
    """RFC 3986, section 3.1, without those that run or show what a redirect brings."""
    never = UNSAFE_SCHEMES | {"http"}
    for scheme in settings.client_registration_schemes:
        if not re.fullmatch(r"[a-z][a-z0-9+.\-]*", scheme) or scheme in never:
            raise SettingsError(
                "LATCHKEY_CLIENT_REGISTRATION_SCHEMES must be schemes such as https,cursor,vscode"
            )


def _check_registration(settings: "Settings") -> None:
    """An address is proven by a mail. Domains are compared in lower case."""
    has_mail = settings.development or settings.smtp_url.get_secret_value()
    if settings.registration == "open" and not has_mail:
        raise SettingsError("LATCHKEY_SMTP_URL is required with LATCHKEY_REGISTRATION=open")
    domains = [domain.casefold() for domain in settings.registration_domains]
    if not all(re.fullmatch(r"[\w-]+(\.[\w-]+)+", domain) for domain in domains):
        raise SettingsError(
            "LATCHKEY_REGISTRATION_DOMAINS must be domains such as example.com,example.org"
        )
    settings.registration_domains = domains


def _check_mail(settings: "Settings") -> None:
    """A mail server needs a sender."""
    url = settings.smtp_url.get_secret_value()
    if url:
        try:
            parse_smtp_url(url)
        except ValueError:
            raise SettingsError(
                "LATCHKEY_SMTP_URL must be smtps://user:password@host or "
                "smtp://user:password@host:587, with ?starttls=off for a server without STARTTLS"
            ) from None
        if not settings.mail_from:
            raise SettingsError("LATCHKEY_MAIL_FROM is required with LATCHKEY_SMTP_URL")
    if settings.mail_from:
        try:
            parse_sender(settings.mail_from)
        except ValueError:
            raise SettingsError(
                "LATCHKEY_MAIL_FROM must be an address such as no-reply@example.com, or "
                "Example <no-reply@example.com>"
            ) from None


def _complete_look(settings: "Settings") -> None:
    """Links that people follow run nothing, and a theme is read as a whole."""
    for name in ("terms_url", "privacy_url"):
        url = getattr(settings, name)
        if url and _split_url(url) is None:
            raise SettingsError(
                f"LATCHKEY_{name.upper()} must be the http or https URL of a page, such as "
                "https://www.example.com/terms"
            )
    try:
        theme = load_theme(settings.theme_dir) if settings.theme_dir else NO_THEME
    except ThemeError as error:
        raise SettingsError(f"LATCHKEY_THEME_DIR {error}") from None
    settings._look = Look(settings.service_name, settings.terms_url, settings.privacy_url, theme)
