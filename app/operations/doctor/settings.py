"""What the settings leave open."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from urllib.parse import urlsplit

from app.posture import Finding, Severity
from app.settings import PUBLISHED_SECRET_KEYS, Settings

HOUR = 3600
DAY = 24 * HOUR

STRONG_HASHES = ((47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5))
"""KiB and passes of Argon2id that cost an attacker the same (OWASP Password Storage)."""

RECOMMENDED_LENGTH = 15
"""Of a password that is the only factor (NIST SP 800-63B-4, section 3.1.1.2)."""

SHORTEST_LOCKOUT = 60
"""Seconds."""

DISTINCT_CHARACTERS = 12
"""Of 32 random bytes, however they are written, fewer are as good as impossible."""

WIDE = {4: 8, 6: 16}
"""By the IP version: the bits of a network that is given to more than one who serves."""

LONGEST_ACCESS_TOKEN = HOUR
LONGEST_ID_TOKEN = HOUR
LONGEST_REFRESH = 90 * DAY
LONGEST_SESSION = DAY
LONGEST_CODE = 60
LONGEST_GRACE = 60
"""Seconds."""


def examine_settings(settings: Settings) -> Iterator[Finding]:
    """What the settings leave open, in the order of ``.env.example``."""
    yield from _deployment(settings)
    yield from _lifetimes(settings)
    yield from _passwords(settings)
    yield from _limits(settings)
    yield from _network(settings)
    yield from _routes(settings)


def _deployment(settings: Settings) -> Iterator[Finding]:
    if settings.development:
        yield Finding(
            Severity.UNSAFE,
            "environment",
            "LATCHKEY_ENVIRONMENT is development",
            "It permits demo data, the built-in secret and http issuers.",
            "Unset it, or set production.",
        )
    if settings.allow_demo_on_network:
        yield Finding(
            Severity.UNSAFE,
            "demo-on-network",
            "LATCHKEY_ALLOW_DEMO_ON_NETWORK is true",
            "Whoever reaches the server may log in with the passwords of the documents.",
            "Unset it.",
        )
    if settings.database_url.startswith("sqlite:"):
        yield Finding(
            Severity.NOTE,
            "sqlite",
            "the database is SQLite",
            "One process writes at a time, and all of them run on the machine that has the file.",
            "For many logins or several machines: LATCHKEY_DATABASE_URL=postgresql://…",
        )
    if PUBLISHED_SECRET_KEYS.intersection(settings.secret_keys):
        yield Finding(
            Severity.UNSAFE,
            "secret-key-published",
            "LATCHKEY_SECRET_KEY holds a key that is printed in documents",
            "With it anybody decrypts the signing keys of a stolen database.",
            "Put 32 random bytes in front of it, restart, take it away, restart.",
        )
    elif any(len(set(key)) < DISTINCT_CHARACTERS for key in settings.secret_keys):
        yield Finding(
            Severity.WARNING,
            "secret-key-weak",
            "LATCHKEY_SECRET_KEY does not look random",
            "Whoever steals the database may guess it, and then signs tokens.",
            "Put 32 random bytes in front of it, restart, take it away, restart.",
        )
    if len(settings.secret_keys) > 1:
        yield Finding(
            Severity.NOTE,
            "secret-key-rotation",
            f"LATCHKEY_SECRET_KEY has {len(settings.secret_keys)} keys",
            "An old one that has leaked is still taken for forms and nonces.",
            "Since the last start everything is encrypted with the first: take the others away.",
        )
    if settings.issuer.startswith("http:"):
        yield Finding(
            Severity.UNSAFE,
            "issuer-http",
            "LATCHKEY_ISSUER is an http URL",
            "Passwords, codes and tokens cross the network in clear (RFC 6749, section 1.6).",
            "Put a proxy with TLS in front, and name its https URL.",
        )


def _lifetimes(settings: Settings) -> Iterator[Finding]:
    for name, value, longest, why in (
        (
            "ACCESS_TOKEN_TTL",
            settings.access_token_ttl,
            LONGEST_ACCESS_TOKEN,
            "Whoever verifies tokens offline trusts a revoked one for that long.",
        ),
        (
            "ID_TOKEN_TTL",
            settings.id_token_ttl,
            LONGEST_ID_TOKEN,
            "A client that is shown an old one takes it for a fresh login for that long.",
        ),
        (
            "REFRESH_TOKEN_TTL",
            settings.refresh_token_ttl,
            LONGEST_REFRESH,
            "A stolen refresh token whose owner never comes back stays good for that long.",
        ),
        (
            "SESSION_TTL",
            settings.session_ttl,
            LONGEST_SESSION,
            "Whoever finds the browser open is logged in for that long.",
        ),
        (
            "AUTHORIZATION_CODE_TTL",
            settings.authorization_code_ttl,
            LONGEST_CODE,
            "A code that leaks from an address can be tried for that long.",
        ),
        (
            "REFRESH_REUSE_GRACE",
            settings.refresh_reuse_grace,
            LONGEST_GRACE,
            "A stolen refresh token can be used beside its owner's for that long.",
        ),
    ):
        if value > longest:
            yield Finding(
                Severity.WARNING,
                name.lower().replace("_", "-"),
                f"LATCHKEY_{name} is {value} seconds",
                why,
                f"Set {longest} or less.",
            )
    if 0 < settings.refresh_reuse_grace <= LONGEST_GRACE:
        yield Finding(
            Severity.NOTE,
            "refresh-reuse-grace",
            f"LATCHKEY_REFRESH_REUSE_GRACE is {settings.refresh_reuse_grace} seconds",
            "In that time a stolen refresh token can be used once more without being noticed.",
            "Set 0 when every client stores what it was answered before it goes on.",
        )


def _passwords(settings: Settings) -> Iterator[Finding]:
    memory, passes = settings.password_hash_memory_kib, settings.password_hash_time
    if not any(memory >= kib and passes >= least for kib, least in STRONG_HASHES):
        yield Finding(
            Severity.UNSAFE,
            "password-hash-cost",
            f"passwords are hashed with {memory} KiB and {passes} passes",
            "Whoever steals the database guesses the passwords of its users quickly.",
            "Set LATCHKEY_PASSWORD_HASH_MEMORY_KIB=19456 and LATCHKEY_PASSWORD_HASH_TIME=2; each "
            "password is hashed anew at its next login.",
        )
    if settings.password_min_length < RECOMMENDED_LENGTH:
        yield Finding(
            Severity.WARNING,
            "password-min-length",
            f"LATCHKEY_PASSWORD_MIN_LENGTH is {settings.password_min_length}",
            "The password is the only factor here (NIST SP 800-63B-4, section 3.1.1.2).",
            f"Set {RECOMMENDED_LENGTH} unless something in front asks for a second factor.",
        )
    if not settings.login_max_failures:
        yield Finding(
            Severity.UNSAFE,
            "login-max-failures",
            "LATCHKEY_LOGIN_MAX_FAILURES is 0",
            "The password of an account may be guessed without end (RFC 6749, section 4.3.2).",
            "Unset it, or set a limit.",
        )
    if not settings.login_max_failures_per_address:
        yield Finding(
            Severity.WARNING,
            "login-max-failures-per-address",
            "LATCHKEY_LOGIN_MAX_FAILURES_PER_ADDRESS is 0",
            "One address may try a few common passwords at every account, and any number of "
            "secrets at every client.",
            "Unset it, or set a limit.",
        )
    if settings.login_lockout_seconds < SHORTEST_LOCKOUT:
        yield Finding(
            Severity.WARNING,
            "login-lockout-seconds",
            f"LATCHKEY_LOGIN_LOCKOUT_SECONDS is {settings.login_lockout_seconds}",
            "The wait begins so short that it takes many more guesses until it holds anybody up.",
            f"Set {SHORTEST_LOCKOUT} or more.",
        )
    if set(settings.password_peppers) & set(settings.secret_keys):
        yield Finding(
            Severity.WARNING,
            "pepper-is-secret-key",
            "LATCHKEY_PASSWORD_PEPPER holds a key of LATCHKEY_SECRET_KEY",
            "Who learns one has both; and whoever rotates the key away takes the passwords along.",
            "Put 32 other random bytes in front of the pepper; each password is hashed anew at its "
            "next login.",
        )


def _limits(settings: Settings) -> Iterator[Finding]:
    """Limits that are so high that they limit little, or nothing."""
    for name, value, most, none, why in (
        (
            "LOGIN_MAX_FAILURES",
            settings.login_max_failures,
            100,
            1000,
            "More than 100 guesses at an account are too many (NIST SP 800-63B-4, section 3.2.2).",
        ),
        (
            "LOGIN_MAX_FAILURES_PER_ADDRESS",
            settings.login_max_failures_per_address,
            1000,
            None,
            "One address may try a few common passwords at very many accounts.",
        ),
        (
            "LOGIN_QUEUE",
            settings.login_queue,
            1000,
            100_000,
            "Logins wait for minutes; whoever sends enough of them keeps everybody else out.",
        ),
        (
            "REQUEST_BODY_LIMIT",
            settings.request_body_limit,
            2**20,
            100 * 2**20,
            "All of a body is kept in memory, before it is known who sends it.",
        ),
    ):
        if value > most:
            yield Finding(
                Severity.UNSAFE if none and value > none else Severity.WARNING,
                name.lower().replace("_", "-"),
                f"LATCHKEY_{name} is {value}",
                why,
                f"Set {most} or less.",
            )


def _reaches_anybody(networks: list[IPv4Network | IPv6Network]) -> bool:
    """Whether they are, together, more than one operator has."""
    together: list[IPv4Network | IPv6Network] = [
        *collapse_addresses(each for each in networks if isinstance(each, IPv4Network)),
        *collapse_addresses(each for each in networks if isinstance(each, IPv6Network)),
    ]
    return any(each.prefixlen < WIDE[each.version] and not each.is_private for each in together)


def _network(settings: Settings) -> Iterator[Finding]:
    proxies = settings.proxies
    if proxies is not None and all(network.is_loopback for network in proxies):
        yield Finding(
            Severity.NOTE,
            "forwarded-loopback",
            "only proxies on this machine are believed",
            "Behind one that runs elsewhere, in another container for example, everybody has its "
            "address and shares one limit on failed logins.",
            "Name its address in LATCHKEY_FORWARDED_ALLOW_IPS, unless it is on this machine.",
        )
    if proxies is None or _reaches_anybody(proxies):
        yield Finding(
            Severity.UNSAFE,
            "forwarded-allow-ips",
            f"LATCHKEY_FORWARDED_ALLOW_IPS is {settings.forwarded_allow_ips}",
            "Whoever reaches the port says themselves which address they come from, and so evades "
            "the limits on failed logins.",
            "Name the addresses of the proxies.",
        )
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            yield Finding(
                Severity.WARNING,
                "cors-http",
                f"LATCHKEY_CORS_ORIGINS has {origin}",
                "Whoever is on the network can change that page and read the tokens it gets.",
                "Serve the application through https, and name that origin.",
            )
    if settings.cors_origins:
        yield Finding(
            Severity.NOTE,
            "cors-origins",
            "browsers may call the token endpoint from " + ", ".join(settings.cors_origins),
            "Their pages get tokens, and a script that is injected there gets them too.",
            "Take away what is no longer used.",
        )


def _routes(settings: Settings) -> Iterator[Finding]:
    if settings.docs:
        yield Finding(
            Severity.NOTE,
            "docs",
            "LATCHKEY_DOCS is true",
            "It tells everybody every route, and invites to type passwords there.",
            "Unset it unless it is meant for those who use the API.",
        )
    if settings.metrics:
        yield Finding(
            Severity.NOTE,
            "metrics",
            "LATCHKEY_METRICS is true",
            "GET /metrics tells whoever asks how many log in and fail, and the ids of clients.",
            "Let the proxy refuse /metrics from outside.",
        )
    if settings.default_client_id:
        yield Finding(
            Severity.NOTE,
            "default-client-id",
            f"requests that name no client count as {settings.default_client_id}",
            "The audit trail cannot tell which application sent them.",
            "Unset LATCHKEY_DEFAULT_CLIENT_ID when every application names itself.",
        )
