"""An authenticator in software: makes and uses credentials as WebAuthn level 2 says.

What a hostile one, or a hostile page, would do otherwise is an argument.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

ES256, EDDSA, ES384, RS256 = -7, -8, -35, -257

USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP = 0x01, 0x04, 0x08, 0x10
ATTESTED, EXTENDED = 0x40, 0x80

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _generate(alg: int) -> Key:
    if alg == EDDSA:
        return ed25519.Ed25519PrivateKey.generate()
    if alg == RS256:
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1() if alg == ES384 else ec.SECP256R1())


def _cose(key: Key, alg: int) -> bytes:
    """RFC 9053, section 7; RFC 8230, section 4."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return bytes(cbor2.dumps({1: 1, 3: alg, -1: 6, -2: key.public_key().public_bytes_raw()}))
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        modulus, exponent = numbers.n.to_bytes(256, "big"), numbers.e.to_bytes(3, "big")
        return bytes(cbor2.dumps({1: 3, 3: alg, -1: modulus, -2: exponent}))
    point = key.public_key().public_numbers()
    size, curve = (48, 2) if alg == ES384 else (32, 1)
    x, y = point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big")
    return bytes(cbor2.dumps({1: 2, 3: alg, -1: curve, -2: x, -3: y}))


def _sign(key: Key, message: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass
class Authenticator:
    """It has one credential, which it makes anew when it is asked for one."""

    origin: str
    alg: int = ES256
    verifies_user: bool = True
    synced: bool = False
    counts: bool = True
    """Whether it has a counter; many that sync have none."""
    count: int = 0
    flags: int = USER_PRESENT
    """Those that it sets whatever else is so."""
    transports: Sequence[str] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    """What it and the browser say of extensions."""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""
    key: Key | None = field(default=None, repr=False)

    def make(self, options: Mapping[str, Any], **otherwise: Any) -> str:
        """What a browser sends of a new credential; ``otherwise`` as :meth:`_client_data` says."""
        self.key = _generate(self.alg)
        self.user_handle = decoded(options["user"]["id"])
        attested = (
            b"\0" * 16 + len(self.id).to_bytes(2, "big") + self.id + _cose(self.key, self.alg)
        )
        data = self._data(otherwise.pop("rp_id", options["rp"]["id"]), ATTESTED, attested)
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        return self._sent(
            {"transports": list(self.transports)},
            clientDataJSON=_client_data("webauthn.create", self.origin, options, otherwise),
            attestationObject=bytes(cbor2.dumps(statement)),
        )

    def use(self, options: Mapping[str, Any], **otherwise: Any) -> str:
        """What a browser sends of the credential that it used."""
        assert self.key is not None
        handle = otherwise.pop("user_handle", self.user_handle)
        data = self._data(otherwise.pop("rp_id", options["rpId"]))
        client_data = _client_data("webauthn.get", self.origin, options, otherwise)
        signature = _sign(self.key, data + hashlib.sha256(client_data).digest())
        more = {"userHandle": handle} if handle else {}
        return self._sent(
            {}, clientDataJSON=client_data, authenticatorData=data, signature=signature, **more
        )

    def _data(self, rp_id: str, flags: int = 0, attested: bytes = b"") -> bytes:
        """Authenticator data (WebAuthn level 2, section 6.1)."""
        flags |= self.flags
        flags |= USER_VERIFIED if self.verifies_user else 0
        flags |= BACKUP_ELIGIBLE | BACKED_UP if self.synced else 0
        flags |= EXTENDED if self.extensions else 0
        self.count += 1 if self.counts else 0
        count = self.count.to_bytes(4, "big")
        extensions = bytes(cbor2.dumps(self.extensions)) if self.extensions else b""
        told = attested + extensions
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count + told

    def _sent(self, more: Mapping[str, Any], **response: bytes) -> str:
        members = {name: encoded(value) for name, value in response.items()}
        sent = {"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key"}
        told = {"response": {**more, **members}, "clientExtensionResults": dict(self.extensions)}
        return json.dumps({**sent, **told})


def _client_data(
    kind: str, origin: str, options: Mapping[str, Any], otherwise: Mapping[str, Any]
) -> bytes:
    """WebAuthn level 2, section 5.8.1."""
    told = {"type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": False}
    return json.dumps({**told, **otherwise}).encode()
