"""The parameter ``claims`` of an authorization request: OpenID Connect Core, section 5.5."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class MalformedClaimsError(ValueError):
    """The parameter is not what the section says. The text names no input."""


@dataclass(frozen=True)
class RequestedClaims:
    """What of a claims request is answered here.

    ``/userinfo`` tells all that the granted scopes permit, whatever is asked for by name. A claim
    that no granted scope permits is left out, essential or not, as section 5.5.1 allows.
    """

    in_id_token: tuple[str, ...] = ()
    """Claims by name."""
    subject: str | None = None
    """The only user who may be logged in, if one is named (sections 3.1.2.2 and 5.5.1)."""
    acr: tuple[str, ...] = ()
    """The values of ``acr`` of which any will do, if only certain ones do (section 5.5.1.1)."""


def read_claims_parameter(text: str | None) -> RequestedClaims:
    """What the parameter asks for. Raises :class:`MalformedClaimsError`."""
    if text is None:
        return RequestedClaims()
    try:
        requested = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedClaimsError("The claims must be JSON.") from None
    if not isinstance(requested, dict):
        raise MalformedClaimsError("The claims must be a JSON object.")
    in_id_token = _members(requested, "id_token")
    subjects = [
        str(wanted["value"])
        for place in (in_id_token, _members(requested, "userinfo"))
        if (wanted := place.get("sub")) is not None and "value" in wanted
    ]
    if len(set(subjects)) > 1:
        raise MalformedClaimsError("The claims name more than one sub.")
    return RequestedClaims(
        tuple(sorted(name for name in in_id_token if "\x00" not in name)),
        subjects[0] if subjects else None,
        _essential_values(in_id_token.get("acr")),
    )


def _essential_values(wanted: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The values of which a claim must have one. What is written in another way asks less."""
    if wanted is None or wanted.get("essential") is not True:
        return ()
    value, values = wanted.get("value"), wanted.get("values")
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, values)) if isinstance(values, list) else ()


def _members(requested: Mapping[str, Any], place: str) -> Mapping[str, Mapping[str, Any] | None]:
    members = requested.get(place)
    if members is None:
        return {}
    if not isinstance(members, dict):
        raise MalformedClaimsError("The members of claims must be JSON objects.")
    if not all(each is None or isinstance(each, dict) for each in members.values()):
        raise MalformedClaimsError("Each requested claim must be null or a JSON object.")
    return members
