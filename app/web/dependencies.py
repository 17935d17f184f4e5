"""The aliases by which routes ask for the server and for a connection."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Generic, TypeVar, cast

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from app.server import Server


def server_of(request: HTTPConnection) -> Server:
    """The server of the running application, for an endpoint to which nothing is injected."""
    return cast(Server, request.app.state.server)


Found = TypeVar("Found")


class DirectDependency(ABC, Generic[Found]):
    """A dependency that needs nothing but the request and the scopes that its route wants.

    So :mod:`app.web.shortcuts` can ask for it where FastAPI need not.
    """

    @abstractmethod
    async def find(self, request: HTTPConnection, scopes: Sequence[str]) -> Found:
        """What the endpoint gets."""


class _CurrentServer(DirectDependency[Server]):
    async def __call__(self, request: HTTPConnection) -> Server:
        return server_of(request)

    async def find(self, request: HTTPConnection, scopes: Sequence[str]) -> Server:
        return server_of(request)


CurrentServer = Annotated[Server, Depends(_CurrentServer())]


async def _transaction(server: CurrentServer) -> AsyncGenerator[AsyncConnection]:
    async with server.database.transaction() as connection:
        yield connection


async def _reading(server: CurrentServer) -> AsyncGenerator[AsyncConnection]:
    async with server.database.read() as connection:
        yield connection


# The scope "function" ends the block before the answer is sent: nobody is told of work that is
# not committed yet.
Transaction = Annotated[AsyncConnection, Depends(_transaction, scope="function")]
"""One transaction for the request; committed before the answer, rolled back by any error."""

Reading = Annotated[AsyncConnection, Depends(_reading, scope="function")]
"""A connection for queries."""
