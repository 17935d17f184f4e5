"""A machine that makes up stories of tokens, and knows by a model which of them are alive.

The stories are the same in every run. After each step it asks the server about every token, and at
the end it refreshes what is left.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import jwt
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from app.errors import ConflictError
from app.identity.definition import Changes
from app.management.authority import operating
from app.management.clients import change_client
from app.management.users import change_user
from app.server import Server
from app.tokens.key_rotation import list_keys, retire_key, rotate_keys
from tests.conftest import make_settings
from tests.support.databases import Backend
from tests.support.factories import PASSWORD, TestClient, add_user, bearer
from tests.support.flow import open_browser
from tests.support.lifecycle import (
    act_for_itself,
    add_refreshing,
    add_resource_server,
    add_service,
    introspected,
    refresh,
    revoke,
)
from tests.support.shared import Shared
from tests.support.token_model import (
    ACCESS_TTL,
    REFRESH_TTL,
    SESSION_TTL,
    AccessToken,
    Application,
    Login,
    Model,
    Person,
    RefreshToken,
)

SCOPES = ("openid", "profile", "offline_access", "account")

MOST_LOGINS = 6
MOST_KEYS = 6

EXAMPLES = settings(
    max_examples=14,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

Result = TypeVar("Result")

any_of = st.integers(0, 1000)
"""Picks one of a list that is not known yet."""

seldom = st.sampled_from([False, False, True])


class TokenLifecycle(RuleBasedStateMachine):
    """One user with a public and a confidential client, a stranger's client, and a service."""

    backend: ClassVar[Backend]
    shared: ClassVar[Shared]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.url = self.backend.migrated()
        self.clock = self.shared.fresh_clock()
        made = make_settings(
            database_url=self.url,
            access_token_ttl=ACCESS_TTL,
            refresh_token_ttl=REFRESH_TTL,
            session_ttl=SESSION_TTL,
        )
        self.app = self.shared.fresh_app(made, self.clock)
        self.server: Server = self.app.state.server
        self.http = open_browser(self.app)

    def run(self, steps: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(steps)

    # The cast

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())
        self.log_in_with_a_password(public=False)
        self.log_in_with_a_password(public=True)
        self.run(self.log_in_otherwise())

    async def _begin(self) -> None:
        await self.server.start()
        self.server.phase = "serving"
        self.user = await add_user(self.server, scopes=SCOPES)
        self.person = Person(PASSWORD)
        shop = await self.add_shop()
        app = await add_refreshing(
            self.server, "app", is_public=True, scopes=SCOPES, default_scopes=("profile", "account")
        )
        stranger = await add_refreshing(self.server, "stranger", scopes=SCOPES)
        self.asking = await add_resource_server(self.server)
        service = await add_service(
            self.server, scopes=["scopes:read"], default_scopes=["scopes:read"]
        )
        self.service = self._application(service)
        self.shop, self.public = self._application(shop), self._application(app)
        self.stranger = self._application(stranger)
        async with self.server.database.read() as connection:
            keys = await list_keys(connection, self.clock.now())
        self.model = Model(
            self.clock.now(), {key.kid: key.retired_at for key in keys if key.alg == "ES256"}
        )

    async def add_shop(self) -> TestClient:
        """The confidential client."""
        return await add_refreshing(self.server, scopes=SCOPES, default_scopes=SCOPES[1:])

    async def log_in_otherwise(self) -> None:
        """The logins at the beginning that are not with a password at ``/token``."""

    @staticmethod
    def _application(client: TestClient) -> Application:
        return Application(client.client_id, client.secret)

    def client(self, application: Application) -> TestClient:
        return TestClient(application.client_id, application.secret)

    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.model.now = self.clock.now()

    def keep(self, owner: Application, login: Login | None, answer: dict[str, Any]) -> None:
        """Note the tokens of an answer."""
        kid = jwt.get_unverified_header(answer["access_token"])["kid"]
        token = answer.get("refresh_token")
        self.model.issued(owner, login, answer["access_token"], kid, token)

    # Tokens are issued

    def may_log_in(self) -> bool:
        return self.person.enabled and len(self.model.logins) < MOST_LOGINS

    @precondition(may_log_in)
    @rule(public=st.booleans())
    def log_in_with_a_password(self, public: bool) -> None:
        owner = self.public if public else self.shop
        form = {
            "grant_type": "password",
            "username": "alice",
            "password": self.person.password,
            "client_id": owner.client_id,
            "client_secret": owner.secret,
        }
        response = self.run(self.http.post("/token", data=form))
        assert response.status_code == (200 if owner.enabled else 401), response.text
        if owner.enabled:
            self.keep(owner, self.model.begin(owner, self.person), response.json())

    @rule()
    def a_client_acts_for_itself(self) -> None:
        response = self.run(act_for_itself(self.http, self.client(self.service)))
        assert response.status_code == 200, response.text
        self.keep(self.service, None, response.json())

    @precondition(lambda self: self.refreshable())
    @rule(which=any_of, by_stranger=seldom)
    def refresh(self, which: int, by_stranger: bool) -> None:
        tokens = self.refreshable()
        token = tokens[which % len(tokens)]
        self._refresh(token, self.stranger if by_stranger else token.owner)

    def refreshable(self) -> list[RefreshToken]:
        return [token for token in self.model.refresh_tokens if self.model.alive(token)]

    @precondition(lambda self: any(token.used for token in self.model.refresh_tokens))
    @rule(which=any_of, by_stranger=seldom)
    def present_a_used_refresh_token(self, which: int, by_stranger: bool) -> None:
        tokens = [token for token in self.model.refresh_tokens if token.used]
        token = tokens[which % len(tokens)]
        self._refresh(token, self.stranger if by_stranger else token.owner)

    def _refresh(self, token: RefreshToken, by: Application) -> None:
        response = self.run(refresh(self.http, self.client(by), token.text))
        if self.model.presented(token, by):
            assert response.status_code == 200, response.text
            self.keep(by, token.login, response.json())
        else:
            assert response.status_code == (400 if by.enabled else 401), response.text

    # Tokens are taken back

    @precondition(lambda self: self.model.tokens)
    @rule(which=any_of, by_stranger=seldom)
    def revoke(self, which: int, by_stranger: bool) -> None:
        token = self.model.tokens[which % len(self.model.tokens)]
        by = self.stranger if by_stranger else token.owner
        response = self.run(revoke(self.http, self.client(by), token.text))
        assert response.status_code == (200 if by.enabled else 401), response.text
        self.model.revoked(token, by)

    @rule(which=any_of)
    def change_the_password(self, which: int) -> None:
        alive = [
            token
            for token in self.model.access_tokens
            if token.login is not None and self.model.alive(token)
        ]
        if not alive:
            return
        token = alive[which % len(alive)]
        new = f"{PASSWORD} {len(self.person.password)}"
        change = {"current_password": self.person.password, "new_password": new}
        response = self.run(
            self.http.post("/users/me/password", json=change, headers=bearer(token.text))
        )
        assert response.status_code == 204, response.text
        self.person.password = new
        assert token.login is not None
        self.model.password_changed(self.person, token.login)

    @rule(disabled=seldom)
    def disable_or_enable_the_user(self, disabled: bool) -> None:
        self.run(self._change_user({"disabled": disabled}))
        if disabled:
            self.model.user_disabled(self.person)
        else:
            self.person.enabled = True

    async def _change_user(self, changes: Changes) -> None:
        async with operating(self.server.database, self.clock) as operator:
            await change_user(operator, self.user.id, changes)

    @rule(disabled=seldom, which=any_of)
    def disable_or_enable_a_client(self, disabled: bool, which: int) -> None:
        application = [self.shop, self.public, self.service][which % 3]
        if application is self.service and disabled:
            application = self.shop
        self.run(self._change_client(application.client_id, {"disabled": disabled}))
        if disabled:
            self.model.client_disabled(application)
        else:
            application.enabled = True
        self.pass_time(2)

    async def _change_client(self, client_id: str, changes: Changes) -> None:
        async with operating(self.server.database, self.clock) as operator:
            await change_client(operator, client_id, changes)

    # Time passes, and keys change

    @rule(seconds=st.sampled_from([2, 2, 60, 60, 600, ACCESS_TTL - 2, ACCESS_TTL, REFRESH_TTL - 2]))
    def wait(self, seconds: int) -> None:
        self.pass_time(seconds)

    @precondition(lambda self: len(self.model.keys) < MOST_KEYS)
    @rule(at_once=st.booleans())
    def rotate_the_signing_key(self, at_once: bool) -> None:
        self.run(self._rotate(at_once))
        self.pass_time(2)

    async def _rotate(self, at_once: bool) -> None:
        try:
            async with self.server.database.transaction() as connection:
                kids, succession = await rotate_keys(
                    connection,
                    self.server.encryption,
                    ["ES256"],
                    self.clock,
                    self.server.settings,
                    at_once=at_once,
                )
        except ConflictError:
            return  # one waits for its time already
        self.model.rotated(kids["ES256"], succession.old_retires_at)

    @rule(which=any_of)
    def retire_a_key(self, which: int) -> None:
        published = sorted(self.model.published)
        self.run(self._retire(published[which % len(published)]))
        self.pass_time(2)

    async def _retire(self, kid: str) -> None:
        try:
            async with self.server.database.transaction() as connection:
                await retire_key(connection, kid, self.clock.now(), {"ES256"})
        except ConflictError:
            return  # no other one would sign
        self.model.keys[kid] = self.clock.now()

    # What the server says

    @invariant()
    def every_token_is_alive_exactly_when_the_model_says_so(self) -> None:
        self.run(self._look_at_every_token())

    async def _look_at_every_token(self) -> None:
        for token in self.model.tokens:
            alive = self.model.alive(token)
            if isinstance(token, AccessToken):
                await self._look_at(token, alive)
            elif token.owner.secret and token.owner.enabled:
                told = await introspected(self.http, self.client(token.owner), token.text)
                assert told["active"] == alive, f"a refresh token: {told}"

    async def _look_at(self, token: AccessToken, alive: bool) -> None:
        told = await introspected(self.http, self.asking, token.text)
        assert told["active"] == alive, f"an access token is introspected: {told}"
        path = "/scopes" if token.login is None else "/users/me"
        response = await self.http.get(path, headers=bearer(token.text))
        expected = 200 if alive else 401
        assert response.status_code == expected, f"an access token is used: {response.text}"

    def teardown(self) -> None:
        try:
            if hasattr(self, "model"):
                for login in self.model.logins:
                    for token in reversed(login.refresh_tokens):
                        self._refresh(token, login.owner)
                self.run(self._look_at_every_token())
        finally:
            self.run(self._close())
            self.runner.close()
            self.backend.drop(self.url)

    async def _close(self) -> None:
        await self.http.aclose()
        await self.server.close()


def tell(machine: TokenLifecycle, story: Callable[[Any], None]) -> None:
    """One story of which the steps are known, to its end."""
    try:
        machine.begin()
        story(machine)
        machine.every_token_is_alive_exactly_when_the_model_says_so()
    finally:
        machine.teardown()
