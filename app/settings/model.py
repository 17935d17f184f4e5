"""The settings, with their defaults: see ``.env.example`` for what each means."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app import IDENTIFIER, NAME, TITLE
from app.look import Look
from app.posture import Posture
from app.settings.checks import EVERY_PROXY, complete
from app.settings.mail import SmtpServer, parse_smtp_url
from app.settings.single_line import single_line

PREFIX = f"{IDENTIFIER.upper()}_"
DOTENV = ".env"

DEFAULT_REALM = "latchkey"
"""Not the name of the service: a Digest credential holds for one realm (RFC 7616, section 3.4.2),
so those that are stored would be void under another.
"""


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split_commas)]
CommaSeparatedSecrets = Annotated[list[SecretStr], NoDecode, BeforeValidator(_split_commas)]
TEN_YEARS = 10 * 365 * 24 * 3600
Seconds = Annotated[int, Field(ge=1, le=TEN_YEARS)]
Limit = Annotated[int, Field(ge=0, le=1_000_000)]


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
    app_password_ttl: Seconds = 31_536_000
    reauthentication_age: Seconds = 300
    passkeys: bool = True
    request_body_limit: Annotated[int, Field(ge=1024)] = 65536

    realm: Annotated[str, Field(pattern=r"^[\x20\x21\x23-\x5b\x5d-\x7e]+$")] = DEFAULT_REALM
    service_name: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"
        ),
    ] = TITLE
    theme_dir: str = ""
    terms_url: str = ""
    privacy_url: str = ""
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

    smtp_url: SecretStr = SecretStr("")
    mail_from: str = ""

    registration: Literal["closed", "invitation", "open"] = "closed"
    registration_domains: CommaSeparated = []
    registration_scopes: CommaSeparated = [
        "openid",
        "profile",
        "email",
        "offline_access",
        "account",
    ]

    mfa: Literal["off", "optional", "required"] = "optional"

    account_deletion: Literal["off", "on"] = "off"
    account_deletion_grace: Annotated[int, Field(ge=0, le=365)] = 14

    client_registration: Literal["off", "token", "open"] = "off"
    client_registration_schemes: CommaSeparated = []
    client_registration_limit: Limit = 10_000
    client_id_metadata: bool = False

    _issuer_given: bool = PrivateAttr(True)
    _look: Look = PrivateAttr()

    @property
    def issuer_given(self) -> bool:
        """Whether the issuer was configured; otherwise it is made up, in development."""
        return self._issuer_given

    @property
    def look(self) -> Look:
        """What the pages and the mails show of this deployment, as it was at the start."""
        return self._look

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
    def smtp_server(self) -> SmtpServer | None:
        """The mail server; without one, development shows mails and production sends none."""
        url = self.smtp_url.get_secret_value()
        return parse_smtp_url(url) if url else None

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
        complete(self)
        return self
