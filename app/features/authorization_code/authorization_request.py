"""Reading an authorization request: RFC 6749, section 4.1.1; OpenID Connect Core, 3.1.2.1.

Until the client and its redirect URI are known to be good, an error is told to the person at the
browser (:class:`UnsafeRequestError`); from then on it goes to the client
(:class:`AuthorizationError`).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from app.audit.trail import Origin
from app.errors import InvalidScopeError, InvalidTargetError
from app.features.authorization_code.authorizations import AuthorizationRequest
from app.features.authorization_code.claims_parameter import (
    MalformedClaimsError,
    read_claims_parameter,
)
from app.features.authorization_code.id_token_hint import read_hint
from app.features.authorization_code.redirect_uris import (
    is_anybodys_page,
    may_redirect_to,
    registered_uris,
)
from app.identity.clients import RegisteredClient, UnknownClientError
from app.identity.scopes import SCOPE_TOKEN
from app.languages.reader import best_of
from app.login.strength import Level, least_of
from app.message import Message
from app.oauth2.resource import find_targets
from app.oauth2.scope import split_scope
from app.posture import LegacyFeature, permits
from app.server import Server
from app.web.form import joined

MAX_VALUE_LENGTH = 4096
"""Characters of a parameter. The state comes back in an address, which has limits of its own."""

MAX_REQUEST_SIZE = 12_288
"""Bytes of a whole request as it is stored: more than twice the longest value."""

MAX_AGE_LIMIT = 2**31

RESPONSE_MODES = ("query", "fragment", "form_post")
PROMPTS = ("none", "login", "consent", "select_account")

_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")  # SHA-256 in base64url, RFC 7636, section 4.2


class UnsafeRequestError(Exception):
    """Shown to the user: there is no address that they could safely be redirected to."""


class AuthorizationError(Exception):
    """An error of RFC 6749, section 4.1.2.1, for the client at ``redirect_uri``."""

    def __init__(
        self,
        error: str,
        description: str,
        *,
        redirect_uri: str,
        state: str | None,
        response_mode: str = "query",
    ) -> None:
        """``description`` must not contain input."""
        super().__init__(description)
        self.error = error
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state
        self.response_mode = response_mode


async def read_authorization_request(
    pairs: Sequence[tuple[str, str]], server: Server, origin: Origin
) -> tuple[AuthorizationRequest, RegisteredClient]:
    """The request in ``pairs`` of parameters, which came from ``origin``, and its client.

    Raises :class:`UnsafeRequestError` or :class:`AuthorizationError`.
    """
    pairs = joined(pairs)
    # A parameter with an empty value counts as left out (RFC 6749, section 3.1).
    counts = Counter(name for name, value in pairs if value)
    parameters = {name: value for name, value in pairs if value}
    client = await _client(parameters, counts, server, origin)
    redirect_uri, given = _redirect_uri(parameters, counts, client, server)
    state = parameters.get("state") if counts["state"] == 1 else None
    mode = parameters.get("response_mode", "query")

    def refuse(error: str, description: str) -> AuthorizationError | UnsafeRequestError:
        if is_anybodys_page(client, redirect_uri):
            return UnsafeRequestError(description.removesuffix("."))
        known_mode = mode if mode in RESPONSE_MODES else "query"
        return AuthorizationError(
            error, description, redirect_uri=redirect_uri, state=state, response_mode=known_mode
        )

    if any(count > 1 for count in counts.values()):
        raise refuse("invalid_request", "A parameter is repeated.")
    if any("\x00" in value or len(value) > MAX_VALUE_LENGTH for value in parameters.values()):
        raise refuse("invalid_request", "A parameter is too long or contains NUL.")
    for name in ("request", "request_uri", "registration"):
        if name in parameters:
            raise refuse(f"{name}_not_supported", f"The parameter {name} is not supported.")
    if "response_type" not in parameters:
        raise refuse("invalid_request", "The request needs a response_type.")
    if parameters["response_type"] != "code":
        raise refuse("unsupported_response_type", "The only supported response_type is code.")
    if mode not in RESPONSE_MODES:
        raise refuse("invalid_request", "The response_mode must be query, fragment or form_post.")
    if "authorization_code" not in client.grant_types:
        raise refuse("unauthorized_client", "This client may not use this flow.")
    if problem := _pkce_problem(parameters, client, server):
        raise refuse("invalid_request", problem)
    scopes = _scopes(parameters, client)
    targets = await find_targets(server.settings, server.resources, client)
    try:
        resources = targets.requested(parameters.get("resource", ""))
        target = targets.of(resources)
    except InvalidTargetError as error:
        raise refuse(error.error, error.told) from None
    scopes = scopes and target.narrow(scopes)
    if not scopes:
        raise refuse("invalid_scope", "A requested scope is unknown or not allowed.")
    prompt = parameters.get("prompt", "").split()
    lonely = {"none", *server.prompts}
    if not set(prompt).issubset({*PROMPTS, *lonely}) or (len(prompt) > 1 and lonely & set(prompt)):
        alone = " or ".join(sorted(lonely))
        raise refuse(
            "invalid_request",
            f"The prompt must be {alone}, or any of login, consent, select_account.",
        )
    max_age = parameters.get("max_age")
    if max_age is not None and not (
        max_age.isascii() and max_age.isdigit() and int(max_age) < MAX_AGE_LIMIT
    ):
        raise refuse("invalid_request", "The max_age must be a number of seconds.")
    if "openid" in scopes and not given:
        raise refuse("invalid_request", "A request with the scope openid needs a redirect_uri.")
    try:
        claims = read_claims_parameter(parameters.get("claims"))
    except MalformedClaimsError as malformed:
        raise refuse("invalid_request", str(malformed)) from None
    level = least_of(parameters.get("acr_values", "").split(), server.second_factors.acr_values)
    if claims.acr and "openid" in scopes:
        level = least_of(claims.acr, server.second_factors.acr_values)
        if level is None:
            # OpenID Connect Core Error Code unmet_authentication_requirements 1.0, section 3.
            raise refuse("unmet_authentication_requirements", "This server promises no such acr.")
    hint = await read_hint(server, parameters.get("id_token_hint", ""))
    request = AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        redirect_uri_given=given,
        scopes=scopes,
        state=state,
        nonce=parameters.get("nonce"),
        code_challenge=parameters.get("code_challenge"),
        response_mode=mode,
        prompt=prompt,
        max_age=None if max_age is None else int(max_age),
        level=level or Level.ANY,
        login_hint=parameters.get("login_hint", ""),
        language=best_of(parameters.get("ui_locales", "").split()) or "",
        resources=resources,
        hinted_user=claims.subject or (hint[0] if hint else None),
        id_token_claims=list(claims.in_id_token),
    )
    if request.stored_size > MAX_REQUEST_SIZE:
        raise refuse("invalid_request", "The request is too long.")
    return request, client


async def _client(
    parameters: Mapping[str, str], counts: Counter[str], server: Server, origin: Origin
) -> RegisteredClient:
    if counts["client_id"] != 1:
        raise UnsafeRequestError(Message("The request must name exactly one application"))
    client_id = parameters["client_id"]
    if "\x00" not in client_id:
        try:
            await server.introduce(client_id, origin)
        except UnknownClientError as error:
            raise UnsafeRequestError(str(error)) from None
    client = None if "\x00" in client_id else await server.clients.find(client_id)
    if client is None:
        raise UnsafeRequestError(Message("The application is unknown or disabled"))
    return client


def _redirect_uri(
    parameters: Mapping[str, str], counts: Counter[str], client: RegisteredClient, server: Server
) -> tuple[str, bool]:
    """The redirect URI, and whether the request had it (RFC 6749, section 3.1.2.3)."""
    if counts["redirect_uri"] > 1:
        raise UnsafeRequestError(Message("The request names more than one address to return to"))
    registered = registered_uris(client, server.settings)
    if "redirect_uri" not in parameters:
        if len(registered) != 1:
            raise UnsafeRequestError(Message("The request does not name an address to return to"))
        return registered[0], False
    if not may_redirect_to(client, parameters["redirect_uri"], server.settings):
        raise UnsafeRequestError(
            Message("The address to return to is not registered for this application")
        )
    return parameters["redirect_uri"], True


def _pkce_problem(
    parameters: Mapping[str, str], client: RegisteredClient, server: Server
) -> str | None:
    """RFC 7636, section 4.3: S256, and no silent falling back to plain."""
    challenge, method = parameters.get("code_challenge"), parameters.get("code_challenge_method")
    if challenge is None:
        opted_out = not client.is_public and not client.require_pkce
        permitted = permits(server.settings.posture, LegacyFeature.CODE_WITHOUT_PKCE)
        if opted_out and permitted and method is None:
            return None
        return "The request needs a code_challenge (PKCE)."
    if method != "S256":
        return "The code_challenge_method must be S256."
    return None if _CHALLENGE.fullmatch(challenge) else "The code_challenge is malformed."


def _scopes(parameters: Mapping[str, str], client: RegisteredClient) -> list[str] | None:
    """The scopes to ask the user for; None if one is not allowed.

    With ``openid`` others that are unknown here, or to this client, are ignored, as OpenID Connect
    Core wants; without it they are errors, as at ``/token``.
    """
    try:
        names = split_scope(parameters.get("scope", "")) or list(client.default_scopes)
    except InvalidScopeError:
        return None
    if "openid" in client.scopes.intersection(names):
        names = [name for name in names if name in client.scopes]
    if not names or not client.scopes.issuperset(names):
        return None
    return names if all(SCOPE_TOKEN.fullmatch(name) for name in names) else None
