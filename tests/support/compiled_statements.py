"""Statements that are compiled once: every test has engines of its own, which would do it again."""

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


class _Compiled(dict[Any, Any]):
    """What engines keep their compiled statements in, whatever dialect object an engine has."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


@contextmanager
def statements_compiled_once() -> Generator[None]:
    """Within it all engines for one kind of database share their compiled statements.

    Connections, pools and transactions are as they would be.
    """
    shared: defaultdict[str, Any] = defaultdict(_Compiled)

    def create(url: str, **options: Any) -> AsyncEngine:
        engine = create_async_engine(url, **options)
        engine.sync_engine._compiled_cache = shared[engine.dialect.name]
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.database.engines.create_async_engine", create)
        yield
