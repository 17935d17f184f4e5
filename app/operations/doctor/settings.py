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
            "It allows demo data, the built-in secret and http issuers.",
            "Unset it, or set it to production.",
        )
    if settings.allow_demo_on_network:
        yield Finding(
            Severity.UNSAFE,
            "demo-on-network",
            "LATCHKEY_ALLOW_DEMO_ON_NETWORK is true",
            "Anyone who can reach the server can log in with the documented passwords.",
            "Unset it.",
        )
    if settings.database_url.startswith("sqlite:"):
        yield Finding(
            Severity.NOTE,
            "sqlite",
            "the database is SQLite",
            "One process writes at a time, and all of them must run on the machine with the file.",
            "For many logins or several machines, set LATCHKEY_DATABASE_URL=postgresql://…",
        )
    if PUBLISHED_SECRET_KEYS.intersection(settings.secret_keys):
        yield Finding(
            Severity.UNSAFE,
            "secret-key-published",
            "LATCHKEY_SECRET_KEY holds a key that is published in the documentation",
            "Anyone can use it to decrypt the signing keys of a stolen database.",
            "Put 32 random bytes in front of it, restart, remove it, restart.",
        )
    elif any(len(set(key)) < DISTINCT_CHARACTERS for key in settings.secret_keys):
        yield Finding(
            Severity.WARNING,
            "secret-key-weak",
            "LATCHKEY_SECRET_KEY does not look random",
            "Anyone who steals the database may guess it, and then sign tokens.",
            "Put 32 random bytes in front of it, restart, remove it, restart.",
        )
    if len(settings.secret_keys) > 1:
        yield Finding(
            Severity.NOTE,
            "secret-key-rotation",
            f"LATCHKEY_SECRET_KEY has {len(settings.secret_keys)} keys",
            "An old one that has leaked is still accepted for forms and nonces.",
            "Since the last start, everything is encrypted with the first: remove the others.",
        )
    if settings.unverified_email:
        yield Finding(
            Severity.WARNING,
            "unverified-email",
            "LATCHKEY_UNVERIFIED_EMAIL is true",
            "Users can type in anybody's address, and applications that know people by their "
            "address log them in as somebody else.",
            "Unset it, and mark the addresses that are known with `latchkey users update NAME "
            "--email-verified`.",
        )
    if settings.issuer.startswith("http:"):
        yield Finding(
            Severity.UNSAFE,
            "issuer-http",
            "LATCHKEY_ISSUER is an http URL",
            "Passwords, codes and tokens cross the network in plaintext (RFC 6749, section 1.6).",
            "Put a TLS proxy in front, and set its https URL.",
        )


def _lifetimes(settings: Settings) -> Iterator[Finding]:
    for name, value, longest, why in (
        (
            "ACCESS_TOKEN_TTL",
            settings.access_token_ttl,
            LONGEST_ACCESS_TOKEN,
            "Anything that verifies tokens offline trusts a revoked one for that long.",
        ),
        (
            "ID_TOKEN_TTL",
            settings.id_token_ttl,
            LONGEST_ID_TOKEN,
            "A client that is given an old one takes it for a fresh login for that long.",
        ),
        (
            "REFRESH_TOKEN_TTL",
            settings.refresh_token_ttl,
            LONGEST_REFRESH,
            "A stolen refresh token whose owner never comes back stays valid for that long.",
        ),
        (
            "SESSION_TTL",
            settings.session_ttl,
            LONGEST_SESSION,
            "Anyone who finds the browser open is logged in for that long.",
        ),
        (
            "AUTHORIZATION_CODE_TTL",
            settings.authorization_code_ttl,
            LONGEST_CODE,
            "A code that leaks from a URL can be tried for that long.",
        ),
        (
            "REFRESH_REUSE_GRACE",
            settings.refresh_reuse_grace,
            LONGEST_GRACE,
            "A stolen refresh token can be used alongside its owner's for that long.",
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
            "In that time, a stolen refresh token can be used once more without being noticed.",
            "Set 0 once every client stores the response before it continues.",
        )


def _passwords(settings: Settings) -> Iterator[Finding]:
    memory, passes = settings.password_hash_memory_kib, settings.password_hash_time
    if not any(memory >= kib and passes >= least for kib, least in STRONG_HASHES):
        yield Finding(
            Severity.UNSAFE,
            "password-hash-cost",
            f"passwords are hashed with {memory} KiB and {passes} passes",
            "Anyone who steals the database can guess its users' passwords quickly.",
            "Set LATCHKEY_PASSWORD_HASH_MEMORY_KIB=19456 and LATCHKEY_PASSWORD_HASH_TIME=2; each "
            "password is rehashed at its next login.",
        )
    # With a second factor eight characters are enough, which is the least that can be set.
    if settings.password_min_length < RECOMMENDED_LENGTH and settings.mfa != "required":
        yield Finding(
            Severity.WARNING,
            "password-min-length",
            f"LATCHKEY_PASSWORD_MIN_LENGTH is {settings.password_min_length}",
            "The password may be the only factor (NIST SP 800-63B-4, section 3.1.1.2).",
            f"Set {RECOMMENDED_LENGTH}, or LATCHKEY_MFA=required, unless something in front asks "
            "for a second factor.",
        )
    if not settings.login_max_failures:
        yield Finding(
            Severity.UNSAFE,
            "login-max-failures",
            "LATCHKEY_LOGIN_MAX_FAILURES is 0",
            "An account's password can be guessed without limit (RFC 6749, section 4.3.2).",
            "Unset it, or set a limit.",
        )
    if not settings.login_max_failures_per_address:
        yield Finding(
            Severity.WARNING,
            "login-max-failures-per-address",
            "LATCHKEY_LOGIN_MAX_FAILURES_PER_ADDRESS is 0",
            "One address can try a few common passwords on every account, and any number of "
            "secrets on every client.",
            "Unset it, or set a limit.",
        )
    if settings.login_lockout_seconds < SHORTEST_LOCKOUT:
        yield Finding(
            Severity.WARNING,
            "login-lockout-seconds",
            f"LATCHKEY_LOGIN_LOCKOUT_SECONDS is {settings.login_lockout_seconds}",
            "The first wait is so short that many more guesses fit in before it slows anyone down.",
            f"Set {SHORTEST_LOCKOUT} or more.",
        )
    if set(settings.password_peppers) & set(settings.secret_keys):
        yield Finding(
            Severity.WARNING,
            "pepper-is-secret-key",
            "LATCHKEY_PASSWORD_PEPPER holds a key of LATCHKEY_SECRET_KEY",
            "Anyone who learns one has both, and rotating the key out loses the passwords with it.",
            "Put 32 other random bytes in front of the pepper; each password is rehashed at its "
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
            "More than 100 guesses per account are too many (NIST SP 800-63B-4, section 3.2.2).",
        ),
        (
            "LOGIN_MAX_FAILURES_PER_ADDRESS",
            settings.login_max_failures_per_address,
            1000,
            None,
            "One address can try a few common passwords on very many accounts.",
        ),
        (
            "LOGIN_QUEUE",
            settings.login_queue,
            1000,
            100_000,
            "Logins wait for minutes; anyone who sends enough of them locks everyone else out.",
        ),
        (
            "REQUEST_BODY_LIMIT",
            settings.request_body_limit,
            2**20,
            100 * 2**20,
            "The whole body is kept in memory before the sender is known.",
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
            "only proxies on this machine are trusted",
            "Behind one that runs elsewhere, such as in another container, everyone has its "
            "address and shares one limit on failed logins.",
            "List its address in LATCHKEY_FORWARDED_ALLOW_IPS, unless it is on this machine.",
        )
    if proxies is None or _reaches_anybody(proxies):
        yield Finding(
            Severity.UNSAFE,
            "forwarded-allow-ips",
            f"LATCHKEY_FORWARDED_ALLOW_IPS is {settings.forwarded_allow_ips}",
            "Anyone who can reach the port can claim any address, and so evade the limits on "
            "failed logins.",
            "List the addresses of the proxies.",
        )
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            yield Finding(
                Severity.WARNING,
                "cors-http",
                f"LATCHKEY_CORS_ORIGINS has {origin}",
                "Anyone on the network can change that page and read the tokens it gets.",
                "Serve the application over https, and list that origin.",
            )
    if settings.cors_origins:
        yield Finding(
            Severity.NOTE,
            "cors-origins",
            "browsers may call the token endpoint from " + ", ".join(settings.cors_origins),
            "Pages there get tokens, and so does a script injected into them.",
            "Remove origins that are no longer used.",
        )


def _routes(settings: Settings) -> Iterator[Finding]:
    if settings.docs is True:
        yield Finding(
            Severity.NOTE,
            "docs",
            "LATCHKEY_DOCS is true",
            "It shows everyone every route, and invites them to type passwords there.",
            "Unset it, or set it to login, unless it is meant for everyone.",
        )
    if settings.metrics:
        yield Finding(
            Severity.NOTE,
            "metrics",
            "LATCHKEY_METRICS is true",
            "GET /metrics tells anyone who asks how many logins succeed and fail, and client ids.",
            "Make the proxy block /metrics from outside.",
        )
    if settings.default_client_id:
        yield Finding(
            Severity.NOTE,
            "default-client-id",
            f"requests that name no client are attributed to {settings.default_client_id}",
            "The audit trail cannot tell which application sent them.",
            "Unset LATCHKEY_DEFAULT_CLIENT_ID once every application names itself.",
        )
