"""Counts of Digest nonces go when none of them could be presented again."""

from datetime import timedelta

import pytest

from app.features.schemes.digest_credentials import count_nonce
from app.server import Server
from tests.support.clock import TestClock
from tests.support.purging import MARGIN, purged, purged_ahead

NONCE = 300


@pytest.mark.parametrize(
    ("lifetime", "kept"),
    [
        pytest.param(NONCE, NONCE + NONCE + MARGIN, id="as_before"),
        pytest.param(7 * MARGIN, NONCE + 7 * MARGIN + MARGIN, id="now_longer"),
    ],
)
async def test_the_count_of_a_nonce_stays_longer_than_the_nonce_could_be_accepted(
    server: Server, clock: TestClock, lifetime: int, kept: int
) -> None:
    expires_at = clock.now() + timedelta(seconds=NONCE)
    assert await count_nonce(server.database, "a nonce", 1, expires_at)
    changed = server.settings.model_copy(update={"digest_nonce_ttl": lifetime})
    today = Server(changed, clock, server.features)
    try:
        clock.advance(kept)
        assert await purged(today) == {}
        assert not await count_nonce(server.database, "a nonce", 1, expires_at)
        clock.advance(1)
        assert await purged(today) == {"digest_nonces": 1}
    finally:
        await today.close()


async def test_a_nonce_is_not_good_twice_although_the_clock_of_a_purge_was_ahead(
    server: Server, clock: TestClock
) -> None:
    expires_at = clock.now() + timedelta(seconds=NONCE)
    assert await count_nonce(server.database, "a nonce", 1, expires_at)
    assert await purged_ahead(server, clock) == {}
    assert not await count_nonce(server.database, "a nonce", 1, expires_at)
