"""The aliases by which routes ask for the server and for a connection."""

from collections.abc import AsyncGenerator
from typing import Annotated, cast

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from app.server import Server


def server_of(request: HTTPConnection) -> Server:
    """The server of the running application, for an endpoint to which nothing is injected."""
    return cast(Server, request.app.state.server)


async def current_server(request: HTTPConnection) -> Server:
    """The same, for :data:`CurrentServer`."""
    return server_of(request)


CurrentServer = Annotated[Server, Depends(current_server)]


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
