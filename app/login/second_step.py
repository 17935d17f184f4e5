"""What a user has to show after the right password: the seam for features that ask for more.

The core asks for a password alone. A feature asks for more, by ``second_step`` of
:class:`~app.feature.Feature`, of what it and others bring as ``factors``.
"""

import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, SQLColumnExpression, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import NOWHERE, Origin
from app.clock import Clock
from app.database.engines import Database
from app.login.conditions import USER_ID
from app.login.notices import Notify
from app.login.strength import PASSWORD_ALONE, Level
from app.message import Message
from app.settings import Settings

WRONG_CODE = Message("The code is wrong, or was used before.")


@dataclass(frozen=True, kw_only=True)
class Proving:
    """A user who is logging in, held by the transaction: what is proven so far, and what for."""

    user_id: uuid.UUID
    security_stamp: str
    """Of the user, whose password was right under it."""
    amr: Sequence[str]
    """The methods of RFC 8176 that were shown."""
    client_id: str | None
    """None for the pages of this server itself."""
    scopes: Collection[str] = ()
    """What the login is to be granted, if it is known."""
    resources: Sequence[str] = ()
    requested: str = ""
    """The parameter ``scope`` as it came, of which ``scopes`` is what the user has."""
    level: Level = Level.ANY
    """The least that the client asks for."""
    origin: Origin = NOWHERE
    browser: str | None = field(default=None, repr=False)
    """The secret by which a browser is recognised; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class SecondStep:
    """What a user still has to show before they are logged in."""

    page: str
    """The path of the page that asks a browser for it."""
    methods: Sequence[str] = ()
    """With what it can be shown elsewhere; none if it takes a browser."""
    token: str = field(default="", repr=False)
    """With which it is shown elsewhere: a secret, empty without methods."""
    told: str
    """What a program is told, in a sentence."""


Prove = Callable[[AsyncConnection], Awaitable[Sequence[str]]]
"""Judges in the transaction of the login, which holds the user; returns the ``amr``."""


async def by_password(_connection: AsyncConnection) -> Sequence[str]:
    """The password was right, and nothing else was shown."""
    return PASSWORD_ALONE


FindSecondStep = Callable[[AsyncConnection, Proving], Awaitable[SecondStep | None]]


async def ask_for_nothing(_connection: AsyncConnection, _proving: Proving) -> None:
    """What is so without a feature that asks for more."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What came in place of a password, to be judged in the transaction of the login."""

    connection: AsyncConnection = field(repr=False)
    settings: Settings = field(repr=False)
    user_id: uuid.UUID
    """Held by the transaction."""
    fields: Mapping[str, str] = field(repr=False)
    """Of the form."""
    client_id: str | None
    origin: Origin
    clock: Clock = field(repr=False)
    notify: Notify = field(repr=False)
    browser: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A factor that a user has got."""

    amr: Sequence[str]
    """What it adds to that of the login: the user has just shown it."""
    recovery_codes: Sequence[str]
    """To show this once, if there are any."""


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """How a user gets a factor in the middle of a login."""

    template: str
    """The page for it, below ``app/features``: its form is sent where a factor is shown."""
    load: Callable[
        [AsyncConnection, Settings, uuid.UUID, str, datetime], Awaitable[Mapping[str, object]]
    ]
    """What the page shows to the user of that id, in the browser of that secret, at a time."""
    confirm: Callable[[Shown], Awaitable[Enrolled]]
    """Judges the form that came. Raises :class:`~app.errors.InvalidError`."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """Something that users can show beside their password."""

    method: str
    """Its name in ``mfa_methods``, and of the field of a form in which it is shown."""
    level: Level
    """What a login reaches with it."""
    elsewhere: bool
    """Whether a program without a browser can pass it on."""
    template: str
    """The part of the page that asks for it, below ``app/features``."""
    has: ColumnElement[bool]
    """Whether the user has it, and could show it: SQL on :data:`~app.login.conditions.USER_ID`."""
    prove: Callable[[Shown], Awaitable[Sequence[str] | None]]
    """The methods of RFC 8176 that it adds to ``amr``; None if what was shown is wrong. Raises
    :class:`~app.errors.LoginRefused` where the trail is to say more of why."""
    reset: Callable[[AsyncConnection, uuid.UUID], Awaitable[bool]]
    """Take it from the user of that id; False if they do not have it."""
    load: (
        Callable[
            [AsyncConnection, Settings, uuid.UUID, str, datetime], Awaitable[Mapping[str, object]]
        ]
        | None
    ) = None
    """What ``template`` shows to the user of that id, in the browser of that secret, at a time."""
    wrong: str = WRONG_CODE
    """What the page says when it is refused."""
    enrolment: Enrolment | None = None
    """How whoever has to have it gets it, if it can be got on the way."""
    fallback: bool = False
    """Whether it only stands in for a lost one: nobody has to show it because they have it."""


async def find_factors(
    connection: AsyncConnection, factors: Sequence[Factor], user_id: uuid.UUID
) -> Sequence[Factor]:
    """Those of the ``factors`` that the user of that id has."""
    if not factors:
        return []
    query = select(*(factor.has.label(factor.method) for factor in factors))
    row = (await connection.execute(query, {USER_ID.key: user_id})).one()
    return [factor for factor, has in zip(factors, row, strict=True) if has]


def has_one(factors: Sequence[Factor]) -> ColumnElement[bool]:
    """The user has one of the ``factors`` that does not only stand in for another."""
    return or_(false(), *(factor.has for factor in factors if not factor.fallback))


@dataclass(frozen=True, kw_only=True)
class Appended:
    """What was typed behind a password, to be judged once the password is known to be right."""

    password: str = field(repr=False)
    """What is left of what was typed."""
    show: Callable[[uuid.UUID], Awaitable[Prove]] = field(repr=False)
    """Count the try of the user of that id; then it is judged in the transaction of the login.

    Raises :class:`~app.errors.LoginRefused`, and so does what it returns.
    """


Divide = Callable[[str, str, str, Origin], Awaitable[Appended | None]]
"""What was typed behind the password, by whoever has that name, at the client of that id, from
there; None where nothing is expected. Takes the client, the name and what was typed."""


async def append_nothing(
    _client_id: str, _username: str, _typed: str, _origin: Origin
) -> Appended | None:
    """What is so without a feature that expects anything."""
    return None


@dataclass(frozen=True, kw_only=True)
class SecondStepPolicy:
    """Who has to show more, and how they are asked."""

    required_level: SQLColumnExpression[int]
    """What is required of the login in particular, or NULL: SQL on the parameters of
    :mod:`app.login.conditions`."""
    level: Callable[[Settings, Proving, Level, bool], Level]
    """The least level that the login has to reach, if that much is required of it, and whether the
    user has a factor."""
    begin: Callable[
        [AsyncConnection, Settings, Sequence[Factor], Proving, datetime], Awaitable[SecondStep]
    ]
    """Ask for what the login lacks."""
    divide: Callable[[Database, Settings, Clock, Notify], Divide]
    """How a code is taken that old software sends behind the password."""
    levels_of_scopes: Callable[[AsyncConnection], Awaitable[Mapping[str, Level]]]
    """The scopes that this server's own routes open to strong logins alone."""
