"""Checking a user's name and password: the one place for every way to log in."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, EventType, Origin, record
from app.clock import Clock
from app.database.engines import Database
from app.errors import LoginRefused
from app.identity.profile import EMAIL_MAX_LENGTH, USERNAME_MAX_LENGTH
from app.identity.users import (
    Account,
    find_account,
    find_username_by_email,
    replace_password_hash,
)
from app.login.password_kinds import PasswordKinds
from app.login.stand_ins import StandIn, StandInKind
from app.login.throttle import Attempt, LoginThrottle, attempt_of
from app.login.uninterrupted import Uninterrupted
from app.security.passwords import PasswordHasher

if TYPE_CHECKING:
    from app.telemetry.metrics import Metrics

SUCCEEDED = "succeeded"
NOT_TRIED = "queue full"
"""What came of an attempt, as it is counted; any other outcome is the reason of a failure."""


class UserDisabledError(LoginRefused):
    """The password is right, and its user disabled: to the caller the same as a wrong one."""

    def __init__(self, account: Account) -> None:
        """``account`` is the user's, who has proven it."""
        super().__init__("wrong", reason="disabled user")
        self.account = account


@dataclass(frozen=True)
class LoginContext:
    """Where and how a login is attempted."""

    door: str
    """What takes the password, as audit events and metrics name it."""
    origin: Origin
    client_id: str | None = None
    device: str | None = None
    """The secret by which a browser is recognised."""
    known: bool = False
    """Whether the user is logged in and confirms it: then the name is theirs, and no address."""


@dataclass(frozen=True)
class Proof:
    """Whose credentials were right."""

    account: Account
    stand_in: StandIn | None
    """What was typed in place of the password, if it was."""

    @property
    def scopes(self) -> frozenset[str]:
        """What a login that begins with it can have."""
        own = self.account.scopes
        return own if self.stand_in is None else own & self.stand_in.scopes


@dataclass
class LoginAttempt:
    """An attempt to log in as a user. It counts as failed unless it succeeds."""

    context: LoginContext
    account: Account | None
    outcome: str = NOT_TRIED
    new_hash: str | None = None
    """Replaces a stored hash that is outdated."""

    def succeed(self, new_hash: str | None = None) -> None:
        """The credentials are the user's."""
        self.outcome, self.new_hash = SUCCEEDED, new_hash

    def fail(self, reason: str) -> None:
        """The credentials are wrong, or the user may not log in. The reason is a fixed phrase."""
        self.outcome = reason


class Authenticator:
    """Checks names and passwords against the database, and records failures."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHasher,
        throttle: LoginThrottle,
        clock: Clock,
        metrics: "Metrics | None" = None,
        *,
        by_email: bool = False,
        stand_ins: Sequence[StandInKind] = (),
        not_for_stand_ins: Collection[str] = (),
    ) -> None:
        """Nothing is read yet. ``metrics`` count every attempt once, by door and outcome.

        With ``by_email`` a verified address is taken where a user name is. ``stand_ins`` are taken
        by :meth:`authenticate_at_client` alone, and permit no scope that is ``not_for_stand_ins``.
        """
        self._stand_ins = stand_ins
        self._not_for_stand_ins = not_for_stand_ins
        self._by_email = by_email
        self._database = database
        self._throttle = throttle
        self._passwords = passwords
        self._kinds = PasswordKinds(database, passwords, clock)
        self._clock = clock
        self._metrics = metrics
        self.uninterrupted = Uninterrupted()
        """For whoever uses :meth:`attempt`: it is not to be cancelled halfway."""

    async def authenticate(self, username: str, password: str, context: LoginContext) -> Account:
        """The user of that name, if ``password`` is theirs.

        A stored hash of another kind or cost than is configured now is replaced.

        Every failure costs the same hashes: see :meth:`PasswordHasher.verify`. An impossible name
        costs nothing, and neither does an attempt that comes too soon. Once started, an attempt is
        finished, even if this is cancelled. Raises :class:`LoginRefused`.
        """
        proof = await self.uninterrupted.run(self._authenticate(username, password, context))
        return proof.account

    async def authenticate_at_client(
        self, username: str, password: str, context: LoginContext
    ) -> Proof:
        """Like :meth:`authenticate`; also takes what stands in for the password at the client.

        Raises :class:`LoginRefused`, for a stand-in that is not good as for a wrong password.
        """
        kind = next((each for each in self._stand_ins if each.has_form(password)), None)
        return await self.uninterrupted.run(self._authenticate(username, password, context, kind))

    async def _authenticate(
        self,
        username: str,
        password: str,
        context: LoginContext,
        kind: StandInKind | None = None,
    ) -> Proof:
        async with self.attempt(username, context, stand_in=password if kind else None) as attempt:
            account = attempt.account
            enabled = account is not None and account.enabled
            found: StandIn | str = "wrong password"
            if kind is not None:
                found = await self._find_stand_in(kind, password, attempt)
            if account is not None and enabled and isinstance(found, StandIn):
                attempt.succeed()
                return Proof(account, found)
            # One that is not good costs what any other failure does.
            stored = account.password_hash if account else None
            kinds = await self._kinds.in_use()
            matches, new_hash = await self._passwords.verify(
                password, stored, kinds=kinds, enabled=enabled
            )
            if account is not None and enabled and matches:
                attempt.succeed(new_hash)
                return Proof(account, None)
            if account is None:
                refusal = LoginRefused("wrong", reason="unknown user")
            elif matches or isinstance(found, StandIn):
                refusal = UserDisabledError(account)
            else:
                refusal = LoginRefused("wrong", reason=found)
            attempt.fail(refusal.reason)
            raise refusal

    async def _find_stand_in(
        self, kind: StandInKind, secret: str, attempt: LoginAttempt
    ) -> StandIn | str:
        user_id = attempt.account.id if attempt.account else None
        client_id = attempt.context.client_id or ""
        async with self._database.read() as connection:
            found = await kind.find(connection, secret, user_id, client_id, self._clock.now())
        if isinstance(found, StandIn):
            return replace(found, scopes=found.scopes.difference(self._not_for_stand_ins))
        return found

    @asynccontextmanager
    async def attempt(
        self, username: str, context: LoginContext, *, stand_in: str | None = None
    ) -> AsyncGenerator[LoginAttempt]:
        """Start an attempt, and record its outcome when the block ends.

        An attempt that neither succeeds nor fails is uncounted: its credentials were not checked.
        ``stand_in`` is what was typed, where it may stand in for the password.
        Raises :class:`LoginRefused` for an impossible name, and while too many attempts have
        failed.
        """
        if (
            self._by_email
            and not context.known
            and "@" in username
            and len(username) <= EMAIL_MAX_LENGTH
        ):
            # Before anything is counted: under both names, an account would have twice the tries.
            async with self._database.read() as connection:
                username = await find_username_by_email(connection, username) or username
        if len(username) > USERNAME_MAX_LENGTH:
            self._count(context, "impossible name")
            raise LoginRefused("wrong", reason="the name is too long")
        counted = attempt_of(username, context.origin.address, context.device, stand_in=stand_in)
        with self._throttle.under_way(counted):
            try:
                async with self._database.read() as connection:
                    account = await find_account(connection, username)
                    await self._throttle.look_up(connection, counted, self._clock.now())
                await self._throttle.count(counted, self._clock.now())
            except LoginRefused:
                self._count(context, "throttled")
                raise
            attempt = LoginAttempt(context, account)
            try:
                yield attempt
            finally:
                await self._settle(attempt, counted)
                self._count(context, attempt.outcome)

    async def _settle(self, attempt: LoginAttempt, counted: Attempt) -> None:
        if attempt.outcome == NOT_TRIED:
            if counted.counts:
                await self._database.transact(
                    lambda connection: self._throttle.withdraw(connection, counted)
                )
        elif attempt.outcome != SUCCEEDED:
            await self._database.transact(
                lambda connection: self._fail(connection, attempt, counted)
            )
        elif attempt.new_hash is not None or not counted.leaves_no_trace:
            await self._database.transact(
                lambda connection: self._succeed(connection, attempt, counted)
            )

    async def _fail(
        self, connection: AsyncConnection, attempt: LoginAttempt, counted: Attempt
    ) -> None:
        now = self._clock.now()
        locked = await self._throttle.failed(connection, counted, now)
        events = [_event("login.failed", attempt, reason=attempt.outcome)]
        events += [_event("login.locked", attempt, by=what) for what in locked]
        await record(connection, now, *events)

    async def _succeed(
        self, connection: AsyncConnection, attempt: LoginAttempt, counted: Attempt
    ) -> None:
        await self._throttle.succeeded(connection, counted, self._clock.now())
        if attempt.account is not None and attempt.new_hash is not None:
            await replace_password_hash(connection, attempt.account, attempt.new_hash)

    def _count(self, context: LoginContext, outcome: str) -> None:
        if self._metrics is not None:
            self._metrics.login(context.door, outcome)

    async def close(self) -> None:
        """Wait for the attempts that are under way."""
        await self.uninterrupted.close()


def _event(event_type: EventType, attempt: LoginAttempt, **details: str) -> Event:
    # What was typed as a name is not written down: it may be a password.
    return Event(
        type=event_type,
        user_id=attempt.account.id if attempt.account else None,
        client_id=attempt.context.client_id,
        origin=attempt.context.origin,
        details={"door": attempt.context.door, **details},
    )
