"""Many questions at once, in one query or transaction.

Every request to a protected route asks the database whether its login goes on. Under load these
questions arrive faster than they are answered; then all that have arrived while a query was under
way share the next one. An answer always comes from a query that began after the question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Batched(Generic[Key, Value]):
    """Answers questions for single keys with queries for many."""

    def __init__(
        self,
        load: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]],
        most: int | None = None,
    ) -> None:
        """``load`` finds the values of several keys, at ``most`` so many at once.

        A key without a value is left out.
        """
        self._load = load
        self._most = most
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: Key) -> Value | None:
        """The value of ``key``, or None. Raises what ``load`` raises."""
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._running is None:
                self._running = asyncio.create_task(self._answer())
        return await asyncio.shield(waiting)

    async def _answer(self) -> None:
        asked: dict[Key, asyncio.Future[Value | None]] = {}
        try:
            while self._waiting:
                asked = dict(islice(self._waiting.items(), self._most))
                for key in asked:
                    del self._waiting[key]
                try:
                    found = await self._load(list(asked))
                except Exception as error:
                    for waiting in asked.values():
                        waiting.set_exception(error)
                        waiting.exception()  # whoever asked may be gone
                else:
                    for key, waiting in asked.items():
                        waiting.set_result(found.get(key))
        finally:
            # It is cancelled when its loop ends; the next start has another loop.
            self._running = None
            for waiting in (*asked.values(), *self._waiting.values()):
                waiting.cancel()
            self._waiting = {}
