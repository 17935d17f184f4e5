"""Settings: their names, their defaults, what they accept."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from app.database.schema import ROOT
from app.settings import DEVELOPMENT_SECRET_KEY, Settings, SettingsError, load_settings
from app.settings.mail import SmtpServer

ISSUER = "https://auth.example.com"
SECRET = "a-secret-key-that-nobody-has-published"
TUTORIAL_KEY = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"

PRODUCTION = {"LATCHKEY_SECRET_KEY": SECRET, "LATCHKEY_ISSUER": ISSUER}
DEVELOPMENT = {"LATCHKEY_ENVIRONMENT": "development"}

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """No setting, and no .env file, but those of the test."""
    for name in list(os.environ):
        if name.upper().startswith("LATCHKEY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def load(environment: Environment, /, *variables: dict[str, str], **more: str) -> Settings:
    """The settings of the given variables; ``more`` are named without the prefix."""
    for name, value in [pair for each in variables for pair in each.items()]:
        environment.setenv(name, value)
    for name, value in more.items():
        environment.setenv("LATCHKEY_" + name.upper(), value)
    return load_settings()


def refusal(environment: Environment, /, *variables: dict[str, str], **more: str) -> str:
    """The line that the start stops with."""
    with pytest.raises(SettingsError) as refused:
        load(environment, *variables, **more)
    line = str(refused.value)
    assert line
    assert "\n" not in line
    return line


# Defaults

DEFAULTS: dict[str, object] = {
    "environment": "production",
    "database_url": "sqlite:///./latchkey.db",
    "issuer": ISSUER,
    "audience": ISSUER,
    "posture": "standard",
    "metrics": False,
    "password_peppers": [],
    "access_token_ttl": 900,
    "refresh_token_ttl": 2_592_000,
    "refresh_reuse_grace": 0,
    "id_token_ttl": 900,
    "authorization_code_ttl": 60,
    "session_ttl": 28_800,
    "access_token_alg": "ES256",
    "strict_password_form": True,
    "default_client_id": "",
    "password_hash_memory_kib": 19456,
    "password_hash_time": 2,
    "password_hash_parallelism": 1,
    "password_min_length": 15,
    "login_queue": 64,
    "request_body_limit": 65536,
    "realm": "latchkey",
    "service_name": "Latchkey",
    "log_format": "json",
    "forwarded_allow_ips": "127.0.0.1/32",
    "cors_origins": [],
    "docs": False,
    "demo_routes": False,
    "docs_client_id": "swagger-ui",
    "allow_demo_on_network": False,
}

DEVELOPMENT_DEFAULTS: dict[str, object] = {
    "environment": "development",
    "issuer": "http://127.0.0.1:8000",
    "audience": "http://127.0.0.1:8000",
    "default_client_id": "first-party",
    "log_format": "text",
    "docs": True,
    "demo_routes": True,
    "secret_keys": [DEVELOPMENT_SECRET_KEY],
}


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_a_setting_has_the_default_that_is_documented(
    environment: Environment, name: str, value: object
) -> None:
    assert getattr(load(environment, PRODUCTION), name) == value


@pytest.mark.parametrize(("name", "value"), DEVELOPMENT_DEFAULTS.items(), ids=DEVELOPMENT_DEFAULTS)
def test_development_has_defaults_of_its_own(
    environment: Environment, name: str, value: object
) -> None:
    assert getattr(load(environment, DEVELOPMENT), name) == value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("database_url", "postgresql://user:pw@host/db", "postgresql://user:pw@host/db"),
        ("audience", "https://api.example.com", "https://api.example.com"),
        ("posture", "oauth21", "oauth21"),
        ("access_token_ttl", "60", 60),
        ("access_token_alg", "EdDSA", "EdDSA"),
        ("strict_password_form", "false", False),
        ("default_client_id", "app", "app"),
        ("password_min_length", "8", 8),
        ("login_queue", "0", 0),
        ("realm", "my realm", "my realm"),
        ("service_name", " Wonderland Accounts ", "Wonderland Accounts"),
        ("service_name", "Café ☕", "Café ☕"),
        ("log_format", "text", "text"),
        ("docs", "true", True),
        ("demo_routes", "true", True),
        ("cors_origins", "https://a.example", ["https://a.example"]),
        (
            "cors_origins",
            " https://a.example,,http://b.example:8080 ,",
            ["https://a.example", "http://b.example:8080"],
        ),
    ],
)
def test_a_setting_is_read_from_the_environment(
    environment: Environment, name: str, given: str, value: object
) -> None:
    assert getattr(load(environment, PRODUCTION, **{name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("default_client_id", "", ""),
        ("docs", "false", False),
        ("demo_routes", "false", False),
        ("log_format", "json", "json"),
    ],
)
def test_a_default_of_development_can_be_switched_off(
    environment: Environment, name: str, given: str, value: object
) -> None:
    assert getattr(load(environment, DEVELOPMENT, **{name: given}), name) == value


def test_a_setting_is_read_from_a_dotenv_file(environment: Environment) -> None:
    Path(".env").write_text("LATCHKEY_REALM=from the file\n")
    assert load(environment, PRODUCTION).realm == "from the file"


def test_the_environment_wins_over_the_dotenv_file(environment: Environment) -> None:
    Path(".env").write_text("LATCHKEY_REALM=from the file\n")
    assert load(environment, PRODUCTION, realm="from outside").realm == "from outside"


# Names


@pytest.mark.parametrize(
    "name",
    ["LATCHKEY_ISUER", "LATCHKEY_", "LATCHKEY_REALM_", "LATCHKEY_SERVICE_NAMES", "latchkey_x"],
)
def test_an_unknown_name_in_the_environment_stops_the_start(
    environment: Environment, name: str
) -> None:
    line = refusal(environment, PRODUCTION, {name: "a-value"})
    assert line == f"{name} is not a setting of Latchkey: see .env.example"


def test_an_unknown_name_in_the_dotenv_file_stops_the_start(environment: Environment) -> None:
    Path(".env").write_text("LATCHKEY_ISUER=a-value\n")
    line = refusal(environment, PRODUCTION)
    assert line == "LATCHKEY_ISUER is not a setting of Latchkey: see .env.example"


@pytest.mark.parametrize(
    "name",
    [
        "LATCHKEY_PORT",
        "LATCHKEY_PORT_8000_TCP",
        "LATCHKEY_PORT_8000_TCP_ADDR",
        "LATCHKEY_SERVICE_HOST",
        "LATCHKEY_SERVICE_PORT_HTTP",
    ],
)
def test_names_that_kubernetes_injects_are_left_alone(environment: Environment, name: str) -> None:
    assert load(environment, PRODUCTION, {name: "tcp://10.0.0.1:8000"}).issuer == ISSUER


@pytest.mark.parametrize("name", ["OTHER_SETTING", "XLATCHKEY_REALM", "REALM"])
def test_names_of_other_programs_are_left_alone(environment: Environment, name: str) -> None:
    Path(".env").write_text(f"{name}=a-value\n")
    assert load(environment, PRODUCTION, {name: "a-value"}).realm == "latchkey"


# Values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "sentinel"),
        ("posture", "sentinel"),
        ("access_token_ttl", "sentinel"),
        ("access_token_ttl", "0"),
        ("access_token_ttl", "-17"),
        ("access_token_ttl", "1.5"),
        ("refresh_token_ttl", "9999999999999"),
        ("login_lockout_seconds", "99999999999999999"),
        ("password_hash_time", "99999999999"),
        ("access_token_alg", "HS256"),
        ("access_token_alg", "none"),
        ("strict_password_form", "sentinel"),
        ("password_hash_memory_kib", "7"),
        ("password_hash_time", "0"),
        ("password_hash_parallelism", "17"),
        ("password_min_length", "7"),
        ("password_min_length", "65"),
        ("login_queue", "-1"),
        ("request_body_limit", "1023"),
        ("realm", ""),
        ("realm", 'sentinel"'),
        ("realm", "sentinel\\"),
        ("realm", "sentinel é"),
        ("realm", "sentinel 🔑"),
        ("service_name", ""),
        ("service_name", " "),
        ("service_name", "sentinel\nsentinel"),
        ("service_name", "sentinel" * 11),
        ("log_format", "sentinel"),
        ("docs", "sentinel"),
        ("demo_routes", "sentinel"),
    ],
)
def test_a_bad_value_stops_the_start_with_a_line_that_names_the_setting_alone(
    environment: Environment, name: str, value: str
) -> None:
    line = refusal(environment, PRODUCTION, **{name: value})
    assert re.match(rf"LATCHKEY_{name.upper()} is not accepted: \S", line)
    assert "sentinel" not in line


@pytest.mark.parametrize(
    "url",
    [
        "sentinel",
        "mysql://sentinel",
        "sqlite://",
        "sqlite:///",
        "sqlite://sentinel",
        "sqlite:///:memory:",
        "postgresql://",
    ],
)
def test_what_is_no_file_and_no_server_is_no_database(environment: Environment, url: str) -> None:
    line = refusal(environment, PRODUCTION, database_url=url)
    assert line == (
        "LATCHKEY_DATABASE_URL must be sqlite:///path/to/file or postgresql://user:pw@host/db"
    )


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("h1:5432,h2:5432/x", "names several hosts: write them as ?host=a&host=b"),
        ("h1,h2/x", "names several hosts: write them as ?host=a&host=b"),
        ("host:port/x", "has a port that is not a number between 1 and 65535"),
        ("host:65536/x", "has a port that is not a number between 1 and 65535"),
        ("[::1/x", "has an IPv6 address without its closing bracket"),
        ("host/x?connect_timeout=abc", "has a connect_timeout that is not a number of seconds"),
        ("host/x?connect_timeout=-1", "has a connect_timeout that is not a number of seconds"),
        ("?sentinel@host/x", "has a ? before its host: in a password it is written %3F"),
        ("?sentinel=x@host/x", "has a ? before its host: in a password it is written %3F"),
    ],
)
def test_a_malformed_url_of_a_database_is_refused_without_its_password(
    environment: Environment, address: str, fault: str
) -> None:
    separator = "" if address.startswith("?") else "@"
    url = f"postgresql://user:sentinel{separator}{address}"
    line = refusal(environment, PRODUCTION, database_url=url)
    assert line == f"LATCHKEY_DATABASE_URL {fault}"


@pytest.mark.parametrize(
    "address",
    [
        "host/x",
        "host:5432/x",
        "host:/x",
        "[::1]/x",
        "[::1]:5432/x",
        "/x?host=a:5432&host=b:5432",
        "/x?host=a,b",
        "host/x?connect_timeout=10",
        "host/x?connect_timeout=",
    ],
)
def test_other_urls_of_databases_are_accepted(environment: Environment, address: str) -> None:
    url = f"postgresql://user:p/w,d:e@{address}"
    assert load(environment, PRODUCTION, database_url=url).database_url == url


def test_the_memory_of_a_hash_must_be_enough_for_its_lanes(environment: Environment) -> None:
    changes = {"password_hash_memory_kib": "127", "password_hash_parallelism": "16"}
    assert refusal(environment, PRODUCTION, **changes) == (
        "LATCHKEY_PASSWORD_HASH_MEMORY_KIB must be 8 or more for each of "
        "LATCHKEY_PASSWORD_HASH_PARALLELISM"
    )


@pytest.mark.parametrize(
    ("proxies", "understood"),
    [
        ("*", "*"),
        (" * ", "*"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("10.0.0.0/8, 2001:db8::1", "10.0.0.0/8,2001:db8::1/128"),
        ("127.0.0.1/8", "127.0.0.0/8"),
        ("10.1.2.3/255.255.0.0,2001:DB8::1/32", "10.1.0.0/16,2001:db8::/32"),
    ],
)
def test_proxies_are_addresses_networks_or_all(
    environment: Environment, proxies: str, understood: str
) -> None:
    settings = load(environment, PRODUCTION, forwarded_allow_ips=proxies)
    assert settings.forwarded_allow_ips == understood


@pytest.mark.parametrize("proxies", ["sentinel", "", "10.0.0.1,sentinel", "10.0.0.0/33", "::1,*"])
def test_what_is_no_address_is_no_proxy(environment: Environment, proxies: str) -> None:
    line = refusal(environment, PRODUCTION, forwarded_allow_ips=proxies)
    assert (
        line
        == "LATCHKEY_FORWARDED_ALLOW_IPS must be addresses and networks separated by commas, or *"
    )


def test_the_line_says_what_is_accepted(environment: Environment) -> None:
    line = refusal(environment, PRODUCTION, access_token_alg="HS256")
    assert line == (
        "LATCHKEY_ACCESS_TOKEN_ALG is not accepted: Input should be 'ES256', 'RS256' or 'EdDSA'"
    )


def test_a_secret_is_not_shown_when_settings_are_printed(environment: Environment) -> None:
    settings = load(environment, PRODUCTION)
    assert SECRET not in f"{settings!r} {settings}"


def test_a_short_pepper_is_refused(environment: Environment) -> None:
    line = refusal(environment, PRODUCTION, password_pepper=f"{SECRET},{'x' * 31}")
    assert line == "LATCHKEY_PASSWORD_PEPPER is too short: it must have 32 bytes or more"


def test_several_peppers_are_separated_by_commas_newest_first(environment: Environment) -> None:
    settings = load(environment, PRODUCTION, password_pepper=f"{SECRET}, {TUTORIAL_KEY}")
    assert settings.password_peppers == [SECRET, TUTORIAL_KEY]


# The secret key


def test_production_needs_a_secret_key(environment: Environment) -> None:
    line = refusal(environment, issuer=ISSUER)
    assert line == "LATCHKEY_SECRET_KEY is required: 32 random bytes or more"


@pytest.mark.parametrize("keys", ["", " ", ",", " , "])
def test_an_empty_secret_key_counts_as_none(environment: Environment, keys: str) -> None:
    line = refusal(environment, issuer=ISSUER, secret_key=keys)
    assert line == "LATCHKEY_SECRET_KEY is required: 32 random bytes or more"


@pytest.mark.parametrize("published", [DEVELOPMENT_SECRET_KEY, TUTORIAL_KEY])
@pytest.mark.parametrize("keys", ["{}", SECRET + ",{}"], ids=["alone", "after a good one"])
def test_production_refuses_published_secret_keys(
    environment: Environment, published: str, keys: str
) -> None:
    line = refusal(environment, issuer=ISSUER, secret_key=keys.format(published))
    assert line == "LATCHKEY_SECRET_KEY is a published key: generate 32 random bytes"


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param("x" * 31, id="31 bytes"),
        pytest.param("é" * 15, id="30 bytes of UTF-8"),
        pytest.param(SECRET + "," + "x" * 31, id="second of two"),
    ],
)
@pytest.mark.parametrize("place", ["production", "development"])
def test_a_short_secret_key_is_refused(environment: Environment, place: str, keys: str) -> None:
    line = refusal(environment, environment=place, issuer=ISSUER, secret_key=keys)
    assert line == "LATCHKEY_SECRET_KEY is too short: it must have 32 bytes or more"


@pytest.mark.parametrize("key", ["x" * 32, "é" * 16], ids=["ASCII", "UTF-8"])
def test_a_secret_key_of_32_bytes_is_accepted(environment: Environment, key: str) -> None:
    assert load(environment, issuer=ISSUER, secret_key=key).secret_keys == [key]


def test_several_secret_keys_are_separated_by_commas_newest_first(
    environment: Environment,
) -> None:
    settings = load(environment, issuer=ISSUER, secret_key=f" {SECRET}-2 , {SECRET}-1,")
    assert settings.secret_keys == [f"{SECRET}-2", f"{SECRET}-1"]


# The issuer


def test_production_needs_an_issuer(environment: Environment) -> None:
    line = refusal(environment, secret_key=SECRET)
    assert line == "LATCHKEY_ISSUER is required: the https URL of this server"


@pytest.mark.parametrize(
    "issuer",
    [
        "https://auth.example.com",
        "https://auth.example.com:8443",
        "https://auth.example.com/tenant/one",
        "https://[2001:db8::1]:8443",
    ],
)
def test_an_https_url_is_an_issuer(environment: Environment, issuer: str) -> None:
    assert load(environment, secret_key=SECRET, issuer=issuer).issuer == issuer


@pytest.mark.rfc("6749", "2.3.1", 6)
@pytest.mark.rfc("6749", "3.1", 3)
@pytest.mark.rfc("6749", "3.2", 2)
@pytest.mark.rfc("6749", "10.3", 2)
@pytest.mark.rfc("6749", "10.8", 1)
@pytest.mark.rfc("6749", "10.11")
@pytest.mark.rfc("6750", "5.2", 5)
@pytest.mark.rfc("7009", "2", 3)
@pytest.mark.rfc("7591", "3", 1)
@pytest.mark.rfc("7592", "2", 1)
@pytest.mark.rfc("7662", "2")
@pytest.mark.rfc("8414", "2", 1)
@pytest.mark.rfc("8414", "3", 3)
@pytest.mark.rfc("8414", "3.1", 2)
@pytest.mark.rfc("8414", "6.1", 1)
@pytest.mark.rfc("9207", "2", 2)
@pytest.mark.rfc("9728", "2", 1)
@pytest.mark.rfc("openid-connect-core", "2", 2)
@pytest.mark.rfc("openid-connect-core", "3.1.2")
@pytest.mark.rfc("openid-connect-core", "3.1.3")
@pytest.mark.rfc("openid-connect-core", "5.3", 1)
@pytest.mark.rfc("openid-connect-core", "16.17")
@pytest.mark.rfc("openid-connect-discovery", "3", 25)
@pytest.mark.rfc("openid-connect-discovery", "4.1", 2)
@pytest.mark.rfc("openid-connect-discovery", "7.1", 1)
@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param("http://auth.example.com", id="http"),
        pytest.param("http://127.0.0.1:8000", id="http on loopback"),
        pytest.param("HTTPS://auth.example.com", id="another spelling"),
        pytest.param("auth.example.com", id="no scheme"),
        pytest.param("//auth.example.com", id="no scheme but slashes"),
        pytest.param("https://", id="no host"),
        pytest.param("https:///path", id="path only"),
        pytest.param("https://[::1", id="bracket not closed"),
        pytest.param("https://auth.example.com:port", id="port is a word"),
        pytest.param("https://auth.example.com:99999", id="port out of range"),
        pytest.param("ftp://auth.example.com", id="ftp"),
        pytest.param("https://auth.example.com/", id="final slash"),
        pytest.param("https://auth.example.com/tenant/", id="path with a final slash"),
        pytest.param("https://auth.example.com?tenant=1", id="query"),
        pytest.param("https://auth.example.com?", id="empty query"),
        pytest.param("https://auth.example.com#part", id="fragment"),
        pytest.param("https://auth.example.com#", id="empty fragment"),
        pytest.param("https://user@auth.example.com", id="user"),
        pytest.param("https://user:pw@auth.example.com", id="password"),
        pytest.param("https://@auth.example.com", id="empty user"),
        pytest.param("https://auth example.com", id="space"),
        pytest.param("https://auth.example.com/\n", id="newline"),
        pytest.param('https://auth.example.com/"', id="quote"),
        pytest.param("https://auth.example.com/é", id="not ASCII"),
    ],
)
def test_what_is_no_https_url_of_a_server_is_no_issuer(
    environment: Environment, issuer: str
) -> None:
    line = refusal(environment, secret_key=SECRET, issuer=issuer)
    assert line.startswith("LATCHKEY_ISSUER must be a URL ")
    assert "auth" not in line


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9000", "http://localhost:8000", ISSUER])
def test_development_takes_an_http_issuer_too(environment: Environment, issuer: str) -> None:
    assert load(environment, DEVELOPMENT, issuer=issuer).issuer == issuer


@pytest.mark.parametrize("issuer", ["ftp://127.0.0.1", "http://127.0.0.1/", "127.0.0.1:8000"])
def test_development_takes_no_other_issuer(environment: Environment, issuer: str) -> None:
    line = refusal(environment, DEVELOPMENT, issuer=issuer)
    assert line.startswith("LATCHKEY_ISSUER must be a URL ")


# Origins of browsers


@pytest.mark.parametrize(
    "origins",
    [
        pytest.param("*", id="wildcard"),
        pytest.param("https://*", id="wildcard host"),
        pytest.param("null", id="null"),
        pytest.param("app.example", id="no scheme"),
        pytest.param("https://", id="no host"),
        pytest.param("https://app.example/", id="path"),
        pytest.param("https://app.example?", id="query"),
        pytest.param("https://user@app.example", id="user"),
        pytest.param("https://[::1", id="bracket not closed"),
        pytest.param("chrome-extension://abc", id="another scheme"),
        pytest.param("https://good.example,app.example", id="second of two"),
    ],
)
def test_what_is_no_origin_is_refused(environment: Environment, origins: str) -> None:
    line = refusal(environment, PRODUCTION, cors_origins=origins)
    assert line == "LATCHKEY_CORS_ORIGINS must be origins such as https://app.example"


# Mail


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtps://mail.example.com", SmtpServer("mail.example.com", 465, "tls")),
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://localhost:25", SmtpServer("localhost", 25, "none")),
        ("smtp://127.0.0.1:25?starttls=required", SmtpServer("127.0.0.1", 25, "starttls")),
        ("smtp://relay.internal:25?starttls=off", SmtpServer("relay.internal", 25, "none")),
        (
            "smtps://me%40example.com:a%2Fb%3A%40@mail.example.com:2465",
            SmtpServer("mail.example.com", 2465, "tls", "me@example.com", "a/b:@"),
        ),
    ],
)
def test_a_mail_server_is_reached_as_its_url_says(
    environment: Environment, url: str, server: SmtpServer
) -> None:
    assert load(environment, PRODUCTION, smtp_url=url, mail_from="a@b.c").smtp_server == server


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com:587",
        "https://mail.example.com",
        "smtp://",
        "smtp://mail.example.com:port",
        "smtp://mail.example.com/path",
        "smtp://user@mail.example.com",
        "smtp://mail.example.com?starttls=maybe",
        "smtp://mail.example.com?tls=off",
        "smtps://mail.example.com?starttls=off",
    ],
)
def test_what_is_no_mail_server_is_refused_without_being_repeated(
    environment: Environment, url: str
) -> None:
    line = refusal(environment, PRODUCTION, smtp_url=url, mail_from="a@example.com")
    assert line.startswith("LATCHKEY_SMTP_URL must be smtps://user:password@host or ")
    assert "mail.example.com" not in line


@pytest.mark.parametrize("sender", ["nobody", "a@b.example, c@d.example", "Ex, Inc <a@b.example>"])
def test_a_sender_of_mail_is_one_address(environment: Environment, sender: str) -> None:
    line = refusal(environment, PRODUCTION, mail_from=sender)
    assert line.startswith("LATCHKEY_MAIL_FROM must be an address such as no-reply@example.com")


def test_a_mail_server_needs_a_sender(environment: Environment) -> None:
    line = refusal(environment, PRODUCTION, smtp_url="smtps://mail.example.com")
    assert line == "LATCHKEY_MAIL_FROM is required with LATCHKEY_SMTP_URL"


# The example file


def documented() -> dict[str, str]:
    """Names and values of ``.env.example``, whether they are commented out or not."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?\s*(LATCHKEY_[A-Z_]+)=(.*)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def test_the_example_file_names_every_setting_and_nothing_else() -> None:
    assert sorted(documented()) == sorted("LATCHKEY_" + n.upper() for n in Settings.model_fields)


def as_written(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, list):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_example_file_gives_the_default_of_production(name: str) -> None:
    default = Settings.model_fields[name].get_default()
    completed = DEFAULTS.get(name, default) if default is None else default
    assert documented().get("LATCHKEY_" + name.upper()) == as_written(completed)


def test_the_example_file_can_be_copied_as_it_is(environment: Environment) -> None:
    Path(".env").write_text((ROOT / ".env.example").read_text())
    assert load(environment, PRODUCTION).issuer == ISSUER


# Secrets in files


def in_a_file(folder: Path, text: str) -> str:
    file = folder / "secret"
    file.write_text(text)
    return str(file)


def test_a_secret_can_be_in_a_file(environment: Environment, tmp_path: Path) -> None:
    file = in_a_file(tmp_path, f"{SECRET},{SECRET}-of-before\n")
    settings = load(environment, secret_key_file=file, issuer=ISSUER)
    assert settings.secret_keys == [SECRET, f"{SECRET}-of-before"]


def test_the_database_the_pepper_and_the_mail_server_can_be_in_files(
    environment: Environment, tmp_path: Path
) -> None:
    url = "postgresql://user:password@host/database"
    pepper = f"{SECRET}-for-passwords"
    mail = "smtps://user:password@host\n"
    for name, value in (("database_url", url), ("password_pepper", pepper), ("smtp_url", mail)):
        (tmp_path / name).write_text(value)
        environment.setenv(f"LATCHKEY_{name.upper()}_FILE", str(tmp_path / name))
    settings = load(environment, PRODUCTION, mail_from="a@b.c")
    assert (settings.database_url, settings.password_peppers) == (url, [pepper])
    assert settings.smtp_server == SmtpServer("host", 465, "tls", "user", "password")


def test_a_secret_is_not_given_twice(environment: Environment, tmp_path: Path) -> None:
    line = refusal(environment, PRODUCTION, secret_key_file=in_a_file(tmp_path, SECRET))
    assert line == "LATCHKEY_SECRET_KEY and LATCHKEY_SECRET_KEY_FILE cannot both be set"


def test_a_secret_file_that_cannot_be_read_is_named_without_its_path(
    environment: Environment, tmp_path: Path
) -> None:
    line = refusal(environment, issuer=ISSUER, secret_key_file=str(tmp_path / "nothing"))
    assert line == (
        "LATCHKEY_SECRET_KEY_FILE names a file that cannot be read: No such file or directory"
    )


def test_a_file_that_is_too_long_to_be_a_secret_is_not_read(
    environment: Environment, tmp_path: Path
) -> None:
    longest = in_a_file(tmp_path, "a" * 65_536)
    assert load(environment, issuer=ISSUER, secret_key_file=longest).secret_keys == ["a" * 65_536]
    line = refusal(environment, issuer=ISSUER, secret_key_file=in_a_file(tmp_path, "a" * 65_537))
    assert line == "LATCHKEY_SECRET_KEY_FILE names a file of more than 65536 characters"


def test_what_is_no_secret_is_not_read_from_a_file(environment: Environment) -> None:
    line = refusal(environment, PRODUCTION, realm_file="/dev/null")
    assert line == "LATCHKEY_REALM_FILE is not a setting of Latchkey: see .env.example"
