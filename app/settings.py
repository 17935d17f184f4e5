"""Settings: environment variables with the prefix ``LATCHKEY_``, or a ``.env`` file.

Every setting is described in ``.env.example``. A bad or unknown one stops the start with one line
(:class:`SettingsError`).
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app import NAME
from app.database_url import unknown_parameters
from app.posture import Posture
from app.single_line import single_line

PREFIX = f"{NAME.upper()}_"
DOTENV = ".env"

INJECTED_BY_KUBERNETES = tuple(PREFIX + name for name in ("PORT", "SERVICE_HOST", "SERVICE_PORT"))
"""What such names begin with where a Kubernetes service has the name of this software."""

DEVELOPMENT_SECRET_KEY = "latchkey-development-secret-key-do-not-deploy"

DEFAULT_REALM = "latchkey"
"""Not the name of the service: a Digest credential holds for one realm (RFC 7616, section 3.4.2),
so those that are stored would be void under another.
"""

DEVELOPMENT_ISSUER = "http://127.0.0.1:8000"

PUBLISHED_SECRET_KEYS = {
    DEVELOPMENT_SECRET_KEY,
    # The HS256 key printed in FastAPI's tutorial.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
}

SECRET_KEY_MIN_BYTES = 32


SECRETS = ("database_url", "secret_key", "password_pepper")
"""Settings that may be in a file, as orchestrators hand secrets to a container."""

IN_A_FILE = "_FILE"


class SettingsError(ValueError):
    """One line that names a setting and says what it accepts."""


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split_commas)]
CommaSeparatedSecrets = Annotated[list[SecretStr], NoDecode, BeforeValidator(_split_commas)]
TEN_YEARS = 10 * 365 * 24 * 3600
Seconds = Annotated[int, Field(ge=1, le=TEN_YEARS)]
Limit = Annotated[int, Field(ge=0, le=1_000_000)]

EVERY_PROXY = "*"

LOCATION = r"^(sqlite:///[^?]+|postgresql://.+)$"
"""SQLite in a file: a database in memory would be another one for each connection."""


class Settings(BaseSettings):
    """What a deployment decides. Names are those of the environment, without the prefix."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=DOTENV, extra="ignore")

    environment: Literal["development", "production"] = "production"
    database_url: str = f"sqlite:///./{NAME}.db"
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 8
    database_pgbouncer: bool = False
    secret_key: CommaSeparatedSecrets = []
    issuer: str = ""
    audience: str = ""
    posture: Posture = "standard"

    access_token_ttl: Seconds = 900
    id_token_ttl: Seconds = 900
    refresh_token_ttl: Seconds = 2_592_000
    refresh_reuse_grace: Limit = 0
    authorization_code_ttl: Annotated[int, Field(ge=1, le=600)] = 60
    session_ttl: Seconds = 28_800
    access_token_alg: Literal["ES256", "RS256", "EdDSA"] = "ES256"
    strict_password_form: bool = True
    default_client_id: str | None = None

    password_hash_memory_kib: Annotated[int, Field(ge=8, le=4_194_304)] = 19456
    password_hash_time: Annotated[int, Field(ge=1, le=100)] = 2
    password_hash_parallelism: Annotated[int, Field(ge=1, le=16)] = 1
    password_pepper: CommaSeparatedSecrets = []
    password_min_length: Annotated[int, Field(ge=8, le=64)] = 15
    login_queue: Limit = 64
    login_max_failures: Limit = 10
    login_max_failures_per_address: Limit = 100
    login_lockout_seconds: Seconds = 300
    digest_nonce_ttl: Seconds = 300
    unverified_email: bool = False
    login_by_email: bool = False
    api_key_ttl: Seconds = 31_536_000
    api_keys_as_bearer: bool = False
    request_body_limit: Annotated[int, Field(ge=1024)] = 65536

    realm: Annotated[str, Field(pattern=r"^[\x20\x21\x23-\x5b\x5d-\x7e]+$")] = DEFAULT_REALM
    service_name: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"
        ),
    ] = NAME.capitalize()
    metrics: bool = False
    housekeeping: bool = False
    otlp_endpoint: str = ""
    log_format: Literal["json", "text"] | None = None
    forwarded_allow_ips: str = "127.0.0.1"
    cors_origins: CommaSeparated = []
    docs: bool | Literal["login"] | None = None
    docs_client_id: str = "swagger-ui"
    docs_scope: str = ""
    demo_routes: bool | None = None
    allow_demo_on_network: bool = False

    client_registration: Literal["off", "token", "open"] = "off"
    client_registration_schemes: CommaSeparated = []
    client_registration_limit: Limit = 10_000
    client_id_metadata: bool = False

    _issuer_given: bool = PrivateAttr(True)

    @property
    def issuer_given(self) -> bool:
        """Whether the issuer was configured; otherwise it is made up, in development."""
        return self._issuer_given

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network] | None:
        """The networks whose proxies are believed; None if everybody is."""
        if self.forwarded_allow_ips == EVERY_PROXY:
            return None
        return [ip_network(part) for part in self.forwarded_allow_ips.split(",")]

    @property
    def development(self) -> bool:
        """Whether demo data, the built-in secret and http issuers are permitted."""
        return self.environment == "development"

    @property
    def longest_token_ttl(self) -> int:
        """Seconds after which no signed token is good any more."""
        return max(self.access_token_ttl, self.id_token_ttl)

    @property
    def longest_login_ttl(self) -> int:
        """Seconds after which a login is over, whether in a browser or at a client."""
        return max(self.refresh_token_ttl, self.session_ttl)

    @property
    def secret_keys(self) -> list[str]:
        """The secrets that encrypt keys at rest, newest first."""
        return [secret.get_secret_value() for secret in self.secret_key]

    @property
    def password_peppers(self) -> list[str]:
        """The secrets that are mixed into passwords, newest first."""
        return [secret.get_secret_value() for secret in self.password_pepper]

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, value: object) -> object:
        """A value is one line, wherever it comes from."""
        return single_line(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Fill what depends on the environment and refuse what production must not run with."""
        if self.development:
            self.secret_key = self.secret_key or [SecretStr(DEVELOPMENT_SECRET_KEY)]
            self._issuer_given = bool(self.issuer)
            self.issuer = self.issuer or DEVELOPMENT_ISSUER
            if self.default_client_id is None:
                self.default_client_id = "first-party"
        _check_database_url(self)
        _check_hash_cost(self)
        _complete_proxies(self)
        _check_secret_keys(self)
        _check_password_peppers(self)
        _check_issuer(self)
        _check_cors_origins(self)
        _check_otlp_endpoint(self)
        _check_registration_schemes(self)
        self.audience = self.audience or self.issuer
        self.default_client_id = self.default_client_id or ""
        self.docs = self.development if self.docs is None else self.docs
        self.demo_routes = self.development if self.demo_routes is None else self.demo_routes
        self.log_format = self.log_format or ("text" if self.development else "json")
        return self


def _check_database_url(settings: Settings) -> None:
    if not re.match(LOCATION, settings.database_url) or ":memory:" in settings.database_url:
        raise SettingsError(
            "LATCHKEY_DATABASE_URL must be sqlite:///path/to/file or postgresql://user:pw@host/db"
        )
    if unknown := unknown_parameters(settings.database_url):
        raise SettingsError(f"LATCHKEY_DATABASE_URL has a parameter without effect: {unknown[0]}")


def _check_hash_cost(settings: Settings) -> None:
    """RFC 9106, section 3.1: eight blocks of memory for each lane."""
    if settings.password_hash_memory_kib < 8 * settings.password_hash_parallelism:
        raise SettingsError(
            "LATCHKEY_PASSWORD_HASH_MEMORY_KIB must be 8 or more for each of "
            "LATCHKEY_PASSWORD_HASH_PARALLELISM"
        )


def _complete_proxies(settings: Settings) -> None:
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


def _check_secret_keys(settings: Settings) -> None:
    if not settings.secret_key:
        raise SettingsError("LATCHKEY_SECRET_KEY is required: 32 random bytes or more")
    for key in settings.secret_keys:
        if len(key.encode()) < SECRET_KEY_MIN_BYTES:
            raise SettingsError("LATCHKEY_SECRET_KEY is too short: it must have 32 bytes or more")
        if key in PUBLISHED_SECRET_KEYS and not settings.development:
            raise SettingsError("LATCHKEY_SECRET_KEY is a published key: generate 32 random bytes")


def _check_password_peppers(settings: Settings) -> None:
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


def _check_issuer(settings: Settings) -> None:
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


def _check_otlp_endpoint(settings: Settings) -> None:
    if settings.otlp_endpoint and _split_url(settings.otlp_endpoint) is None:
        raise SettingsError(
            "LATCHKEY_OTLP_ENDPOINT must be the http or https URL of a collector, such as "
            "http://127.0.0.1:4318"
        )


def _check_cors_origins(settings: Settings) -> None:
    """RFC 6454, section 6.2: scheme, host and port. No wildcard: name who may call."""
    for origin in settings.cors_origins:
        parts = _split_url(origin)
        if parts is None or origin != f"{parts.scheme}://{parts.netloc}":
            raise SettingsError("LATCHKEY_CORS_ORIGINS must be origins such as https://app.example")


def _check_registration_schemes(settings: Settings) -> None:
    """RFC 3986, section 3.1, without those that run or show what a redirect brings."""
    never = {"http", "javascript", "data", "vbscript", "file", "blob", "about"}
    for scheme in settings.client_registration_schemes:
        if not re.fullmatch(r"[a-z][a-z0-9+.\-]*", scheme) or scheme in never:
            raise SettingsError(
                "LATCHKEY_CLIENT_REGISTRATION_SCHEMES must be schemes such as https,cursor,vscode"
            )


def _refuse_unknown_names() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known.update(PREFIX + name.upper() + IN_A_FILE for name in SECRETS)
    for name in [*os.environ, *dotenv_values(DOTENV)]:
        upper = name.upper()  # in either case it would be read
        if (
            upper.startswith(PREFIX)
            and upper not in known
            and not upper.startswith(INJECTED_BY_KUBERNETES)
        ):
            raise SettingsError(f"{name} is not a setting of {NAME.capitalize()}: see .env.example")


def _read_secret_files() -> dict[str, str]:
    """What the files hold that ``LATCHKEY_…_FILE`` name."""
    given = {name.upper(): value for name, value in {**dotenv_values(DOTENV), **os.environ}.items()}
    found = {}
    for name in SECRETS:
        setting = PREFIX + name.upper()
        if not (file := given.get(setting + IN_A_FILE)):
            continue
        if given.get(setting):
            raise SettingsError(f"{setting} and {setting}{IN_A_FILE} cannot both be set")
        try:
            found[name] = Path(file).read_text()
        except OSError as error:
            raise SettingsError(
                f"{setting}{IN_A_FILE} names a file that cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            raise SettingsError(f"{setting}{IN_A_FILE} names a file that is not UTF-8") from None
    return found


def load_settings() -> Settings:
    """Read the settings of this process.

    Raises :class:`SettingsError`, whose text is one line that never repeats a value.
    """
    _refuse_unknown_names()
    secrets: dict[str, Any] = dict(_read_secret_files())
    try:
        return Settings(**secrets)
    except ValidationError as invalid:
        error = invalid.errors(include_url=False, include_input=False)[0]
        if isinstance(cause := error.get("ctx", {}).get("error"), SettingsError):
            raise cause from None
        name = PREFIX + "_".join(str(part) for part in error["loc"][:1]).upper()
        raise SettingsError(f"{name} is not accepted: {error['msg']}") from None
