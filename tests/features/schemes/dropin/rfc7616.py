"""A Digest client of its own: RFC 7616, computed from the text of the RFC alone."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import quote

import httpx2

PATH = "/schemes/http/digest"

HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}

UNQUOTED = ("algorithm", "qop", "nc", "userhash", "stale", "charset")


def h(algorithm: str, text: str) -> str:
    return HASHES[algorithm](text.encode()).hexdigest()


def quoted(value: str) -> str:
    """RFC 9110, section 5.6.4."""
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def read_parameters(text: str) -> dict[str, str]:
    """Name and value of each parameter, each once."""
    pairs = re.findall(r'([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))', text)
    assert len({name for name, _, _ in pairs}) == len(pairs)
    return {name: re.sub(r"\\(.)", r"\1", inside) or bare for name, inside, bare in pairs}


@dataclass(frozen=True)
class Challenge:
    """One ``WWW-Authenticate`` header."""

    header: str
    parameters: dict[str, str]

    @property
    def nonce(self) -> str:
        return self.parameters["nonce"]


def challenges(response: httpx2.Response) -> list[Challenge]:
    """The Digest challenges of a 401, in their order."""
    assert response.status_code == 401, response.text
    headers = response.headers.get_list("www-authenticate")
    assert all(header.startswith("Digest ") for header in headers)
    return [Challenge(each, read_parameters(each.removeprefix("Digest "))) for each in headers]


@dataclass(frozen=True)
class Login:
    """What a client knows and sends; a test changes what it is about."""

    username: str
    password: str
    challenge: Challenge
    method: str = "GET"
    uri: str = PATH
    nc: int = 1
    cnonce: str = field(default_factory=lambda: secrets.token_hex(8))

    def next(self, nc: int | None = None) -> Self:
        """The next request with the same nonce."""
        return replace(self, nc=self.nc + 1 if nc is None else nc)

    @property
    def algorithm(self) -> str:
        return self.challenge.parameters["algorithm"]

    @property
    def ha1(self) -> str:
        realm = self.challenge.parameters["realm"]
        return h(self.algorithm, f"{self.username}:{realm}:{self.password}")

    def response(self, method: str) -> str:
        """Section 3.4.1; with an empty method what the server answers (section 3.5)."""
        ha2 = h(self.algorithm, f"{method}:{self.uri}")
        nonce = self.challenge.nonce
        return h(self.algorithm, f"{self.ha1}:{nonce}:{self.nc:08x}:{self.cnonce}:auth:{ha2}")

    def parameters(self, **changes: str | None) -> dict[str, str]:
        """What is sent; None leaves a parameter out."""
        parameters: dict[str, str | None] = {
            "username": self.username,
            "realm": self.challenge.parameters["realm"],
            "nonce": self.challenge.nonce,
            "uri": self.uri,
            "algorithm": self.algorithm,
            "qop": "auth",
            "nc": f"{self.nc:08x}",
            "cnonce": self.cnonce,
            "response": self.response(self.method),
            "opaque": self.challenge.parameters["opaque"],
        }
        if not self.username.isascii():
            parameters["username"] = None
            parameters["username*"] = "UTF-8''" + quote(self.username, safe="")
        return {name: value for name, value in (parameters | changes).items() if value is not None}

    def header(self, **changes: str | None) -> bytes:
        """The value of ``Authorization``."""
        written = [
            f"{name}={value if name in UNQUOTED or name.endswith('*') else quoted(value)}"
            for name, value in self.parameters(**changes).items()
        ]
        return ("Digest " + ", ".join(written)).encode()


async def send(
    http: httpx2.AsyncClient, *values: bytes, method: str = "GET", uri: str = PATH
) -> httpx2.Response:
    """With ``Authorization`` headers of any form."""
    headers = [(b"authorization", value) for value in values]
    return await http.request(method, uri, headers=headers)


async def challenged(http: httpx2.AsyncClient, algorithm: str = "SHA-256") -> Challenge:
    """A fresh challenge."""
    found = challenges(await http.get(PATH))
    return next(each for each in found if each.parameters["algorithm"] == algorithm)
