"""What the specification says of tokens, kept beside a server: whether each of them is alive.

A login is what tokens hang on. The model knows no database and no HTTP, only what happened.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

ACCESS_TTL = 900
REFRESH_TTL = 4000
SESSION_TTL = 2500
"""Seconds. Short, so that all three ends are reached."""


@dataclass
class Application:
    """A client, and whether it is switched on."""

    client_id: str
    secret: str
    enabled: bool = True


@dataclass
class Person:
    """A user."""

    password: str
    enabled: bool = True


@dataclass
class Visit:
    """A browser session."""

    ends_at: datetime
    ended: bool = False

    def over(self, now: datetime) -> bool:
        return self.ended or now >= self.ends_at


@dataclass
class Login:
    """What a user allowed one client, and all that was issued for it."""

    owner: Application
    user: Person
    ends_at: datetime
    visit: Visit | None = None
    offline: bool = False
    code: str | None = None
    ended: bool = False
    refresh_tokens: list["RefreshToken"] = field(default_factory=list)

    def alive(self, now: datetime) -> bool:
        """Whether it can be refreshed."""
        return not self.ended and self.user.enabled and now < self.ends_at


@dataclass
class RefreshToken:
    """One of a chain, good for one use."""

    text: str
    login: Login
    used: bool = False

    @property
    def owner(self) -> Application:
        return self.login.owner

    def alive(self, now: datetime) -> bool:
        return not self.used and self.login.alive(now) and self.owner.enabled


@dataclass
class AccessToken:
    """Of a login, or of a client that acts for itself."""

    text: str
    owner: Application
    kid: str
    expires_at: datetime
    login: Login | None = None
    revoked: bool = False

    def readable(self, now: datetime, published: set[str]) -> bool:
        """Whether its signature and its time are good."""
        return now < self.expires_at and self.kid in published

    def alive(self, now: datetime, published: set[str]) -> bool:
        if self.login is not None and (self.login.ended or not self.login.user.enabled):
            return False
        return self.readable(now, published) and self.owner.enabled and not self.revoked


@dataclass
class Model:
    """Everything that was issued, and the keys that are published."""

    now: datetime
    keys: dict[str, datetime | None]
    """Each ``kid``, and from when it is not published any more."""
    logins: list[Login] = field(default_factory=list)
    access_tokens: list[AccessToken] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)

    @property
    def published(self) -> set[str]:
        return {kid for kid, until in self.keys.items() if until is None or self.now < until}

    @property
    def refresh_tokens(self) -> list[RefreshToken]:
        return [token for login in self.logins for token in login.refresh_tokens]

    @property
    def tokens(self) -> list[AccessToken | RefreshToken]:
        return [*self.access_tokens, *self.refresh_tokens]

    def alive(self, token: AccessToken | RefreshToken) -> bool:
        if isinstance(token, RefreshToken):
            return token.alive(self.now)
        return token.alive(self.now, self.published)

    def begin(
        self,
        owner: Application,
        user: Person,
        *,
        code: str | None = None,
        visit: Visit | None = None,
        offline: bool = False,
    ) -> Login:
        ends_at = self.now + timedelta(seconds=REFRESH_TTL)
        if visit is not None and not offline:
            ends_at = min(ends_at, visit.ends_at)
        login = Login(owner, user, ends_at, visit, offline, code)
        self.logins.append(login)
        return login

    def issued(
        self,
        owner: Application,
        login: Login | None,
        access_token: str,
        kid: str,
        refresh_token: str | None = None,
    ) -> None:
        expires_at = self.now + timedelta(seconds=ACCESS_TTL)
        if login is not None:
            expires_at = min(expires_at, login.ends_at)
        self.access_tokens.append(AccessToken(access_token, owner, kid, expires_at, login))
        if login is not None and refresh_token is not None:
            login.refresh_tokens.append(RefreshToken(refresh_token, login))

    def presented(self, token: RefreshToken, by: Application) -> bool:
        """A refresh token is presented; whether it gets new tokens. A used one ends its login."""
        if not by.enabled or by is not token.owner or not token.login.alive(self.now):
            return False
        if token.used:
            token.login.ended = True
            return False
        token.used = True
        return True

    def revoked(self, token: AccessToken | RefreshToken, by: Application) -> None:
        """Its own client revokes a token: the login ends, or the client's own token."""
        if by is not token.owner or not by.enabled:
            return
        if isinstance(token, AccessToken) and not token.readable(self.now, self.published):
            return
        if token.login is not None:
            token.login.ended = True
        elif isinstance(token, AccessToken):
            token.revoked = True

    def logged_out(self, visit: Visit) -> None:
        """A browser session ends, with the logins through it that are not offline."""
        visit.ended = True
        for login in self.logins:
            if login.visit is visit and not login.offline:
                login.ended = True

    def password_changed(self, user: Person, kept: Login) -> None:
        """The other logins of the user end, and all browser sessions but the login's own."""
        for login in self.logins:
            if login.user is user and login is not kept:
                login.ended = True
        for visit in self.visits:
            visit.ended = visit.ended or visit is not kept.visit

    def user_disabled(self, user: Person) -> None:
        user.enabled = False
        for login in self.logins:
            if login.user is user:
                login.ended = True
        for visit in self.visits:
            visit.ended = True

    def client_disabled(self, client: Application) -> None:
        """What was issued to it is lost for good."""
        client.enabled = False
        for login in self.logins:
            login.ended = login.ended or login.owner is client
        for token in self.access_tokens:
            token.revoked = token.revoked or token.owner is client

    def rotated(self, kid: str, others_until: datetime) -> None:
        """A key was added, and takes over: the others go when their last token is over."""
        for other, until in self.keys.items():
            self.keys[other] = others_until if until is None else min(until, others_until)
        self.keys[kid] = None
