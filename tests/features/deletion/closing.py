"""Accounts that their users have closed."""

from datetime import timedelta

from app.features.deletion.service import close_account
from app.management.authority import Actor
from app.server import Server
from tests.support.factories import TestUser

GRACE = timedelta(days=14)


async def close(server: Server, user: TestUser) -> None:
    """As the user does at the page."""
    async with server.database.transaction() as connection:
        actor = Actor(connection=connection, clock=server.clock, subject=str(user.id), scopes=None)
        await close_account(actor, GRACE, server.notify)
