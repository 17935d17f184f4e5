"""Passwords: which may be set, how they are hashed, and how many at once."""

import asyncio
import hmac
import os
import re
import sys
import threading
from base64 import b64encode
from collections.abc import Generator
from hashlib import pbkdf2_hmac, scrypt
from typing import Any

import pytest
from anyio.lowlevel import checkpoint
from passlib.context import CryptContext
from passlib.hash import bcrypt

from app.errors import LoginRefused
from app.security.passwords import (
    LOWEST_PRIORITY,
    MAX_LENGTH,
    PasswordHasher,
    PasswordRules,
    UnacceptablePasswordError,
    check_imported_hash,
)

PASSWORD = "correct horse battery staple"
RULES = PasswordRules(min_length=15, service_name="Latchkey")
BCRYPT = bcrypt.using(rounds=4)
MD5_CRYPT = "$1$saltsalt$BsXyQbZiQujHkdhwPwdol."
"""Of the same password, and too weak to be taken from anywhere."""

CHEAPEST = {
    "bcrypt": 4,
    "bcrypt_sha256": 4,
    "pbkdf2_sha256": 1,
    "pbkdf2_sha512": 1,
    "scrypt": 1,
    "sha512_crypt": 1000,
    "sha256_crypt": 1000,
    "django_pbkdf2_sha256": 1,
    "django_bcrypt_sha256": 4,
    "phpass": 7,
}
"""The least rounds of each kind of hash that users may bring along."""


def hashed(kind: str, rounds: int) -> str:
    options: dict[str, Any] = {f"{kind}__rounds": rounds}
    return CryptContext(schemes=[kind], **options).hash(PASSWORD)


FROM_ELSEWHERE = pytest.mark.parametrize(
    "stored",
    [pytest.param(hashed(kind, rounds), id=kind) for kind, rounds in CHEAPEST.items()],
)
"""Hashes of the same password."""


WRITTEN_BY_OTHERS = {
    "Werkzeug, scrypt": (
        "scrypt:1024:8:1$Xp5Wmkz0ZPqfVjJ9$"
        + scrypt(PASSWORD.encode(), salt=b"Xp5Wmkz0ZPqfVjJ9", n=1024, r=8, p=1, dklen=64).hex()
    ),
    "Werkzeug, pbkdf2": (
        "pbkdf2:sha256:1000$Xp5Wmkz0ZPqfVjJ9$"
        + pbkdf2_hmac("sha256", PASSWORD.encode(), b"Xp5Wmkz0ZPqfVjJ9", 1000).hex()
    ),
    "Django, scrypt": (
        "scrypt$Xp5Wmkz0ZPqf$1024$8$5$"
        + b64encode(
            scrypt(PASSWORD.encode(), salt=b"Xp5Wmkz0ZPqf", n=1024, r=8, p=5, dklen=64)
        ).decode()
    ),
    "Django, bcrypt": "bcrypt$" + BCRYPT.hash(PASSWORD),
    "WordPress, bcrypt": "$wp"
    + BCRYPT.using(ident="2y").hash(
        b64encode(hmac.digest(b"wp-sha384", PASSWORD.encode(), "sha384"))
    ),
}
"""As the sources of these programs have it, so that none of them has to be installed."""


@pytest.mark.parametrize("written", WRITTEN_BY_OTHERS.values(), ids=WRITTEN_BY_OTHERS)
async def test_the_hashes_of_other_programs_log_their_users_in(
    hasher: PasswordHasher, written: str
) -> None:
    stored = check_imported_hash(written)
    matches, renewed = await hasher.verify(PASSWORD, stored)
    assert matches
    assert renewed is not None
    assert renewed.startswith("$argon2id$")
    assert await hasher.verify(PASSWORD + "x", stored) == (False, None)


async def test_a_hash_that_wordpress_wrote_before_logs_its_user_in(hasher: PasswordHasher) -> None:
    stored = check_imported_hash("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0")
    assert (await hasher.verify("test12345", stored))[0]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("scrypt:1000:8:1$salt$" + "a" * 128, id="a_cost_that_is_no_power_of_two"),
        pytest.param("pbkdf2:sha256:1000$salt$abc", id="half_a_byte"),
        pytest.param("scrypt:4294967296:8:1$salt$" + "a" * 128, id="too_costly"),
        pytest.param("$wp$2y$15$" + "." * 22 + "a" * 31, id="bcrypt_too_costly"),
    ],
)
def test_what_only_resembles_the_hash_of_another_program_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"malformed|costly"):
        check_imported_hash(written)


@pytest.fixture
def hasher() -> Generator[PasswordHasher]:
    """The cheapest hasher there is."""
    made = PasswordHasher(8, 1, 1, queue=8)
    yield made
    made.close()


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that passwords were verified against: the work that was done."""
    done: list[str] = []
    verify = CryptContext.verify

    def spy(self: CryptContext, secret: str, hash: str) -> bool:
        done.append(hash)
        return verify(self, secret, hash)

    monkeypatch.setattr(CryptContext, "verify", spy)
    return done


# Which passwords may be set


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("a" * 15, id="the_fewest_characters"),
        pytest.param("x" * 64, id="64_characters"),
        pytest.param("x" * MAX_LENGTH, id="the_most_characters"),
        pytest.param("only small letters", id="no_composition_rule"),
        pytest.param(" spaces at the ends ", id="spaces"),
        pytest.param("".join(map(chr, range(0x20, 0x7F))), id="all_printing_ascii"),
        pytest.param("пароль密码🔑☃ пароль", id="unicode"),
        pytest.param("alice-in-wonderland", id="contains_the_user_name"),
    ],
)
def test_a_password_may_be_set(password: str) -> None:
    RULES.check(password, "alice")


@pytest.mark.parametrize("min_length", [8, 15, 20])
def test_a_password_with_too_few_characters_is_refused(min_length: int) -> None:
    with pytest.raises(UnacceptablePasswordError) as refused:
        PasswordRules(min_length, "Latchkey").check("x" * (min_length - 1), "alice")
    assert str(refused.value) == f"a password must have at least {min_length} characters"


def test_length_is_counted_in_characters_and_not_in_bytes() -> None:
    with pytest.raises(UnacceptablePasswordError):
        RULES.check("é" * 14, "alice")


def test_a_password_with_too_many_characters_is_refused() -> None:
    with pytest.raises(UnacceptablePasswordError) as refused:
        RULES.check("x" * (MAX_LENGTH + 1), "alice")
    assert str(refused.value) == f"a password can have at most {MAX_LENGTH} characters"


def test_a_password_with_a_nul_is_refused() -> None:
    with pytest.raises(UnacceptablePasswordError) as refused:
        RULES.check("correct horse\x00battery staple", "alice")
    assert str(refused.value) == "a password cannot contain the NUL character"


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("alice@wonderland.example", id="the_same"),
        pytest.param("ALICE@Wonderland.example", id="another_case"),
        pytest.param("\uff41lice@wonderland.example", id="another_unicode_form"),
    ],
)
def test_a_password_that_is_the_user_name_is_refused(password: str) -> None:
    with pytest.raises(UnacceptablePasswordError) as refused:
        RULES.check(password, "alice@wonderland.example")
    assert str(refused.value) == "a password must differ from the user name"


@pytest.mark.rfc("6749", "10.10", 2)
@pytest.mark.parametrize(
    "password",
    [
        pytest.param("password1", id="breached"),
        pytest.param("PassWord1", id="breached_in_another_case"),
        pytest.param("1q2w3e4r5t", id="a_walk_on_the_keyboard"),
    ],
)
def test_a_password_that_everybody_tries_first_is_refused(password: str) -> None:
    with pytest.raises(UnacceptablePasswordError):
        PasswordRules(8, "Latchkey").check(password, "alice")


@pytest.mark.parametrize("password", ["Wonderland Accounts", "wonderland accounts"])
def test_a_password_that_is_the_name_of_the_service_is_refused(password: str) -> None:
    with pytest.raises(UnacceptablePasswordError) as refused:
        PasswordRules(15, "Wonderland Accounts").check(password, "alice")
    assert str(refused.value) == "a password must differ from the name of the service"


def test_a_password_that_contains_a_breached_one_may_be_set() -> None:
    PasswordRules(8, "Latchkey").check("password1 is what I never use", "alice")


def test_a_password_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(UnacceptablePasswordError):
        RULES.check("a lone surrogate: \udcff", "alice")


def test_a_password_that_normalisation_makes_too_long_is_refused() -> None:
    with pytest.raises(UnacceptablePasswordError):
        RULES.check("\ufdfa" * MAX_LENGTH, "alice")  # NFKC makes 18 characters of each


def test_a_refusal_never_repeats_the_password() -> None:
    for password in ("hunter2", "hunter2" * 200, "hunter2 hunter2 hunter2\x00"):
        with pytest.raises(UnacceptablePasswordError) as refused:
            RULES.check(password, "alice")
        assert "hunter2" not in str(refused.value)


# How they are hashed


@pytest.mark.rfc("7617", "4", 2)
async def test_a_password_is_hashed_with_argon2id_at_the_given_cost() -> None:
    hasher = PasswordHasher(16, 2, 1, queue=0)
    assert (await hasher.hash(PASSWORD)).startswith("$argon2id$v=19$m=16,t=2,p=1$")
    hasher.close()


async def test_the_same_password_is_never_hashed_the_same_way_twice(
    hasher: PasswordHasher,
) -> None:
    assert await hasher.hash(PASSWORD) != await hasher.hash(PASSWORD)


async def test_the_right_password_matches_and_its_hash_is_kept(hasher: PasswordHasher) -> None:
    assert await hasher.verify(PASSWORD, await hasher.hash(PASSWORD)) == (True, None)


async def test_a_hash_made_in_the_calling_thread_is_as_good(hasher: PasswordHasher) -> None:
    assert await hasher.verify(PASSWORD, hasher.hash_now(PASSWORD)) == (True, None)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("wrong", id="another"),
        pytest.param("", id="empty"),
        pytest.param(PASSWORD.upper(), id="another_case"),
        pytest.param(PASSWORD + " ", id="a_space_at_the_end"),
        pytest.param(PASSWORD[:-1], id="cut"),
    ],
)
async def test_a_wrong_password_does_not_match(hasher: PasswordHasher, password: str) -> None:
    assert await hasher.verify(password, hasher.hash_now(PASSWORD)) == (False, None)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        pytest.param("caf\u00e9 with two accents \u00e9", "cafe\u0301 with two accents e\u0301"),
        pytest.param("\ufb01ne words of a password", "fine words of a password"),
        pytest.param("\uff46ullwidth password", "fullwidth password"),
    ],
    ids=["decomposed", "ligature", "fullwidth"],
)
async def test_two_unicode_forms_of_a_password_are_one(
    hasher: PasswordHasher, stored: str, typed: str
) -> None:
    assert await hasher.verify(typed, hasher.hash_now(stored)) == (True, None)
    assert await hasher.verify(stored, hasher.hash_now(typed)) == (True, None)


async def test_nothing_of_a_long_password_is_cut_off(hasher: PasswordHasher) -> None:
    stored = hasher.hash_now("x" * MAX_LENGTH)
    assert await hasher.verify("x" * MAX_LENGTH, stored) == (True, None)
    assert await hasher.verify("x" * (MAX_LENGTH - 1) + "y", stored) == (False, None)


@FROM_ELSEWHERE
async def test_a_hash_from_elsewhere_is_accepted_and_replaced_by_argon2id(
    hasher: PasswordHasher, stored: str
) -> None:
    matches, new_hash = await hasher.verify(PASSWORD, stored)
    assert matches
    assert new_hash is not None
    assert new_hash.startswith("$argon2id$")
    assert await hasher.verify(PASSWORD, new_hash) == (True, None)


@FROM_ELSEWHERE
@pytest.mark.parametrize("wrong", ["wrong", "", "wrong\0", "x" * MAX_LENGTH])
async def test_a_wrong_password_replaces_no_hash(
    hasher: PasswordHasher, stored: str, wrong: str
) -> None:
    assert await hasher.verify(wrong, stored) == (False, None)


async def test_72_bytes_match_a_bcrypt_hash(hasher: PasswordHasher) -> None:
    matches, _ = await hasher.verify("x" * 72, BCRYPT.hash("x" * 72))
    assert matches


async def test_bytes_after_the_72nd_are_not_ignored_for_a_bcrypt_hash(
    hasher: PasswordHasher,
) -> None:
    assert await hasher.verify("x" * 72 + "y", BCRYPT.hash("x" * 72)) == (False, None)


@pytest.mark.parametrize(
    ("memory", "time"), [(16, 1), (8, 2)], ids=["another_memory_cost", "another_time_cost"]
)
async def test_a_hash_of_another_cost_is_replaced(
    hasher: PasswordHasher, memory: int, time: int
) -> None:
    other = PasswordHasher(memory, time, 1, queue=0)
    matches, new_hash = await hasher.verify(PASSWORD, other.hash_now(PASSWORD))
    other.close()
    assert matches
    assert new_hash is not None
    assert "$m=8,t=1,p=1$" in new_hash


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(PASSWORD, id="the_password_itself"),
        pytest.param("", id="empty"),
        pytest.param("*", id="locked"),
        pytest.param(MD5_CRYPT, id="md5_crypt"),
        pytest.param("$argon2id$v=19$m=8,t=1,p=1$", id="argon2_cut_off"),
        pytest.param("$argon2id$v=19$m=8,t=1,p=1$!!!$!!!", id="argon2_not_base64"),
        pytest.param("$2b$04$tooshort", id="bcrypt_cut_off"),
    ],
)
async def test_a_hash_that_cannot_be_read_matches_nothing(
    hasher: PasswordHasher, stored: str
) -> None:
    assert await hasher.verify(PASSWORD, stored) == (False, None)


async def test_a_password_that_cannot_be_encoded_matches_nothing(hasher: PasswordHasher) -> None:
    assert await hasher.verify("\udcff", hasher.hash_now(PASSWORD)) == (False, None)


@pytest.mark.parametrize("stored", [None, ""], ids=["no_hash", "empty_hash"])
@pytest.mark.parametrize("password", ["", PASSWORD], ids=["empty_password", "some_password"])
async def test_without_a_hash_no_password_matches(
    hasher: PasswordHasher, password: str, stored: str | None
) -> None:
    assert await hasher.verify(password, stored) == (False, None)


async def test_without_a_hash_the_same_work_is_done(
    hasher: PasswordHasher, verifications: list[str]
) -> None:
    await hasher.verify(PASSWORD, None)
    (dummy,) = verifications
    assert dummy.startswith("$argon2id$v=19$m=8,t=1,p=1$")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("x" * (MAX_LENGTH + 1), id="as_typed"),
        pytest.param("\ufdfa" * MAX_LENGTH, id="after_nfkc"),
        pytest.param("x" * 10_000_000, id="ten_million_characters"),
    ],
)
async def test_a_password_that_is_too_long_is_refused_without_work(
    hasher: PasswordHasher, verifications: list[str], password: str
) -> None:
    assert await hasher.verify(password, hasher.hash_now(PASSWORD)) == (False, None)
    assert verifications == []


# The pepper

PEPPER = "a-pepper-that-is-kept-apart-from-the-database"
STORED = (
    "$pepper$33b532db$argon2id$v=19$m=8,t=1,p=1$pbRW6j2HcK51bs25d"
    "47Reg$whH6IE9tMcenyTtRajta1NaaLP39hHRPidCOuyy6GNs"
)
"""Of the password, with the pepper."""
OLD_PEPPER = "the-pepper-of-last-year-which-somebody-has-seen"


@pytest.fixture
def peppered() -> Generator[PasswordHasher]:
    made = PasswordHasher(8, 1, 1, 8, [PEPPER, OLD_PEPPER])
    yield made
    made.close()


@pytest.fixture
def formerly_peppered() -> Generator[PasswordHasher]:
    made = PasswordHasher(8, 1, 1, 8, [OLD_PEPPER])
    yield made
    made.close()


async def test_with_a_pepper_a_hash_says_which_one_and_nothing_of_it(
    peppered: PasswordHasher,
) -> None:
    stored = await peppered.hash(PASSWORD)
    assert re.match(r"\$pepper\$[0-9a-f]{8}\$argon2id\$v=19\$m=8,t=1,p=1\$", stored)
    assert PEPPER not in stored
    assert check_imported_hash(stored) == stored
    assert await peppered.verify(PASSWORD, stored) == (True, None)
    assert await peppered.verify("wrong", stored) == (False, None)


async def test_a_hash_that_was_stored_with_a_pepper_stays_good_whatever_the_service_is_called(
    peppered: PasswordHasher,
) -> None:
    assert await peppered.verify(PASSWORD, STORED) == (True, None)


async def test_two_unicode_forms_of_a_password_are_one_with_a_pepper_too(
    peppered: PasswordHasher,
) -> None:
    stored = await peppered.hash("\u00e9 in one character")
    assert await peppered.verify("e\u0301 in one character", stored) == (True, None)


async def test_without_the_pepper_its_hash_matches_nothing(
    peppered: PasswordHasher, hasher: PasswordHasher, verifications: list[str]
) -> None:
    stored = await peppered.hash(PASSWORD)
    assert await hasher.verify(PASSWORD, stored) == (False, None)
    assert len(verifications) == 1, "at the cost of any other"


async def test_behind_its_mark_is_no_hash_of_the_password_alone(
    peppered: PasswordHasher, hasher: PasswordHasher
) -> None:
    bare = (await peppered.hash(PASSWORD))[len("$pepper$01234567") :]
    assert await hasher.verify(PASSWORD, bare) == (False, None)


@FROM_ELSEWHERE
async def test_a_hash_without_a_pepper_is_accepted_and_replaced_by_one_with_it(
    peppered: PasswordHasher, stored: str
) -> None:
    matches, new_hash = await peppered.verify(PASSWORD, stored)
    assert matches
    assert new_hash is not None
    assert new_hash.startswith("$pepper$")
    assert await peppered.verify(PASSWORD, new_hash) == (True, None)


async def test_a_hash_of_our_own_without_a_pepper_is_replaced_by_one_with_it(
    peppered: PasswordHasher, hasher: PasswordHasher
) -> None:
    matches, new_hash = await peppered.verify(PASSWORD, await hasher.hash(PASSWORD))
    assert matches
    assert (new_hash or "").startswith("$pepper$")


async def test_a_hash_with_an_older_pepper_is_accepted_and_replaced(
    peppered: PasswordHasher, formerly_peppered: PasswordHasher
) -> None:
    old = await formerly_peppered.hash(PASSWORD)
    matches, new_hash = await peppered.verify(PASSWORD, old)
    assert matches
    assert new_hash is not None
    assert await formerly_peppered.verify(PASSWORD, new_hash) == (False, None)
    assert await peppered.verify(PASSWORD, new_hash) == (True, None)
    assert await peppered.verify("wrong", old) == (False, None)


@pytest.mark.parametrize("stored", [None, ""], ids=["no_hash", "empty_hash"])
async def test_without_a_hash_the_same_work_is_done_with_a_pepper_too(
    peppered: PasswordHasher, verifications: list[str], stored: str | None
) -> None:
    assert await peppered.verify(PASSWORD, stored) == (False, None)
    (dummy,) = verifications
    assert dummy.startswith("$argon2id$v=19$m=8,t=1,p=1$")


async def test_a_password_that_cannot_be_encoded_matches_nothing_with_a_pepper_too(
    peppered: PasswordHasher, verifications: list[str]
) -> None:
    assert await peppered.verify("\udcff", await peppered.hash(PASSWORD)) == (False, None)
    assert len(verifications) == 1


# How many at once, and in which threads


class Blocked:
    """A hasher of one thread whose every hash waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, queue: int) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        self.hasher = PasswordHasher(8, 1, 1, queue)
        self.go_on = threading.Event()
        monkeypatch.setattr(self.hasher, "hash_now", self._wait)

    def _wait(self, _password: str) -> str:
        assert self.go_on.wait(timeout=30)
        return "hash"

    async def start(self, count: int) -> list[asyncio.Task[str]]:
        tasks = [asyncio.create_task(self.hasher.hash(PASSWORD)) for _ in range(count)]
        await checkpoint()
        return tasks


@pytest.mark.parametrize("queue", [0, 2])
async def test_no_more_wait_than_the_queue_holds(
    monkeypatch: pytest.MonkeyPatch, queue: int
) -> None:
    blocked = Blocked(monkeypatch, queue)
    tasks = await blocked.start(1 + queue)
    with pytest.raises(LoginRefused) as refused:
        await blocked.hasher.verify(PASSWORD, None)
    assert refused.value.why == "busy"
    blocked.go_on.set()
    assert await asyncio.gather(*tasks) == ["hash"] * (1 + queue)
    blocked.hasher.close()


async def test_a_queue_that_has_emptied_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = Blocked(monkeypatch, 0)
    tasks = await blocked.start(1)
    blocked.go_on.set()
    await asyncio.gather(*tasks)
    assert await blocked.hasher.verify(PASSWORD, None) == (False, None)
    blocked.hasher.close()


async def test_a_failed_hash_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch, hasher: PasswordHasher
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    small = PasswordHasher(8, 1, 1, queue=0)
    with pytest.raises(UnicodeEncodeError):
        await small.hash("\udcff")
    assert await small.verify(PASSWORD, hasher.hash_now(PASSWORD)) == (True, None)
    small.close()


async def test_the_event_loop_goes_on_while_a_password_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocked = Blocked(monkeypatch, 0)
    (task,) = await blocked.start(1)
    assert not task.done()
    blocked.go_on.set()
    assert await task == "hash"
    blocked.hasher.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: threads have priorities there")
async def test_on_linux_passwords_are_hashed_at_the_lowest_priority(
    monkeypatch: pytest.MonkeyPatch, hasher: PasswordHasher
) -> None:
    def own_priority(_password: str) -> str:
        return str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    monkeypatch.setattr(hasher, "hash_now", own_priority)
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert await hasher.hash(PASSWORD) == str(LOWEST_PRIORITY)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    hasher = PasswordHasher(8, 1, 1, queue=0)
    hasher.close()
    assert threading.active_count() == before


# Hashes from elsewhere that cost too much


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("$2b$15$" + "a" * 21 + "u" + "b" * 30 + "u", id="bcrypt"),
        pytest.param("$argon2id$v=19$m=2097152,t=1,p=1$c2FsdHNhbHQ$" + "a" * 43, id="memory"),
        pytest.param("$argon2id$v=19$m=8,t=17,p=1$c2FsdHNhbHQ$" + "a" * 43, id="passes"),
        pytest.param("$pbkdf2-sha256$3000001$c2FsdHNhbHQ$" + "a" * 43, id="pbkdf2"),
        pytest.param(
            "$pepper$01234567$argon2id$v=19$m=8,t=17,p=1$c2FsdHNhbHQ$" + "a" * 43, id="ours"
        ),
    ],
)
def test_a_hash_that_would_make_every_failed_login_slow_is_not_taken(stored: str) -> None:
    with pytest.raises(ValueError, match="too costly"):
        check_imported_hash(stored)
