"""Claims beside those of the core: what features say of a user, or of a client for itself.

A fork that has claims of its own to tell brings a :class:`ClaimSource`, by ``claims`` of its
:class:`~app.feature.Feature`.
"""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.identity.profile import UserInfo

PROTOCOL_CLAIMS = frozenset(
    {
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti"),  # RFC 7519, section 4.1
        *("client_id", "scope", "sid", "auth_time", "acr", "amr", "cnf", "act", "may_act"),
        *("nonce", "azp", "at_hash", "c_hash", "s_hash", "typ", "events", "authorization_details"),
        *("active", "username", "token_type"),  # RFC 7662, section 2.2
        *("address", "phone_number", "phone_number_verified"),
        *("_claim_names", "_claim_sources"),  # OpenID Connect Core 1.0, section 5.6.2
        *UserInfo.model_fields,
    }
)
"""What the protocol, or the core, says itself: nobody else ever does."""

AUTHORIZATION_CLAIMS = frozenset(
    {
        *("groups", "roles", "entitlements"),  # RFC 9068, section 2.2.3.1
        *("scp", "permissions"),  # the words of other issuers for scopes, which libraries read
    }
)
"""What resource servers decide by: a source that judges says them."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom a token or an answer is about, and what it may tell."""

    user_id: uuid.UUID | None
    """None for a client that acts for itself."""
    client_id: str | None
    """None for a key, which belongs to no client."""
    scopes: frozenset[str]
    """Those that were granted."""


@dataclass(frozen=True, kw_only=True)
class MoreClaims:
    """Claims, by where they are told."""

    access_token: Mapping[str, Any] = field(default_factory=dict)
    id_token: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def everywhere(claims: Mapping[str, Any]) -> "MoreClaims":
        """The same in all places."""
        return MoreClaims(access_token=claims, id_token=claims, userinfo=claims)


class ClaimSource(ABC):
    """Where more claims come from."""

    @abstractmethod
    async def find(self, subject: Subject) -> MoreClaims:
        """What there is to tell of ``subject`` as its scopes permit.

        It is asked for each token and each answer of ``/userinfo``: begin with what costs nothing,
        such as whether a scope was granted. A claim of the protocol is left out, whatever it says.
        """


async def tell_nothing_more(_subject: Subject) -> MoreClaims:
    """What is told where there is no source."""
    return MoreClaims()


async def gather(sources: Sequence[ClaimSource], subject: Subject) -> MoreClaims:
    """What all ``sources`` tell; of a claim that several tell, the last one's."""
    found = [await source.find(subject) for source in sources]
    return MoreClaims(
        access_token=_permitted([each.access_token for each in found]),
        id_token=_permitted([each.id_token for each in found]),
        userinfo=_permitted([each.userinfo for each in found]),
    )


def _permitted(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        name: value
        for claims in found
        for name, value in claims.items()
        if name not in PROTOCOL_CLAIMS
    }
