"""Passwords: NFKC, then Argon2id, in threads of their own (NIST SP 800-63B-4, section 3.1.1.2).

Between the two comes an HMAC with a pepper, if there is one: a secret that is not in the database.

With :mod:`.imported_hashes` the only module that knows passlib (the maintained distribution is
``libpass``).
"""

import asyncio
import os
import re
import threading
import unicodedata
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TypeVar, TypeVarTuple, Unpack

from passlib.context import CryptContext

from app.errors import LoginRefused
from app.message import Message
from app.security.imported_hashes import translated, wordpress_bcrypt
from app.security.peppers import Pepper, split_mark

MAX_LENGTH = 1024
"""Characters, as typed. Longer ones are refused before any work is done."""

STORED_MAX_LENGTH = 255
"""Characters of a stored hash."""

_HASHED_MAX_LENGTH = 4096  # passlib's own limit; normalisation can lengthen a password

LOWEST_PRIORITY = 19

IMPORTED_SCHEMES = (
    "bcrypt",
    "bcrypt_sha256",
    "pbkdf2_sha256",
    "pbkdf2_sha512",
    "scrypt",
    "sha512_crypt",
    "sha256_crypt",
    "django_pbkdf2_sha256",
    "django_bcrypt_sha256",
    "phpass",
    wordpress_bcrypt,
)
"""Kinds of hashes that users may bring from elsewhere. They become Argon2 at the next login."""

HIGHEST_ROUNDS = {
    "argon2": 16,
    "bcrypt": 14,
    "bcrypt_sha256": 14,
    "django_bcrypt_sha256": 14,
    "wordpress_bcrypt": 14,
    "phpass": 19,
    "scrypt": 18,
    "pbkdf2_sha256": 3_000_000,
    "pbkdf2_sha512": 3_000_000,
    "django_pbkdf2_sha256": 3_000_000,
    "sha256_crypt": 2_000_000,
    "sha512_crypt": 2_000_000,
}
"""Of a hash from elsewhere, in the unit of its scheme: about a second each."""

HIGHEST_MEMORY_KIB = 1_048_576

_IMPORTED = CryptContext(schemes=["argon2", *IMPORTED_SCHEMES])

_COSTS = ("memory_cost", "block_size", "rounds", "parallelism", "type")
"""The settings of a scheme that say how long a hash takes."""


Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class UnacceptablePasswordError(ValueError):
    """The password may not be used. The text says why, and never repeats it."""


@dataclass(frozen=True)
class PasswordRules:
    """Which passwords may be set (NIST SP 800-63B-4, section 3.1.1.2)."""

    min_length: int
    """In characters."""
    service_name: str

    def check(self, password: str, username: str) -> None:
        """Raise :class:`UnacceptablePasswordError` unless ``password`` may be set for ``username``.

        There are no composition rules; the whole password is compared, never a part of it.
        """
        if len(password) < self.min_length:
            raise UnacceptablePasswordError(
                Message("a password must have at least {least} characters", least=self.min_length)
            )
        if len(password) > MAX_LENGTH or len(_normalise(password)) > _HASHED_MAX_LENGTH:
            raise UnacceptablePasswordError(
                Message("a password can have at most {most} characters", most=MAX_LENGTH)
            )
        if "\x00" in password:
            raise UnacceptablePasswordError(Message("a password cannot contain the NUL character"))
        if any("\ud800" <= character <= "\udfff" for character in password):
            raise UnacceptablePasswordError(
                Message("a password can contain only valid Unicode characters")
            )
        compared = _comparable(password)
        if compared == _comparable(username):
            raise UnacceptablePasswordError(Message("a password must differ from the user name"))
        if compared == _comparable(self.service_name):
            raise UnacceptablePasswordError(
                Message("a password must differ from the name of the service")
            )
        if compared in _common_passwords():
            raise UnacceptablePasswordError(
                Message(
                    "this password is one of the most common: choose another, such as several words"
                )
            )


def check_imported_hash(imported: str) -> str:
    """The hash to store for one that comes from elsewhere.

    Raises :class:`ValueError` if no password can be verified against it: its kind is unknown, or
    it is cut, or it has only a salt; or because it is too expensive: every failed login is as slow
    as the slowest hash of all.
    """
    stored = translated(imported)
    if _IMPORTED.identify(split_mark(stored)[1]) is None:
        raise ValueError("of an unknown kind")
    if kind_of(stored) is None or re.search(r"\s", stored) or len(stored) > STORED_MAX_LENGTH:
        raise ValueError("malformed")
    if _is_too_costly(stored):
        raise ValueError("too costly: every failed login would take as long")
    return stored


def _is_too_costly(stored: str) -> bool:
    scheme = _IMPORTED.identify(split_mark(stored)[1], resolve=True)
    parsed = scheme.from_string(split_mark(stored)[1])
    memory = getattr(parsed, "memory_cost", 0)
    return memory > HIGHEST_MEMORY_KIB or parsed.rounds > HIGHEST_ROUNDS[scheme.name]


def kind_of(stored: str) -> str | None:
    """The scheme and the cost of a hash, such as ``bcrypt$rounds=12``: what it takes to compute it.

    None if no password can be verified against it.
    """
    _, bare = split_mark(stored)
    scheme = _IMPORTED.identify(bare, resolve=True)
    if scheme is None:
        return None
    try:
        parsed = scheme.from_string(bare)
    except (ValueError, TypeError):  # which passlib raises for what is no base64
        return None
    if not parsed.checksum:
        return None
    costs = (f"{name}={getattr(parsed, name)}" for name in _COSTS if name in scheme.setting_kwds)
    return f"{scheme.name}${','.join(costs)}"


def _normalise(password: str) -> str:
    """NFKC: the same password typed on another keyboard becomes the same."""
    return unicodedata.normalize("NFKC", password)


def _comparable(text: str) -> str:
    return _normalise(_normalise(text).casefold())


@cache
def _common_passwords() -> frozenset[str]:
    # Imported at the first new password: the list is large, and serving does not need it.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _run_at_lowest_priority() -> None:
    # On Linux a thread has a priority of its own: the event loop always runs first, and
    # hashing takes what is left. Elsewhere it would lower the whole process.
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


class PasswordHasher:
    """Hashes and verifies passwords off the event loop, as many at once as there are cores."""

    def __init__(
        self,
        memory_kib: int,
        time_cost: int,
        parallelism: int,
        queue: int,
        peppers: Sequence[str] = (),
    ) -> None:
        """Take the cost of Argon2id, how many calls may wait for a thread, and the peppers.

        The first pepper is added to new hashes; the others are for those that have them already.
        """
        self._peppers = {pepper.mark: pepper for pepper in map(Pepper, peppers)}
        self._newest = next(iter(self._peppers.values()), None)
        self._context = CryptContext(
            schemes=["argon2", *IMPORTED_SCHEMES],
            deprecated="auto",
            argon2__type="id",
            argon2__memory_cost=memory_kib,
            argon2__time_cost=time_cost,
            argon2__parallelism=parallelism,
        )
        self._pool = self._threads()
        self._limit = (os.cpu_count() or 1) + queue
        self._pending = 0
        self._dummies: dict[str, str] = {}
        self.kind = f"argon2$memory_cost={memory_kib},rounds={time_cost},parallelism={parallelism}"
        self.kind += ",type=id"
        """The :func:`kind_of` the hashes that are made now."""

    @property
    def pending(self) -> int:
        """How many calls have a thread or wait for one."""
        return self._pending

    async def hash(self, password: str) -> str:
        """The hash to store. Raises :class:`~app.errors.LoginRefused`."""
        return await self._run(self.hash_now, password)

    def hash_now(self, password: str) -> str:
        """The hash to store, made in the calling thread (command line, demo data)."""
        return self._hash(_normalise(password))

    def _hash(self, normalised: str) -> str:
        if self._newest is None:
            return self._context.hash(normalised)
        return self._newest.mark + self._context.hash(self._newest.add_to(normalised))

    @property
    def pepper_marks(self) -> Sequence[str]:
        """What hashes may begin with that this deployment has the pepper for."""
        return tuple(self._peppers)

    async def prepare(self, kinds: Collection[str]) -> None:
        """Make what a failed check of each of ``kinds`` is padded with, so that none waits for it.

        The kinds are those of :func:`kind_of`; whatever was prepared before costs nothing.
        """
        if any(kind not in self._dummies for kind in kinds):
            await asyncio.get_running_loop().run_in_executor(self._pool, self._prepare, kinds)

    def _prepare(self, kinds: Collection[str]) -> None:
        for kind in kinds:
            self._dummy(kind)

    def _dummy(self, kind: str) -> str:
        """A hash of that kind which no password matches. Made once."""
        if kind not in self._dummies:
            scheme, _, costs = kind.partition("$")
            settings = dict(cost.split("=") for cost in costs.split(","))
            hasher = _IMPORTED.handler(scheme).using(
                **{name: int(cost) if cost.isdigit() else cost for name, cost in settings.items()}
            )
            self._dummies[kind] = hasher.hash(os.urandom(16).hex())
        return self._dummies[kind]

    async def verify(
        self,
        password: str,
        stored: str | None,
        *,
        kinds: Collection[str] = (),
        enabled: bool = True,
    ) -> tuple[bool, str | None]:
        """Whether ``password`` matches, and a new hash to store if the stored one is outdated.

        ``stored`` is None for a user who does not exist or has no password, and ``enabled`` says
        whether a match lets anybody in. Every failure computes the same hashes: one of each of
        ``kinds`` and one of the kind that is made now, whatever is stored. Where NFKC changes the
        password it computes two of each, because an imported hash may be of what was typed.
        Raises :class:`~app.errors.LoginRefused`.
        """
        # A NUL, which no password has, would match some imported hashes that ignore it.
        if len(password) > MAX_LENGTH or "\x00" in password:
            return False, None
        normalised = _normalise(password)
        if len(normalised) > _HASHED_MAX_LENGTH:
            return False, None
        forms = (normalised,) if password == normalised else (normalised, password)
        return await self._run(self._verify, forms, stored or "", {*kinds, self.kind}, enabled)

    def _verify(
        self, forms: Sequence[str], stored: str, kinds: Collection[str], enabled: bool
    ) -> tuple[bool, str | None]:
        own = kind_of(stored)
        matches = False
        for form in forms:
            if own is not None and self._compare(form, stored, own):
                matches = True
                if enabled:
                    outdated = form != forms[0] or self._is_outdated(forms[0], stored)
                    return True, self._hash(forms[0]) if outdated else None
        for form in forms:
            for kind in kinds:
                if kind != own:
                    self._compare(form, self._dummy(kind), kind)
        return matches, None

    def _compare(self, form: str, stored: str, kind: str) -> bool:
        """Whether ``stored``, which is of that kind, is the hash of ``form``."""
        mark, bare = split_mark(stored)
        try:
            secret = self._peppers[mark].add_to(form) if mark else form
            return self._context.verify(secret, bare)
        except (KeyError, ValueError, TypeError):
            # A pepper that this deployment does not have, no Unicode, or over the 72 bytes of
            # bcrypt: at the cost of any other.
            self._context.verify("unreadable", self._dummy(kind))
            return False

    def _is_outdated(self, normalised: str, stored: str) -> bool:
        mark, bare = split_mark(stored)
        newest = self._newest.mark if self._newest else ""
        return mark != newest or self._context.needs_update(bare, secret=normalised)

    async def _run(self, work: Callable[[Unpack[Arguments]], Result], *args: *Arguments) -> Result:
        if self._pending >= self._limit:
            raise LoginRefused("busy", reason="the login queue is full")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Stop the threads, after what they are doing; the next use starts others."""
        self._pool.shutdown()
        self._pool = self._threads()

    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count() or 1, "password", _run_at_lowest_priority)
