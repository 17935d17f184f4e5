"""The authorization code flow, OpenID Connect, and where people meet this server in a browser.

``/authorize`` and its code, the pages to log in, to allow, to log out, and the account page; and
``/userinfo`` with the discovery document.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.feature import Feature
from app.features.authorization_code.ending import ALONG, expired
from app.features.authorization_code.model import (
    AuthorizationCode,
    BrowserSession,
    Consent,
    PendingAuthorization,
)
from app.identity.grant_types import offer_grants
from app.login.endings import end_along
from app.message import Message
from app.oauth2.grants import FILES as OF_THE_CORE
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter

ACCOUNT = (Message("Go to your account"), "account")
"""A way on, for whoever has come from nowhere."""

DESCRIPTION = """
An OAuth2 authorization server with the password grant, the authorization code flow and OpenID
Connect, and a resource server behind it. Log in, and try the operations with a padlock. Users see
their sessions and applications at [/account](account).
"""

offer_grants([*OF_THE_CORE, "authorization_code"])  # sentences list the core's first
end_along(ALONG)


def _endpoints(server: Any, grants: Mapping[str, Any]) -> Sequence["APIRouter"]:
    from app.features.authorization_code.routers import routers  # the command line needs none

    return routers(server, grants)


def _grants(_settings: Settings) -> Sequence[Any]:
    from app.features.authorization_code.grant import GRANT  # the command line needs no grants

    return [GRANT]


def _metadata(settings: Settings) -> Mapping[str, Any]:
    from app.features.authorization_code.discovery import metadata

    return metadata(settings)


async def _find_visitor(server: Any, request: Any) -> uuid.UUID | None:
    from app.features.authorization_code.browser import find_visitor

    return await find_visitor(server, request)


feature = Feature(
    name="authorization_code",
    tables=[BrowserSession, PendingAuthorization, AuthorizationCode, Consent],
    endpoints=_endpoints,
    grants=_grants,
    metadata=_metadata,
    find_visitor=_find_visitor,
    description=DESCRIPTION,
    home=ACCOUNT,
    expired=expired,
)
