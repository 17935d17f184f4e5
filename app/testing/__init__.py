"""A real server for the tests of other projects: see docs/testing.md.

With pytest, ask for the fixture ``latchkey``. Elsewhere:

    with AuthorizationServer.running() as server:
        token = server.access_token(server.add_user("alice"))
"""

from app.testing.server import AuthorizationServer, Client, User
from app.testing.traffic import Request

__all__ = ["AuthorizationServer", "Client", "Request", "User"]
