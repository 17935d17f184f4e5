"""What a feature is: one object, which says everything that its folder brings.

``app/features/__init__.py`` lists the features. :mod:`app.main` and :mod:`app.__main__` hand the
list down, and whoever serves, purges, re-encrypts, seeds or asks goes over it.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, SQLColumnExpression
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app.audit.trail import FeatureEventType, Origin
from app.clock import Clock
from app.database.engines import Database
from app.database.expired import Expired, Progress
from app.identity.resources import Resources
from app.identity.users import Account
from app.login.claims import ClaimSource
from app.login.notices import Notice, Notify
from app.login.second_step import Factor, SecondStepPolicy
from app.login.stand_ins import StandInKind
from app.login.user_keys import KeyKind
from app.login.ways import LoginWay
from app.management.authority import Actor
from app.management.kinds import Kind
from app.models import Base
from app.posture import Finding
from app.settings import Settings

if TYPE_CHECKING:
    # A command needs no routes, and a worker no commands.
    from fastapi import APIRouter
    from typer import Typer

    from app.management.users import Revoke
    from app.tokens.key_rotation import Renew


Introduce = Callable[[str, Origin], Awaitable[bool]]
"""Makes the client of an id known, which an authorization request from there names; tells whether
it wrote anything. Raises :class:`~app.identity.clients.UnknownClientError`."""

Background = Callable[[Settings, Database, Clock], AbstractAsyncContextManager[None]]
"""What a worker does beside its requests, until the block ends."""


WayBack = Callable[[AsyncConnection, uuid.UUID, datetime], Awaitable[str | None]]
"""The path of a page for the user of that id, if there is one for them: see
:mod:`app.features.authorization_code.way_back`."""

Purge = Callable[[Database, Clock, Notify, Progress], Awaitable[Mapping[str, int]]]
"""Returns how many rows it deleted of each table."""

Export = Callable[[AsyncConnection, uuid.UUID, int], Awaitable[Mapping[str, Any]]]
"""Members for a JSON document about the user of that id, each list of at most so many rows. Without
any secret, or the hash of one."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What a feature adds to the demo data, whose secrets the documents print."""

    client_scopes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """More scopes of a demo client, by its id."""
    default_scopes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """More default scopes of a demo client, by its id."""
    give_to_alice: Callable[[Actor, Settings, Account], Awaitable[None]] | None = None
    """Give alice, who was just added, what the feature has for a user."""
    is_present: Callable[[AsyncConnection], Awaitable[bool]] | None = None
    """Whether a secret of the feature that the documents print opens something here."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to type in ``/docs``, by the name of the security scheme."""


@dataclass(frozen=True, kw_only=True)
class LoginLink:
    """A way on for somebody who cannot log in."""

    text: str
    path: str
    """Relative to the login page; it gets the parameter ``request`` of a pending request."""
    prompt: str = ""
    """The value of ``prompt`` with which an authorization request leads there at once."""


@dataclass(frozen=True, kw_only=True)
class AccountAction:
    """What a form in a section of the account page asks for, by its field ``action``."""

    act: Callable[[Actor, Settings, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
    """Do what the form says, in a transaction that holds the user, who is the actor.

    What it returns is put into the section this once, such as a secret that was just made. Raises
    a :class:`~app.errors.Problem`, which the page tells.
    """
    takes_password: bool = False
    """Whether the form has the field ``current_password``, which is checked first."""
    takes_strong_login: bool = False
    """Whether it takes a login as strong as one of the user has to be now, as what takes the
    password does."""
    notice: str = ""
    """What the page says when it was done."""


@dataclass(frozen=True, kw_only=True)
class AccountSection:
    """A part of the account page."""

    template: str
    """Its path below ``app/features``."""
    load: Callable[[AsyncConnection, Settings, uuid.UUID, datetime], Awaitable[Mapping[str, Any]]]
    """What the template shows of the user of that id at that time."""
    actions: Mapping[str, AccountAction]


@dataclass(frozen=True, kw_only=True)
class Feature:
    """What one folder of ``app/features`` brings. Every field but the name is optional."""

    name: str
    """The name of its folder, here and in ``tests/features``."""
    requires: Sequence["Feature"] = ()
    """The features that it imports: they cannot be deleted without it."""
    tables: Sequence[type[Base]] = ()
    scopes: Sequence[str] = ()
    """What its routes ask for: a migration adds them, and alice of the demo data has them."""
    management_scopes: Sequence[str] = ()
    """Those that a migration adds as well, and alice does not have: who manages gives them."""
    credential_scopes: Sequence[str] = ()
    """Those of its scopes with which credentials are made, which no stand-in for a password gets:
    what was made with it would outlive it."""
    event_types: Sequence[FeatureEventType] = ()
    activity: Mapping[FeatureEventType, str] = field(default_factory=dict)
    """What the account page calls those events that are about a user; empty for one that is of no
    interest to them. One that is not there is called by its type."""
    routers: Callable[[Settings, Clock], Sequence["APIRouter"]] | None = None
    endpoints: Callable[[Any, Mapping[str, Any]], Sequence["APIRouter"]] | None = None
    """Routers that are asked for as often as those of the protocol, and stand with them. It takes
    the ``app.server.Server`` and its grants by name, each an ``app.oauth2.grant.Grant``."""
    find_visitor: Callable[[Any, Any], Awaitable[uuid.UUID | None]] | None = None
    """The id of the user who is logged in in the browser that a request to an
    ``app.server.Server`` comes from. A feature that knows has a page to log in, at ``/login``."""
    description: str = ""
    """What the OpenAPI document says of the whole server: one feature says."""
    home: tuple[str, str] | None = None
    """Where a page leads somebody who has come from nowhere: the text of a link, and its path."""
    samples: Mapping[str, str] = field(default_factory=dict)
    """Groups of operations that are samples, with a sentence: ``/docs`` shows them last."""
    docs_scripts: Callable[[Settings], Sequence[str]] | None = None
    """Addresses of scripts, relative to ``/docs``, that add something to the page there."""
    admits: ColumnElement[bool] | None = None
    """Whether a user may log in at a client, in SQL on the parameters of
    ``app/login/conditions.py``; nobody may at whom one feature refuses."""
    factors: Callable[[Settings], Sequence[Factor]] | None = None
    """What users can show beside their password."""
    second_step: Callable[[Settings], SecondStepPolicy | None] | None = None
    """Who has to show more than a password, and how they are asked: one feature says."""
    required_level: SQLColumnExpression[int] | None = None
    """The least that a login of the user has to reach, or NULL, in the same SQL."""
    grants: Callable[[Settings], Sequence[Any]] | None = None
    """More grants of ``POST /token``: each is an ``app.oauth2.grant.Grant``, which stands above."""
    export: Export | None = None
    """What it has of a user, for whoever takes their data away."""
    claims: Callable[[Database, Clock], ClaimSource] | None = None
    """What it tells of users and clients in tokens and at ``/userinfo``."""
    bearer_keys: Callable[[Settings], KeyKind | None] | None = None
    """What is taken where an access token is, if these settings want it to be."""
    stand_in: StandInKind | None = None
    """What is taken at ``/token`` where a password is, from one client alone."""
    notify: Callable[[AsyncConnection, Settings, Notice], Awaitable[None]] | None = None
    """Tell a user what happened to their account, once the transaction has committed."""
    way_back: WayBack | None = None
    """Where somebody can go on who is disabled and has typed the right password at ``/login``."""
    login_way: Callable[[Settings], LoginWay | None] | None = None
    """How somebody can log in on the login page without a password, if these settings want it."""
    login_links: Callable[[Settings], Sequence[LoginLink]] | None = None
    """Links below the form of the login page."""
    account: Callable[[Settings], AccountSection | None] | None = None
    """Its part of the account page, if these settings want one."""
    metadata: Callable[[Settings], Mapping[str, Any]] | None = None
    """What the documents of RFC 8414 and OpenID Connect Discovery say of it."""
    introduce: Callable[[Settings, Database, Clock, Resources], Introduce | None] | None = None
    """What makes clients known that nobody has registered, if these settings want it."""
    commands: Callable[[], Mapping[str, "Typer"]] = dict
    """Commands by their noun, which may be one that is there already, such as ``users``. They
    are also listed in ``app/features/__init__.py``."""
    kinds: Sequence[Kind[Any]] = ()
    """What a file of ``latchkey apply`` can declare, in the order in which it is brought about."""
    scope_holders: Mapping[str, InstrumentedAttribute[str]] = field(default_factory=dict)
    """Columns that keep a scope from being deleted, by what an error calls their rows."""
    revoke: "Revoke | None" = None
    """What ends when somebody else gives a user another password."""
    renew: "Renew | None" = None
    """Encrypt what is stored under the newest ``LATCHKEY_SECRET_KEY``."""
    expired: Callable[[Settings, datetime], Sequence[Expired]] | None = None
    """What a purge at that time deletes."""
    purge: Purge | None = None
    """What else a purge does, where it takes more than deleting rows."""
    background: Background | None = None
    """What goes on beside the requests, in each worker for as long as it serves."""
    resources: Callable[[Database, Clock], Resources] | None = None
    """What tokens can be for beside ``LATCHKEY_AUDIENCE``: one feature says."""
    examine: Callable[[AsyncConnection, Settings, datetime], AsyncIterator[Finding]] | None = None
    """What the doctor finds open."""
    demo: Demo = Demo()
