"""Client authentication: RFC 6749, sections 2.3 and 3.2.1.

A client proves itself with HTTP Basic, or with ``client_id`` and ``client_secret`` in the body,
never with both. A public client only names itself. A request that names nobody comes from the
default client, if there is one.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote_plus

from starlette.requests import Request

from app.audit.trail import Event
from app.errors import InvalidClientError, InvalidRequestError
from app.identity.clients import RegisteredClient
from app.login.client_throttle import client_key
from app.server import Server
from app.web.origin import origin_of


@dataclass(frozen=True)
class Presented:
    """What a request says of its client: a method of RFC 7591, section 2, and its values."""

    method: str
    client_id: str
    secret: str | None = field(default=None, repr=False)
    as_sent: str | None = field(default=None, repr=False)
    """The secret as it was before it was decoded, where that makes a difference."""


async def authenticate_client(
    request: Request, form: Mapping[str, str], server: Server
) -> RegisteredClient:
    """The client that sent this request.

    Raises :class:`InvalidClientError`, :class:`~app.errors.LoginRefused` after too many of them,
    or :class:`InvalidRequestError` for two methods at once.
    """
    presented = _presented(request, form) or _default(server)
    client = await server.clients.find(presented.client_id)
    refusal = _refusal(client, presented, server.clock.now())
    if client is not None and refusal is None and presented.secret is None:
        return client  # nothing was proven, and nothing guessed
    origin = origin_of(request)
    known = client.client_id if client else None
    key = client_key(known, origin.address)
    await server.client_throttle.check(key)
    if client is not None and refusal is None:
        await server.client_throttle.succeeded(key)
        return client
    await server.client_throttle.failed(key)
    # An id that does not exist is not written down: it may be a secret.
    details = {"reason": refusal}
    refused = Event(type="client.refused", client_id=known, origin=origin, details=details)
    server.audit_batch.add_counted(refused, server.clock.now())
    raise InvalidClientError(reason=refusal or "")


def _refusal(client: RegisteredClient | None, presented: Presented, now: datetime) -> str | None:
    """Why the client is not who it says; None if it is."""
    if client is None:
        return "unknown or disabled"
    if presented.method not in client.auth_methods:
        return f"{presented.method} is not allowed"
    if presented.secret is None or client.has_secret(presented.secret, now):
        return None
    if presented.as_sent is not None and client.has_secret(presented.as_sent, now):
        return None
    return "wrong secret"


def _presented(request: Request, form: Mapping[str, str]) -> Presented | None:
    basic = _basic(request)
    named, secret = form.get("client_id"), form.get("client_secret")
    if basic is None:
        if named is None and secret is not None:
            raise InvalidClientError(reason="a client secret without a client id")
        if named is None:
            return None
        return Presented("client_secret_post" if secret else "none", named, secret)
    if secret is not None:
        raise InvalidRequestError(told="Use one method of client authentication.")
    if named is not None and named != basic.client_id:
        raise InvalidRequestError(told="The request names more than one client.")
    return basic


def _basic(request: Request) -> Presented | None:
    """RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.

    Most programs do not encode them. The secrets that this server makes are the same either way;
    in one that an operator has brought, a ``+`` or ``%`` counts as it was sent, too.
    """
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    if len(headers) > 1:
        raise InvalidRequestError(told="The Authorization header is repeated.")
    scheme, _, encoded = headers[0].partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientError(reason="the Authorization header is not Basic")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
        client_id, colon, sent = pair.partition(":")
        client_id = unquote_plus(client_id, errors="strict")
        # As sent, "%ff" is part of a secret; decoded, it would be no text.
        secret = unquote_plus(sent, errors="replace")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise InvalidClientError(reason="the Basic credentials cannot be read") from None
    if not colon or "\x00" in client_id:
        raise InvalidClientError(reason="the Basic credentials cannot be read")
    if not client_id and not secret:
        return None  # Swagger UI sends an empty pair when nobody typed a client
    # An id with an empty secret is how browsers' clients and some libraries say "public".
    method = "client_secret_basic" if secret else "none"
    return Presented(method, client_id, secret or None, sent if sent != secret else None)


def _default(server: Server) -> Presented:
    if not server.settings.default_client_id:
        raise InvalidClientError(reason="no client is named, and there is no default one")
    return Presented("none", server.settings.default_client_id)
