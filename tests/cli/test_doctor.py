"""``latchkey doctor``: what a deployment leaves open."""

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import insert, update
from typer.testing import CliRunner

from app.__main__ import cli
from app.audit.password_grant_use import PasswordGrantUse, find_password_grant_use
from app.audit.trail import Event, record
from app.clock import Clock
from app.models import ClientSecret, Login, SigningKey
from app.operations.doctor import diagnose
from app.server import Server
from app.tokens.key_rotation import ensure_signing_key
from tests.features import brought
from tests.support.databases import Backend
from tests.support.doctor import EXPECTED, Doctor, doctor
from tests.support.factories import TestClient, TestUser, add_client, add_user, log_in
from tests.support.processes import development, production

__all__ = ["doctor"]

PEPPER = "a-pepper-that-is-kept-apart-from-the-database"


def test_a_new_deployment_with_the_defaults_is_safe(doctor: Doctor) -> None:
    result = doctor("--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    assert {name: report[name] for name in ("unsafe", "warning", "note")} == {
        "unsafe": 0,
        "warning": 0,
        "note": 3,
    }
    assert {each["check"] for each in report["findings"]} == EXPECTED
    for each in report["findings"]:
        assert set(each) == {"severity", "check", "found", "why", "fix"}


def test_for_people_each_finding_has_why_and_how_and_the_worst_comes_first(doctor: Doctor) -> None:
    result = doctor(docs="true", login_max_failures="0")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "UNSAFE  LATCHKEY_LOGIN_MAX_FAILURES is 0.\n"
        "    why  An account's password can be guessed without limit (RFC 6749, section"
        " 4.3.2).\n"
        "    how  Unset it, or set a limit.\n\n"
        "NOTE  "
    )
    assert result.stdout.endswith("\n1 unsafe, 0 warning, 4 note\n")


def test_a_database_that_is_not_migrated_is_refused(
    sqlite: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = Doctor(sqlite.empty())()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "latchkey: the database is not migrated: run `latchkey db upgrade`\n"


def test_a_secret_with_which_no_server_would_start_is_unsafe(doctor: Doctor) -> None:
    doctor.prepare(lambda server: server.start(), secret_key=PEPPER)
    other = {"secret_key": f"{PEPPER}-of-another-server"}
    assert doctor.finds(**other) == {"wrong-secret-key": "unsafe"}
    assert doctor.finds(secret_key=f"{other['secret_key']},{PEPPER}") == {
        "secret-key-rotation": "note"
    }


def test_a_database_that_depends_on_the_current_folder_is_told(
    doctor: Doctor, tmp_path: Path
) -> None:
    shutil.copy(doctor.url.removeprefix("sqlite:///"), tmp_path / "here.db")
    (tmp_path / "here.db").chmod(0o600)
    found = doctor.finds(database_url="sqlite:///./here.db")
    assert found == {"relative-database": "warning"}


def test_development_is_unsafe_and_so_is_all_that_comes_with_it(doctor: Doctor) -> None:
    assert doctor.finds(base=development) == {
        "environment": "unsafe",
        "secret-key-published": "unsafe",
        "issuer-http": "unsafe",
        **brought("FOUND_IN_DEVELOPMENT"),
        "docs": "note",
        "default-client-id": "note",
    }


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"allow_demo_on_network": "true"}, {"demo-on-network": "unsafe"}),
        ({"secret_key": "abc" * 20}, {"secret-key-weak": "warning"}),
        (
            {"secret_key": f"{PEPPER},{PEPPER}-of-before"},
            {"secret-key-rotation": "note"},
        ),
        ({"access_token_ttl": "3601"}, {"access-token-ttl": "warning"}),
        ({"access_token_ttl": "3600"}, {}),
        ({"id_token_ttl": "3601"}, {"id-token-ttl": "warning"}),
        ({"refresh_token_ttl": "7776001"}, {"refresh-token-ttl": "warning"}),
        ({"session_ttl": "86401"}, {"session-ttl": "warning"}),
        ({"authorization_code_ttl": "61"}, {"authorization-code-ttl": "warning"}),
        ({"refresh_reuse_grace": "60"}, {"refresh-reuse-grace": "note"}),
        ({"refresh_reuse_grace": "61"}, {"refresh-reuse-grace": "warning"}),
        ({"password_hash_memory_kib": "19455"}, {"password-hash-cost": "unsafe"}),
        ({"password_hash_time": "1"}, {"password-hash-cost": "unsafe"}),
        ({"password_hash_memory_kib": "12288", "password_hash_time": "3"}, {}),
        ({"password_min_length": "14"}, {"password-min-length": "warning"}),
        ({"password_min_length": "8", "mfa": "required"}, {}),
        ({"login_max_failures": "0"}, {"login-max-failures": "unsafe"}),
        ({"login_max_failures": "100"}, {}),
        ({"login_max_failures": "101"}, {"login-max-failures": "warning"}),
        ({"login_max_failures": "1000"}, {"login-max-failures": "warning"}),
        ({"login_max_failures": "1001"}, {"login-max-failures": "unsafe"}),
        (
            {"login_max_failures_per_address": "0"},
            {"login-max-failures-per-address": "warning"},
        ),
        ({"login_max_failures_per_address": "1000"}, {}),
        (
            {"login_max_failures_per_address": "1000000"},
            {"login-max-failures-per-address": "warning"},
        ),
        ({"login_lockout_seconds": "60"}, {}),
        ({"login_lockout_seconds": "1"}, {"login-lockout-seconds": "warning"}),
        ({"login_queue": "1000"}, {}),
        ({"login_queue": "1001"}, {"login-queue": "warning"}),
        ({"login_queue": "1000000"}, {"login-queue": "unsafe"}),
        ({"request_body_limit": "1048576"}, {}),
        ({"request_body_limit": "1048577"}, {"request-body-limit": "warning"}),
        ({"request_body_limit": "10000000000"}, {"request-body-limit": "unsafe"}),
        ({"forwarded_allow_ips": "*"}, {"forwarded-allow-ips": "unsafe"}),
        ({"forwarded_allow_ips": "10.0.0.1, 0.0.0.0/0"}, {"forwarded-allow-ips": "unsafe"}),
        ({"forwarded_allow_ips": "::/0"}, {"forwarded-allow-ips": "unsafe"}),
        ({"forwarded_allow_ips": "0.0.0.0/1,128.0.0.0/1"}, {"forwarded-allow-ips": "unsafe"}),
        ({"forwarded_allow_ips": "64.0.0.0/8,65.0.0.0/8"}, {"forwarded-allow-ips": "unsafe"}),
        ({"forwarded_allow_ips": "2000::/3"}, {"forwarded-allow-ips": "unsafe"}),
        ({"forwarded_allow_ips": "10.0.0.1,10.1.0.0/16"}, {}),
        ({"forwarded_allow_ips": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"}, {}),
        ({"forwarded_allow_ips": "104.16.0.0/13,2400:cb00::/32"}, {}),
        ({"cors_origins": "https://app.example"}, {"cors-origins": "note"}),
        (
            {"cors_origins": "http://app.example"},
            {"cors-http": "warning", "cors-origins": "note"},
        ),
        ({"cors_origins": "http://127.0.0.1:3000"}, {"cors-origins": "note"}),
        ({"docs": "true"}, {"docs": "note"}),
        ({"metrics": "true"}, {"metrics": "note"}),
        ({"default_client_id": "app"}, {"default-client-id": "note"}),
        ({"password_pepper": PEPPER}, {}),
        (
            {
                "password_pepper": f"{PEPPER},{PEPPER}-of-before",
                "secret_key": f"{PEPPER}-of-before",
            },
            {"pepper-is-secret-key": "warning"},
        ),
        ({"posture": "oauth21"}, {}),
    ],
    ids=str,
)
def test_a_setting_that_leaves_something_open_is_found(
    doctor: Doctor, settings: Mapping[str, str], found: Mapping[str, str]
) -> None:
    assert doctor.finds(**settings) == found


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (0o600, {}),
        (0o400, {}),
        (0o640, {"database-readable": "warning"}),
        (0o644, {"database-readable": "warning"}),
        (0o602, {"database-readable": "warning"}),
    ],
    ids=str,
)
def test_a_database_that_others_can_open_is_found(
    doctor: Doctor, mode: int, found: Mapping[str, str]
) -> None:
    Path(doctor.url.removeprefix("sqlite:///")).chmod(mode)
    assert doctor.finds() == found


def test_what_lies_beside_a_database_is_looked_at_as_well(doctor: Doctor) -> None:
    file = Path(doctor.url.removeprefix("sqlite:///"))
    wal = file.with_name(file.name + "-wal")
    wal.touch()
    wal.chmod(0o644)
    assert doctor.sentence("database-readable") == (
        f"other users of this machine can open {wal.name}"
    )


def test_no_finding_repeats_a_secret(doctor: Doctor) -> None:
    secrets = "weak" * 10, "weak" * 11, PEPPER
    keys = ",".join(secrets[:2])
    output = doctor("--json", secret_key=keys, password_pepper=PEPPER).output
    assert not any(secret in output for secret in secrets)


def test_the_demo_data_is_unsafe(doctor: Doctor) -> None:
    seeded = CliRunner().invoke(cli, ["seed-demo"], env=development(doctor.url))
    assert seeded.exit_code == 0
    found = doctor.finds()
    assert found["demo-data"] == "unsafe"


def test_a_client_with_the_password_grant_is_named_with_its_use(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        await add_client(server, "kiosk")
        await add_client(server, "forgotten")
        now = server.clock.now()
        days = (0, 1, 29, 31, 400)
        events = [
            (now - timedelta(days=day), {"grant": "password", "scope": "profile"}) for day in days
        ]
        events.append((now, {"grant": "refresh_token", "scope": "profile"}))
        async with server.database.transaction() as connection:
            for at, details in sorted(events, key=lambda event: event[0]):
                issued = Event(type="token.issued", client_id="kiosk", details=details)
                await record(connection, at, issued)
            other = Event(type="token.refreshed", client_id="kiosk")
            await record(connection, now, other)

    doctor.prepare(work)
    report = json.loads(doctor("--json").stdout)
    today = Clock().now()
    assert sorted(each["found"] for each in report["findings"] if "password" in each["check"]) == [
        "the client forgotten has the password grant and has never used it",
        "the client kiosk has the password grant and last used it on "
        f"{today:%Y-%m-%d}, 3 times in 30 days",
    ]
    assert doctor.finds() == {"password-grant": "warning"}


def test_a_client_is_shown_and_listed_with_its_use_of_the_password_grant(doctor: Doctor) -> None:
    moment = Clock().now().replace(microsecond=0) - timedelta(days=40)

    async def work(server: Server) -> None:
        await add_client(server, "kiosk")
        issued = Event(type="token.issued", client_id="kiosk", details={"grant": "password"})
        async with server.database.transaction() as connection:
            await record(connection, moment, issued)

    doctor.prepare(work)
    environment = production(doctor.url)
    shown = CliRunner().invoke(cli, ["clients", "show", "kiosk", "--json"], env=environment)
    client = json.loads(shown.stdout)
    assert client["password_grant_last_used_at"] == moment.isoformat()
    assert client["password_grant_uses_in_30_days"] == 0
    listed = CliRunner().invoke(cli, ["clients", "list", "--json"], env=environment)
    assert json.loads(listed.stdout) == [client]


async def test_what_logs_in_over_http_is_counted(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    await log_in(http, alice, web)
    await log_in(http, alice, web)
    now = server.clock.now()
    async with server.database.read() as connection:
        uses = await find_password_grant_use(connection, now)
    assert uses == {"web": PasswordGrantUse(now, 2)}
    assert "password-grant" in {finding.check for finding in await diagnose(server)}


def test_the_posture_oauth21_closes_the_password_grant(doctor: Doctor) -> None:
    doctor.prepare(lambda server: add_client(server, "old"))
    assert doctor.finds() == {"password-grant": "warning"}
    assert doctor.finds(posture="oauth21") == {}


def test_proxies_elsewhere_are_not_asked_about(doctor: Doctor) -> None:
    report = json.loads(doctor("--json", forwarded_allow_ips="127.0.0.1,10.0.0.1").stdout)
    assert {each["check"] for each in report["findings"]} == EXPECTED - {"forwarded-loopback"}


def test_a_client_that_administers_by_itself_is_named(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        alone = ("client_credentials",)
        scopes = ["users:read", "users:write", "scopes:write", "profile"]
        await add_client(server, "robot", grant_types=alone, scopes=scopes)
        await add_client(server, "reader", grant_types=alone, scopes=["users:read"])
        await add_client(
            server,
            "console",
            grant_types=("refresh_token",),
            scopes=scopes,
        )

    doctor.prepare(work)
    assert doctor.finds() == {"client-administrator": "warning"}
    assert doctor.sentence("client-administrator") == (
        "the client robot may use scopes:write, users:write without a user"
    )


def test_a_client_that_is_disabled_leaves_nothing_open(doctor: Doctor) -> None:
    doctor.prepare(lambda server: add_client(server, "kiosk", introspect="any"))
    assert doctor.finds() == {"password-grant": "warning", "introspect-any": "note"}
    CliRunner().invoke(cli, ["clients", "disable", "kiosk"], env=production(doctor.url))
    assert doctor.finds() == {}


def test_a_secret_that_is_old_and_one_that_is_being_rotated_are_named(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        now = server.clock.now()
        async with server.database.transaction() as connection:
            for client_id, days in (("aged", 366), ("young", 364)):
                await connection.execute(
                    update(ClientSecret)
                    .where(ClientSecret.client_id == client_id)
                    .values(created_at=now - timedelta(days=days))
                )

    grants = ("client_credentials",)
    doctor.prepare(lambda server: add_client(server, "aged", grant_types=grants))
    doctor.prepare(lambda server: add_client(server, "young", grant_types=grants))
    doctor.prepare(work)
    assert doctor.finds() == {"client-secret-old": "warning"}
    assert doctor.sentence("client-secret-old").startswith(
        "the secret of the client aged dates from "
    )
    CliRunner().invoke(cli, ["clients", "rotate-secret", "aged"], env=production(doctor.url))
    assert doctor.finds() == {"client-secret-rotating": "note"}


def test_a_signing_key_that_was_not_rotated_for_long_is_found(doctor: Doctor) -> None:
    async def age(server: Server) -> None:
        await ensure_signing_key(server.database, server.encryption, "ES256", server.clock)
        async with server.database.transaction() as connection:
            then = server.clock.now() - timedelta(days=181)
            await connection.execute(update(SigningKey).values(active_from=then))

    doctor.prepare(age, secret_key=[production(doctor.url)["LATCHKEY_SECRET_KEY"]])
    assert doctor.finds() == {"signing-key-old": "warning"}


def test_after_a_rotation_no_signing_key_is_old(doctor: Doctor) -> None:
    async def age(server: Server) -> None:
        await server.start()
        async with server.database.transaction() as connection:
            then = server.clock.now() - timedelta(days=181)
            await connection.execute(update(SigningKey).values(active_from=then))

    environment = production(doctor.url)
    doctor.prepare(age, secret_key=[environment["LATCHKEY_SECRET_KEY"]])
    assert doctor.finds() == {"signing-key-old": "warning"}
    assert CliRunner().invoke(cli, ["keys", "rotate"], env=environment).exit_code == 0
    assert doctor.finds() == {}


def test_a_signing_key_that_nothing_uses_is_found(doctor: Doctor) -> None:
    async def add(server: Server) -> None:
        await ensure_signing_key(server.database, server.encryption, "EdDSA", server.clock)
        async with server.database.transaction() as connection:
            then = server.clock.now() - timedelta(days=2)
            await connection.execute(update(SigningKey).values(active_from=then))

    doctor.prepare(add, secret_key=[production(doctor.url)["LATCHKEY_SECRET_KEY"]])
    assert doctor.finds() == {"signing-key-unused": "warning"}


def test_too_many_administrators_are_found(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        for number in range(6):
            await add_user(server, f"admin{number}", scopes=["users:write", "clients:write"])
        await add_user(server, "former", scopes=["users:write"], disabled=True)

    doctor.prepare(work)
    assert doctor.finds() == {"many-administrators": "warning"}
    assert doctor.sentence("many-administrators").startswith("6 users ")


def test_an_administrator_is_enough(doctor: Doctor) -> None:
    doctor.prepare(lambda server: add_user(server, "admin", scopes=["users:write"]))
    checks = {each["check"] for each in json.loads(doctor("--json").stdout)["findings"]}
    assert checks == EXPECTED - {"no-administrator"}


def test_hashes_from_elsewhere_and_without_the_pepper_are_counted(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        await add_user(server, "imported", password_hash="$2b$12$" + "." * 53)
        await add_user(server, "ours")
        await add_user(server, "invited", password_hash=None)

    doctor.prepare(work)
    assert doctor.finds() == {"imported-hashes": "note"}
    assert doctor.sentence("imported-hashes") == (
        "1 users have not logged in since their hash was imported (bcrypt$rounds=12: 1)"
    )
    with_pepper = doctor.finds(password_pepper=PEPPER)
    assert with_pepper == {"imported-hashes": "note", "hashes-without-pepper": "note"}


def test_a_pepper_that_is_gone_is_found(doctor: Doctor) -> None:
    doctor.prepare(lambda server: add_user(server, "ours"), password_pepper=PEPPER)
    assert doctor.finds(password_pepper=PEPPER) == {}
    assert doctor.finds() == {"pepper-missing": "warning"}
    assert doctor.finds(password_pepper=f"{PEPPER}-another")["pepper-missing"] == "warning"


def test_logins_that_nobody_purged_are_found(doctor: Doctor) -> None:
    async def work(server: Server) -> None:
        user = await add_user(server)
        client = await add_client(server, grant_types=("client_credentials",))
        then = server.clock.now() - timedelta(days=8)
        async with server.database.transaction() as connection:
            await connection.execute(
                insert(Login).values(
                    user_id=user.id,
                    client_id=client.client_id,
                    scope="profile",
                    created_at=then,
                    expires_at=then,
                )
            )

    doctor.prepare(work)
    assert doctor.finds() == {"not-purged": "note"}
