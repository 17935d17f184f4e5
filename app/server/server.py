"""What one worker holds for all its requests. Routes ask for it in :mod:`app.web.dependencies`."""

import asyncio
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import InstrumentedAttribute

from app import NAME
from app.audit.batch import AuditBatch
from app.audit.trail import NOWHERE, Origin
from app.clock import Clock
from app.database.engines import Database
from app.database.faults import NOT_MIGRATED
from app.database.privileges import missing_privileges
from app.database.schema import find_revisions, state_of
from app.feature import AccountSection, Feature, LoginLink
from app.identity.clients import Clients
from app.identity.resources import Resources
from app.identity.scopes import BUILT_IN, Scopes
from app.identity.users import forget_scopes_via_others
from app.log import get_logger
from app.login.admission import Admits, admitting
from app.login.authentication import Authenticator
from app.login.claims import MoreClaims, Subject, gather
from app.login.client_throttle import ClientThrottle
from app.login.logins import LiveLogins
from app.login.notices import Notice, PasswordChanged
from app.login.throttle import LoginThrottle
from app.login.user_keys import KeyKind
from app.login.ways import LoginWay
from app.management.users import Revoke
from app.security.encryption import Encryption, UndecryptableError
from app.security.form_tokens import FormTokens
from app.security.jwt import Algorithm
from app.security.passwords import PasswordHasher, PasswordRules
from app.server.second_factors import SecondFactors
from app.settings import Settings, SettingsError
from app.tokens.access_tokens import AccessTokens
from app.tokens.id_tokens import IdTokens
from app.tokens.key_rotation import (
    DEFAULT_ID_TOKEN_ALGORITHM,
    ensure_signing_key,
    renew_encryption,
)
from app.tokens.keys import KeyRing
from app.tokens.refreshes import Refreshes

if TYPE_CHECKING:
    from app.telemetry.metrics import Metrics

log = get_logger(NAME)

CLOSING_STEP = 3.0
"""Seconds for each of the things that a server waits for when it closes."""

CLOSING_TIMEOUT = 3 * CLOSING_STEP
"""Seconds for all of them."""

Phase = Literal["starting", "serving", "stopping"]
"""Whether requests are answered yet, and whether proxies should look for another server."""


class Server:
    """Settings, clock, database, and what is kept in memory. Nothing here is the only copy."""

    def __init__(self, settings: Settings, clock: Clock, features: Sequence[Feature] = ()) -> None:
        """Open nothing yet: see :meth:`start`."""
        self.phase: Phase = "starting"
        self.features = features
        self.settings = settings
        self.clock = clock
        self.database = Database.of(settings)
        self.encryption = Encryption(settings.secret_keys)
        self.form_tokens = FormTokens(settings.secret_keys)
        self.passwords = PasswordHasher(
            settings.password_hash_memory_kib,
            settings.password_hash_time,
            settings.password_hash_parallelism,
            settings.login_queue,
            settings.password_peppers,
        )
        self.password_rules = PasswordRules(settings.password_min_length, settings.service_name)
        self.keys = KeyRing(self.database, self.encryption, clock)
        self.access_tokens = AccessTokens(settings, self.keys, clock)
        self.id_tokens = IdTokens(settings, self.database, self.encryption, self.keys, clock)
        grace = timedelta(seconds=settings.refresh_reuse_grace)
        self.refreshes = Refreshes(self.database, grace)
        throttle = LoginThrottle(settings, self.database)
        self.metrics = _metrics(settings)
        self.authenticator = Authenticator(
            self.database,
            self.passwords,
            throttle,
            clock,
            self.metrics,
            by_email=settings.login_by_email,
            stand_ins=[each.stand_in for each in features if each.stand_in],
            not_for_stand_ins=self.credential_scopes,
        )
        self.audit_batch = AuditBatch(self.database)
        self.live_logins = LiveLogins(self.database)
        self.clients = Clients(self.database, clock)
        self.client_throttle = ClientThrottle(settings, self.database, clock)
        self.scopes = Scopes(self.database, clock)
        self.second_factors = SecondFactors(settings, self.database, clock, features, self.notify)
        kinds = [each.bearer_keys(settings) for each in features if each.bearer_keys]
        self._key_kinds = [kind for kind in kinds if kind is not None]
        sources = [each.claims for each in features if each.claims]
        self._claim_sources = [source(self.database, clock) for source in sources]
        self.resources = Resources()
        for feature in features:
            if feature.resources:
                self.resources = feature.resources(self.database, clock)
        introductions = [
            each.introduce(settings, self.database, clock, self.resources)
            for each in features
            if each.introduce
        ]
        self._introductions = [each for each in introductions if each is not None]

    async def start(self) -> None:
        """Check what must be true before the first request; make the first signing key.

        Raises :class:`SettingsError` with one line that says what to do.
        """
        if state_of(await find_revisions(self.database)) in ("missing", "older"):
            raise SettingsError(NOT_MIGRATED)
        async with self.database.read() as connection:
            if refused := await missing_privileges(connection):
                raise SettingsError(
                    f"the account of the database may not use {', '.join(refused)}: "
                    "see docs/operations.md, SQL for a database administrator"
                )
        try:
            renewals = [each.renew for each in self.features if each.renew]
            await renew_encryption(self.database, self.encryption, renewals)
        except UndecryptableError:
            raise SettingsError(
                "LATCHKEY_SECRET_KEY is not the key that the signing keys are encrypted with: "
                "add the older one after a comma"
            ) from None
        await forget_scopes_via_others(self.database, [each.name for each in self.features])
        for alg in self.signing_algorithms:
            await ensure_signing_key(self.database, self.encryption, alg, self.clock)
        # What is parsed now is known also when another server has encrypted it under a new secret.
        await self.keys.public()
        self.keys.forget()
        if self.settings.docs == "login" and not any(each.find_visitor for each in self.features):
            raise SettingsError(
                "LATCHKEY_DOCS=login takes a page to log in, which no feature here has: "
                "set it to true or false"
            )
        default = self.settings.default_client_id
        client = await self.clients.find(default) if default else None
        if client is not None and not client.is_public:
            raise SettingsError("LATCHKEY_DEFAULT_CLIENT_ID must be the id of a public client")

    async def introduce(self, client_id: str, origin: Origin) -> None:
        """Make a client known that nobody has registered, if a feature knows it.

        Raises :class:`~app.identity.clients.UnknownClientError`.
        """
        for introduce in self._introductions:
            if await introduce(client_id, origin):
                self.clients.forget(client_id)

    @property
    def published_by_features(self) -> Mapping[str, Any]:
        """What features add to the metadata of this server."""
        members: dict[str, Any] = {"acr_values_supported": self.second_factors.acr_values}
        for each in self.features:
            members |= each.metadata(self.settings) if each.metadata else {}
        return members

    @property
    def signing_algorithms(self) -> frozenset[Algorithm]:
        """What this server cannot do without a key for."""
        return frozenset({self.settings.access_token_alg, DEFAULT_ID_TOKEN_ALGORITHM})

    def find_key_kind(self, token: str) -> KeyKind | None:
        """The kind of key that ``token`` may be, where such keys are taken as bearer tokens."""
        return next((kind for kind in self._key_kinds if kind.has_form(token)), None)

    @property
    def credential_scopes(self) -> frozenset[str]:
        """With what credentials are made: nothing that stands in for a password gets it."""
        return frozenset().union(*(each.credential_scopes for each in self.features))

    @property
    def built_in_scopes(self) -> frozenset[str]:
        """What the routes ask for."""
        return BUILT_IN.union(*({*each.scopes, *each.management_scopes} for each in self.features))

    @property
    def scope_holders(self) -> Mapping[str, InstrumentedAttribute[str]]:
        """What can have a scope, besides users and clients."""
        return {
            name: column for each in self.features for name, column in each.scope_holders.items()
        }

    @property
    def home(self) -> tuple[str, str] | None:
        """Where a page leads somebody who has come from nowhere."""
        return next((each.home for each in self.features if each.home), None)

    async def find_visitor(self, request: object) -> uuid.UUID | None:
        """The user who is logged in in the browser of a request, if a feature knows."""
        for feature in self.features:
            if feature.find_visitor:
                return await feature.find_visitor(self, request)
        return None

    @cached_property
    def account_sections(self) -> Sequence[AccountSection]:
        """What the features add to the account page."""
        sections = [each.account(self.settings) for each in self.features if each.account]
        return [section for section in sections if section is not None]

    @cached_property
    def login_ways(self) -> Sequence[LoginWay]:
        """How somebody can log in on the login page without a password."""
        ways = [each.login_way(self.settings) for each in self.features if each.login_way]
        return [way for way in ways if way is not None]

    @cached_property
    def login_links(self) -> Sequence[LoginLink]:
        """What the features add to the login page."""
        links = [each.login_links(self.settings) for each in self.features if each.login_links]
        return [link for some in links for link in some]

    @cached_property
    def prompts(self) -> Mapping[str, str]:
        """Values of ``prompt`` that features add, and the page that each leads to."""
        return {link.prompt: link.path for link in self.login_links if link.prompt}

    async def notify(self, connection: AsyncConnection, notice: Notice) -> None:
        """Let the features tell a user what happens in this transaction."""
        for feature in self.features:
            if feature.notify:
                await feature.notify(connection, self.settings, notice)

    async def find_way_back(self, connection: AsyncConnection, user_id: uuid.UUID) -> str | None:
        """The path of a page for a user who is disabled, if a feature has one for them."""
        for feature in self.features:
            if feature.way_back:
                path = await feature.way_back(connection, user_id, self.clock.now())
                if path is not None:
                    return path
        return None

    async def more_claims(self, subject: Subject) -> MoreClaims:
        """What features tell of ``subject``."""
        return await gather(self._claim_sources, subject)

    @cached_property
    def admits(self) -> Admits:
        """Whether a user may log in at a client."""
        conditions = [each.admits for each in self.features]
        return admitting([each for each in conditions if each is not None])

    @property
    def at_password_reset(self) -> Sequence[Revoke]:
        """What follows when somebody else gives a user another password; they hear of it, too."""
        revocations = [each.revoke for each in self.features if each.revoke]
        return [*revocations, self._tell_of_reset]

    async def _tell_of_reset(
        self, connection: AsyncConnection, user_id: uuid.UUID, now: datetime
    ) -> Mapping[str, Any]:
        notice = PasswordChanged(user_id=user_id, at=now, origin=NOWHERE, by_user=False)
        await self.notify(connection, notice)
        return {}

    async def close(self) -> None:
        """Let go of connections and threads; what does not let go in time is left behind."""
        await _in_time("logins under way", self.authenticator.close())
        await _in_time("audit events", self.audit_batch.close())
        self.passwords.close()
        await _in_time("connections", self.database.close())


async def _in_time(what: str, closing: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(CLOSING_STEP):
            await closing
    except TimeoutError:
        log.error("the end was not waited for any longer", what=what)


def _metrics(settings: Settings) -> "Metrics | None":
    if not settings.metrics:
        return None
    # Imported only now: it takes longer than most commands of the command line.
    from app.telemetry.metrics import Metrics

    return Metrics()
