"""Values from the database that a worker may keep for a moment.

Clients, scopes and signing keys change rarely and are needed by every request. A worker keeps
what it read for :data:`MAX_AGE` seconds, so a change reaches every worker within two seconds
without any message between them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from app.clock import Clock

Key = TypeVar("Key")
Value = TypeVar("Value")

MAX_AGE = 1.5
"""Seconds. Loading takes time too, and the whole must stay under two."""

MAX_SIZE = 1024
"""Entries. When they are exceeded all are dropped: simple, and loading one again is cheap."""


class Recent(Generic[Key, Value]):
    """A read-through memory of values that are at most :data:`MAX_AGE` seconds old."""

    def __init__(self, load: Callable[[Key], Awaitable[Value]], clock: Clock) -> None:
        """``load`` reads one value; a value of ``None`` is returned but never kept."""
        self._load = load
        self._clock = clock
        self._kept: dict[Key, tuple[float, Value]] = {}
        self._loading: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key) -> Value:
        """The value of ``key``, loaded now unless a recent one is kept."""
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() - kept[0] < MAX_AGE:
            return kept[1]
        loading = self._loading.get(key)
        if loading is None:
            # One request loads for all that wait; that it is cancelled is no reason to stop.
            loading = asyncio.create_task(self._reload(key))
            self._loading[key] = loading
        return await asyncio.shield(loading)

    async def _reload(self, key: Key) -> Value:
        started = self._clock.monotonic()
        try:
            value = await self._load(key)
        finally:
            del self._loading[key]
        if value is None:
            self._kept.pop(key, None)
        else:
            if len(self._kept) >= MAX_SIZE:
                self._kept.clear()
            self._kept[key] = (started, value)
        return value

    def forget(self, key: Key | None = None) -> None:
        """Drop the value of ``key``, or everything, after a change made by this very worker."""
        if key is None:
            self._kept.clear()
        else:
            self._kept.pop(key, None)
