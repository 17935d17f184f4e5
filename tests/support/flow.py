"""A person with a browser in the code flow: from a client's request to its tokens."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from fastapi import FastAPI
from sqlalchemy import select

from app.models import Base
from app.server import Server
from tests.conftest import ISSUER
from tests.support.factories import TestClient, TestUser, add_client
from tests.support.lifecycle import Tokens

CALLBACK = "https://shop.example.com/callback"
LOOPBACK = "http://127.0.0.1/callback"
PRIVATE_SCHEME = "com.example.app:/callback"

STATE = "the state of the client"
VERIFIER = "a-verifier_of.43~characters-0123456789abcde"

USER_SCOPES = ("openid", "profile", "email", "offline_access", "items:read", "items:write")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

LOGIN_HEADING = "Log in"
FINISHED = "This login has expired or is already complete"
STALE_FORM = "This form is no longer valid"

LINKS = {
    FINISHED: ["See where you are logged in"],
    "You cannot see this page": ["See who you are logged in as"],
}
"""Of the error pages that have any, by their title."""


def challenge_of(verifier: str) -> str:
    """RFC 7636, section 4.2."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


# Clients


async def add_web_client(
    server: Server,
    client_id: str = "shop",
    *,
    grant_types: Sequence[str] = ("authorization_code", "refresh_token"),
    scopes: Sequence[str] = USER_SCOPES,
    redirect_uris: Sequence[str] = (CALLBACK,),
    **more: Any,
) -> TestClient:
    """A client of the code flow, confidential unless said otherwise."""
    return await add_client(
        server,
        client_id,
        grant_types=grant_types,
        scopes=scopes,
        redirect_uris=redirect_uris,
        **more,
    )


async def add_native_client(
    server: Server,
    client_id: str = "native",
    *,
    redirect_uris: Sequence[str] = (LOOPBACK,),
    **more: Any,
) -> TestClient:
    """A public client on the loopback interface unless said otherwise."""
    return await add_web_client(
        server, client_id, is_public=True, redirect_uris=redirect_uris, **more
    )


# Browsers and pages


def open_browser(app: FastAPI, origin: str = ISSUER) -> httpx2.AsyncClient:
    """A browser with no cookies yet."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=origin)


@dataclass
class Form:
    """A form of a page: where it goes, and what is filled in already."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    """The types of its inputs."""
    choices: list[tuple[str, str]] = field(default_factory=list)
    """Name and value of its buttons that have them."""


class Page(HTMLParser):
    """What a page says and asks."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        assert response.headers["content-type"] == "text/html; charset=utf-8", response.text
        self.forms: list[Form] = []
        self.tags: Counter[str] = Counter()
        self.foreign: list[str] = []
        """The scripts and pictures that are none of this server's files."""
        self._texts: list[tuple[str, list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        if tag in ("script", "img") and not attributes.get("src", "").startswith("assets/"):
            self.foreign.append(tag)
        if tag == "form":
            self.forms.append(Form(attributes.get("action", ""), attributes["method"]))
        elif tag == "input":
            form = self.forms[-1]
            form.fields[attributes["name"]] = attributes.get("value", "")
            form.kinds.append(attributes.get("type", "text"))
        elif tag == "button" and "name" in attributes:
            self.forms[-1].choices.append((attributes["name"], attributes["value"]))
        if tag not in ("input", "link", "meta", "br", "img", "source"):
            texts: list[str] = []
            self._open.append((tag, texts))
            self._texts.append((attributes.get("role", tag), texts))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"

    def handle_data(self, data: str) -> None:
        for _, texts in self._open:
            texts.append(data)

    def all(self, kind: str) -> list[str]:
        """The text of every element with that role, or else of that name."""
        return [" ".join("".join(texts).split()) for name, texts in self._texts if name == kind]

    @property
    def text(self) -> str:
        """All that can be read."""
        return self.all("main")[0]

    @property
    def heading(self) -> str:
        (heading,) = self.all("h1")
        return heading

    @property
    def alert(self) -> str:
        """What went wrong."""
        return " ".join(self.all("alert"))

    @property
    def form(self) -> Form:
        """The only form."""
        (form,) = self.forms
        return form

    def form_with(self, **fields: str) -> Form:
        """The form that is filled in with these."""
        (form,) = [form for form in self.forms if fields.items() <= form.fields.items()]
        return form


async def submit(
    browser: httpx2.AsyncClient,
    form: Form,
    fields: Mapping[str, str] | None = None,
    *,
    leave_out: str = "",
    headers: Mapping[str, str] | None = None,
) -> httpx2.Response:
    """Send a form with ``fields`` filled in."""
    assert form.method == "post"
    data = form.fields | dict(fields or {})
    data.pop(leave_out, None)
    return await browser.post(f"/{form.action}", data=data, headers=headers)


def source_names(response: httpx2.Response, directive: str) -> list[str]:
    """What a Content-Security-Policy allows for ``directive``."""
    (found,) = [
        part.split()
        for part in response.headers["content-security-policy"].split(";")
        if part.split()[0] == directive
    ]
    return found[1:]


# The flow


@dataclass
class CodeFlow:
    """What one person does with one browser at the request of one client."""

    browser: httpx2.AsyncClient
    user: TestUser
    client: TestClient
    redirect_uri: str = CALLBACK
    scope: str = "openid profile"

    def parameters(self, **changes: str | None) -> dict[str, str]:
        """A good authorization request; None leaves a parameter out."""
        parameters: dict[str, str | None] = {
            "client_id": self.client.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": STATE,
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (parameters | changes).items() if value is not None}

    async def start(self, **changes: str | None) -> httpx2.Response:
        """Come from the client with an authorization request."""
        return await self.browser.get("/authorize", params=self.parameters(**changes))

    async def post(self, **changes: str | None) -> httpx2.Response:
        """Come from the client with a form."""
        return await self.browser.post("/authorize", data=self.parameters(**changes))

    async def send(self, method: str, pairs: Sequence[tuple[str, str]]) -> httpx2.Response:
        """Come with any parameters, repeated ones too."""
        if method == "GET":
            return await self.browser.get("/authorize?" + urlencode(pairs))
        return await self.browser.post("/authorize", content=urlencode(pairs), headers=FORM)

    async def by_both(self, pairs: Sequence[tuple[str, str]]) -> list[httpx2.Response]:
        """The answers to the same parameters by GET and by form."""
        return [await self.send(method, pairs) for method in ("GET", "POST")]

    async def follow(self, response: httpx2.Response) -> httpx2.Response:
        """Go where the server sends the browser on its own pages."""
        assert response.status_code == 303, response.text
        location = response.headers["location"]
        assert location.startswith(f"{self.origin}/"), location
        return await self.browser.get(location)

    @property
    def origin(self) -> str:
        return str(self.browser.base_url).rstrip("/")

    async def login_page(self, **changes: str | None) -> httpx2.Response:
        """Begin, and see the login page."""
        response = await self.follow(await self.start(**changes))
        assert Page(response).heading == LOGIN_HEADING
        return response

    async def log_in(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        """Fill the login page in."""
        filled = {"username": self.user.username, "password": self.user.password} | fields
        return await submit(self.browser, Page(page).form, filled)

    async def consent_page(self, **changes: str | None) -> httpx2.Response:
        """Begin, log in if the server asks for it, and see the consent page."""
        response = await self.follow(await self.start(**changes))
        if Page(response).heading == LOGIN_HEADING:
            response = await self.follow(await self.log_in(response))
        assert is_consent(response), response.text
        return response

    async def decide(self, page: httpx2.Response, decision: str, **fields: str) -> httpx2.Response:
        """Press one of the two buttons of the consent page."""
        form = Page(page).form
        assert ("decision", decision) in form.choices
        return await submit(self.browser, form, {"decision": decision} | fields)

    async def allow(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        return await self.decide(page, "allow", **fields)

    async def deny(self, page: httpx2.Response) -> httpx2.Response:
        return await self.decide(page, "deny")

    async def finish(self, **changes: str | None) -> httpx2.Response:
        """The answer to the client, after logging in and allowing as far as that is asked."""
        response = await self.start(**changes)
        for _ in range(6):
            if response.status_code == 200 and is_consent(response):
                response = await self.allow(response)
            elif response.status_code == 200 and Page(response).heading == LOGIN_HEADING:
                response = await self.log_in(response)
            elif response.headers.get("location", "").startswith(f"{self.origin}/"):
                response = await self.follow(response)
            else:
                return response
        raise AssertionError("the flow does not end")

    async def code(self, **changes: str | None) -> str:
        """A fresh code."""
        return read_answer(await self.finish(**changes), self.redirect_uri)["code"]

    async def exchange(self, code: str | None, **changes: str | None) -> httpx2.Response:
        """Ask for tokens; None leaves a parameter out."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
            "client_id": self.client.client_id,
            "client_secret": self.client.secret or None,
        }
        data = {name: value for name, value in (form | changes).items() if value is not None}
        return await self.browser.post("/token", data=data)

    async def tokens(self, **changes: str | None) -> Tokens:
        """The tokens of a whole flow."""
        response = await self.exchange(await self.code(**changes))
        assert response.status_code == 200, response.text
        answer: Tokens = response.json()
        return answer


def is_consent(response: httpx2.Response) -> bool:
    return Page(response).heading.startswith("Allow ")


# Answers


def read_answer(response: httpx2.Response, redirect_uri: str = CALLBACK) -> dict[str, str]:
    """The parameters that a redirect to the client carries, each once."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    separator = "&" if "?" in redirect_uri else "?"
    assert location.startswith(redirect_uri + separator), location
    pairs = parse_qsl(
        location.removeprefix(redirect_uri + separator),
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
    )
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def assert_code_answer(
    response: httpx2.Response, redirect_uri: str = CALLBACK, state: str | None = STATE
) -> None:
    """A code, and nothing beside it but ``iss`` and the state."""
    answer = read_answer(response, redirect_uri)
    expected = {"code": answer["code"], "iss": ISSUER}
    assert answer == (expected if state is None else expected | {"state": state})
    assert len(answer["code"]) == 43


def assert_error_answer(
    response: httpx2.Response,
    error: str,
    description: str,
    *,
    redirect_uri: str = CALLBACK,
    state: str | None = STATE,
) -> None:
    """RFC 6749, section 4.1.2.1, with ``iss`` (RFC 9207)."""
    expected = {"error": error, "error_description": description, "iss": ISSUER}
    if state is not None:
        expected["state"] = state
    assert read_answer(response, redirect_uri) == expected


def assert_error_page(response: httpx2.Response, title: str, status: int = 400) -> None:
    """A page for the person alone: the browser is sent nowhere, and no form leads on."""
    page = Page(response)
    assert (response.status_code, page.heading) == (status, title)
    assert "location" not in response.headers
    assert page.tags["form"] == page.tags["script"] == 0
    assert page.all("a") == LINKS.get(title, [])


def assert_asks_to_log_in(response: httpx2.Response, issuer: str = ISSUER) -> None:
    """A redirect to the login page, with a pending request."""
    assert response.status_code == 303, response.text
    address, _, key = response.headers["location"].partition("?request=")
    assert (address, len(key)) == (f"{issuer}/login", 43)


def assert_asks_to_allow(response: httpx2.Response) -> None:
    """A redirect to the consent page, with a pending request."""
    assert response.status_code == 303, response.text
    address, _, key = response.headers["location"].partition("?request=")
    assert (address, len(key)) == (f"{ISSUER}/consent", 43)


async def assert_logged_in(browser: httpx2.AsyncClient, username: str = "alice") -> None:
    response = await browser.get("/account")
    page = Page(response)
    assert (response.status_code, page.heading, page.all("strong")[0]) == (
        200,
        "Your account",
        username,
    )


async def assert_logged_out(browser: httpx2.AsyncClient) -> None:
    response = await browser.get("/account")
    assert (response.status_code, response.headers["location"]) == (303, f"{ISSUER}/login")


async def dump(server: Server) -> str:
    """Every row of every table."""
    rows: list[str] = []
    async with server.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            rows += [repr(row) for row in await connection.execute(select(table))]
    return "\n".join(rows)
