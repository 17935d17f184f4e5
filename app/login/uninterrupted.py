"""Work that is finished although whoever asked for it has gone away.

A login that stops halfway has counted an attempt and not said what came of it, while the hash runs
on in its thread. So once it has begun it goes on to its end, whether or not anybody waits for it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Uninterrupted:
    """Runs such work, and knows what is still under way."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What ``work`` returns or raises; cancelling this does not cancel it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is still under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
