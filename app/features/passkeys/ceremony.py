"""The two ceremonies of WebAuthn: making a credential (level 2, section 7.1) and using it (7.2).

What a browser is asked for, and whether what it sends is good. The library checks all that the
specification lists; it knows nothing of the database.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.features.passkeys.challenges import LIFETIME
from app.features.passkeys.relying_party import RelyingParty

if TYPE_CHECKING:
    from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
    from webauthn.helpers.structs import AuthenticationCredential, RegistrationCredential
    from webauthn.registration.verify_registration_response import VerifiedRegistration

ALGORITHMS = (-7, -8, -257)
"""ES256, EdDSA and RS256, by their numbers in COSE; the first is what is liked best."""


MAX_ID_LENGTH = 1023
"""Bytes of the identifier of a credential (WebAuthn level 3, section 7.1)."""


class BadResponseError(Exception):
    """What came is no good answer. Its text is a fixed phrase, for the log."""


@dataclass(frozen=True)
class Credential:
    """A credential that an authenticator has just made."""

    credential_id: str
    """In base64url."""
    public_key: bytes = field(repr=False)
    sign_count: int
    synced: bool
    user_verified: bool
    transports: Sequence[str]


@dataclass(frozen=True)
class Assertion:
    """What a browser sends of a credential that it used: nothing of it is verified yet."""

    credential_id: str
    """In base64url."""
    challenge: str
    user_handle: bytes | None
    """Of the user for whom the credential was made, if the authenticator knows."""
    sent: "AuthenticationCredential" = field(repr=False)


@dataclass(frozen=True)
class Use:
    """A verified one."""

    user_verified: bool
    """By the authenticator: with a PIN, a finger, a face."""
    sign_count: int
    synced: bool


def creation_options(
    party: RelyingParty,
    challenge: str,
    *,
    user_handle: bytes,
    username: str,
    existing: Sequence[Mapping[str, Any]],
) -> Mapping[str, Any]:
    """What ``navigator.credentials.create()`` is asked for, as JSON.

    Without attestation: which maker's authenticator somebody has is nobody's business.
    """
    return {
        "rp": {"id": party.id, "name": party.name},
        "user": {"id": encoded(user_handle), "name": username, "displayName": username},
        "challenge": encoded(challenge.encode()),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
        "timeout": _milliseconds(),
        "excludeCredentials": list(existing),
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
    }


def request_options(
    party: RelyingParty,
    challenge: str,
    *,
    verification: str,
    allowed: Sequence[Mapping[str, Any]] = (),
) -> Mapping[str, Any]:
    """What ``navigator.credentials.get()`` is asked for, as JSON.

    ``verification`` of the user is ``required`` or ``preferred``. Without ``allowed`` credentials,
    the user chooses among those that the authenticator knows.
    """
    return {
        "rpId": party.id,
        "challenge": encoded(challenge.encode()),
        "timeout": _milliseconds(),
        "userVerification": verification,
        "allowCredentials": list(allowed),
    }


def descriptor(credential_id: str, transports: Sequence[str]) -> Mapping[str, Any]:
    """A credential in a list of options."""
    return {"type": "public-key", "id": credential_id, "transports": list(transports)}


def _milliseconds() -> int:
    return int(LIFETIME.total_seconds() * 1000)


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_challenge_of_new(sent: str) -> str:
    """The challenge that a new credential answers. Raises :class:`BadResponseError`."""
    return _challenge(_parse_new(sent).response.client_data_json)


def verify_new(sent: str, party: RelyingParty, challenge: str) -> Credential:
    """A new credential that answers ``challenge``. Raises :class:`BadResponseError`."""
    from webauthn import verify_registration_response
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    parsed = _parse_new(sent)
    try:
        made = verify_registration_response(
            credential=parsed,
            expected_challenge=challenge.encode(),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in ALGORITHMS],
        )
    except Exception as error:  # the library lets through what it stumbles over in hostile input
        raise BadResponseError("a new passkey that is not good") from error
    if len(made.credential_id) > MAX_ID_LENGTH:
        raise BadResponseError("a new passkey whose identifier is too long")
    transports = [each.value for each in parsed.response.transports or ()]
    return Credential(
        credential_id=encoded(made.credential_id),
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        synced=_is_synced(made),
        user_verified=made.user_verified,
        transports=sorted(set(transports)),
    )


def read_assertion(sent: str) -> Assertion:
    """What a browser sent of a credential that it used. Raises :class:`BadResponseError`."""
    from webauthn.helpers import parse_authentication_credential_json

    try:
        parsed = parse_authentication_credential_json(sent)
    except Exception as error:  # as above
        raise BadResponseError("an answer of a passkey that cannot be read") from error
    return Assertion(
        credential_id=encoded(parsed.raw_id),
        challenge=_challenge(parsed.response.client_data_json),
        user_handle=parsed.response.user_handle,
        sent=parsed,
    )


def verify_use(
    assertion: Assertion, party: RelyingParty, public_key: bytes, *, require_verified_user: bool
) -> Use:
    """What is proven by an assertion of the credential with that key.

    Whether its challenge counts, and the counter of the credential, are for the caller to judge.
    Raises :class:`BadResponseError`.
    """
    from webauthn import verify_authentication_response

    try:
        used = verify_authentication_response(
            credential=assertion.sent,
            expected_challenge=assertion.challenge.encode(),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=require_verified_user,
        )
    except Exception as error:  # as above
        raise BadResponseError("an answer of a passkey that is not good") from error
    return Use(
        user_verified=used.user_verified,
        sign_count=used.new_sign_count,
        synced=_is_synced(used),
    )


def _is_synced(verified: "VerifiedRegistration | VerifiedAuthentication") -> bool:
    return verified.credential_device_type.value == "multi_device"


def _parse_new(sent: str) -> "RegistrationCredential":
    from webauthn.helpers import parse_registration_credential_json

    try:
        return parse_registration_credential_json(sent)
    except Exception as error:  # as above
        raise BadResponseError("a new passkey that cannot be read") from error


def _challenge(client_data: bytes) -> str:
    """Raises :class:`BadResponseError`, also for a page of somebody else that has ours in it.

    Either of two members says that (level 3, sections 7.1 and 7.2); the library knows one.
    """
    from webauthn.helpers import parse_client_data_json

    try:
        parsed = parse_client_data_json(client_data)
        challenge = parsed.challenge.decode("ascii")
        framed = parsed.cross_origin or "topOrigin" in json.loads(client_data)
    except Exception as error:  # as above
        raise BadResponseError("client data of a passkey that cannot be read") from error
    if framed:
        raise BadResponseError("a passkey that was used in a frame of another site")
    return challenge
