"""What a grant is: a name, the parameters it reads, and the exchange of a request for tokens."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.audit.batch import AuditBatch
from app.audit.trail import Origin
from app.clock import Clock
from app.database.engines import Database
from app.identity.clients import RegisteredClient
from app.identity.resources import Resources
from app.login.admission import Admits, admit_everybody
from app.login.authentication import Authenticator
from app.login.claims import MoreClaims, Subject, tell_nothing_more
from app.login.notices import Notify, notify_nobody
from app.login.second_step import (
    Divide,
    Factor,
    FindSecondStep,
    append_nothing,
    ask_for_nothing,
)
from app.oauth2.resource import Targets, find_targets
from app.settings import Settings
from app.tokens.access_tokens import AccessTokens
from app.tokens.id_tokens import IdTokens
from app.tokens.refreshes import Refreshes

if TYPE_CHECKING:
    from app.telemetry.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class TokenRequest:
    """A token request whose client is known and may use the grant, and all that a grant needs."""

    grant_type: str
    form: Mapping[str, str] = field(repr=False)
    client: RegisteredClient
    origin: Origin
    settings: Settings
    clock: Clock
    database: Database
    authenticator: Authenticator
    """Checks the password of a user."""
    access_tokens: AccessTokens
    id_tokens: IdTokens
    refreshes: Refreshes
    """Rotates refresh tokens."""
    audit_batch: AuditBatch
    """For an event that is written down with others: see :mod:`app.audit.batch`."""
    metrics: "Metrics | None" = None
    find_more_claims: Callable[[Subject], Awaitable[MoreClaims]] = tell_nothing_more
    """What features tell of a user, or of the client for itself."""
    find_second_step: FindSecondStep = ask_for_nothing
    """What a user has to show beside the password."""
    divide: Divide = append_nothing
    """What was typed behind the password, where that is expected."""
    factors: Sequence[Factor] = ()
    """What users can show beside it."""
    admits: Admits = admit_everybody
    """Whether the client is open to a user."""
    notify: Notify = notify_nobody
    """What tells a user of the login."""
    resources: Resources = field(default_factory=Resources)

    async def more_claims(self, user_id: uuid.UUID | None, scope: str) -> MoreClaims:
        """What features tell of a user, or without one of the client, who is granted ``scope``."""
        scopes = frozenset(scope.split())
        client_id = self.client.client_id
        subject = Subject(user_id=user_id, client_id=client_id, scopes=scopes)
        return await self.find_more_claims(subject)

    async def find_targets(self) -> tuple[Targets, list[str]]:
        """What the client's tokens may be for, and what this request wants one for.

        Raises :class:`~app.errors.InvalidTargetError`.
        """
        targets = await find_targets(self.settings, self.resources, self.client)
        return targets, targets.requested(self.form.get("resource", ""))


@dataclass(frozen=True)
class Grant:
    """A way to get tokens (RFC 6749, section 4)."""

    grant_type: str
    parameters: Mapping[str, Any]
    """The JSON schemas of its form's fields, for OpenAPI."""
    exchange: Callable[[TokenRequest], Awaitable[dict[str, Any]]]
    """The answer of RFC 6749, section 5.1. Raises an :class:`~app.errors.OAuth2Error`."""
    goes_with: str = ""
    """The grant that it goes on with: whoever may use that one may use this one, and no client is
    registered for this one."""

    @property
    def permitted_as(self) -> str:
        """What a client has among its ``grant_types`` to use it."""
        return self.goes_with or self.grant_type
