"""Rotations while users are logged in: nobody is logged out by one."""

from datetime import timedelta

import pytest
from fastapi import FastAPI

from app.management.authority import operating
from app.management.clients import rotate_secret
from app.tokens.key_rotation import rotate_keys
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user, log_in
from tests.support.forger import assert_accepted
from tests.support.instances import OLD, STEPS, Instances, instances
from tests.support.lifecycle import add_refreshing, refresh, refreshed

__all__ = ["instances"]


async def story(app: FastAPI) -> tuple[TestUser, TestClient]:
    """A user, and a client that refreshes."""
    user = await add_user(app.state.server, scopes=("openid", "profile"))
    return user, await add_refreshing(app.state.server)


async def test_nobody_is_logged_out_by_a_new_secret_key(instances: Instances) -> None:
    app, http = await instances.start(STEPS[0])
    user, client = await story(app)
    tokens = await log_in(http, user, client)
    for secrets in STEPS[1:]:
        _, http = await instances.start(secrets)
        await assert_accepted(http, tokens["access_token"])
        tokens = await refreshed(http, client, tokens["refresh_token"])


@pytest.mark.parametrize("step", [1, 2])
async def test_instances_of_two_steps_serve_one_login_together(
    instances: Instances, step: int
) -> None:
    """A rolling restart: some have the next secrets already, and one of the others restarts."""
    before, http = await instances.start(STEPS[step])
    _, renewed = await instances.start(STEPS[step + 1])
    user, client = await story(before)
    _, restarted = await instances.start(STEPS[step])
    tokens = await log_in(renewed, user, client)
    for instance in (http, restarted, renewed):
        await assert_accepted(instance, tokens["access_token"])
        tokens = await refreshed(instance, client, tokens["refresh_token"])


async def test_nobody_is_logged_out_by_a_new_client_secret(
    instances: Instances, clock: TestClock
) -> None:
    app, http = await instances.start([OLD])
    server = app.state.server
    user, client = await story(app)
    tokens = await log_in(http, user, client)
    async with operating(server.database, server.clock) as operator:
        secret, _ = await rotate_secret(operator, client.client_id, timedelta(hours=1))
    clock.advance(10)
    renewed = TestClient(client.client_id, secret)
    tokens = await refreshed(http, client, tokens["refresh_token"])
    tokens = await refreshed(http, renewed, tokens["refresh_token"])
    clock.advance(3600)
    assert (await refresh(http, client, tokens["refresh_token"])).status_code == 401
    await refreshed(http, renewed, tokens["refresh_token"])


async def test_nobody_is_logged_out_by_new_signing_keys(
    instances: Instances, clock: TestClock
) -> None:
    app, http = await instances.start([OLD])
    server = app.state.server
    user, client = await story(app)
    tokens = await log_in(http, user, client)
    async with operating(server.database, server.clock) as operator:
        await rotate_keys(
            operator.connection,
            server.encryption,
            server.signing_algorithms,
            server.clock,
            server.settings,
            at_once=True,
        )
    clock.advance(5)
    await assert_accepted(http, tokens["access_token"])
    renewed = await refreshed(http, client, tokens["refresh_token"])
    await assert_accepted(http, renewed["access_token"])
    kids = [key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]]
    assert len(kids) == 2 * len(server.signing_algorithms)
