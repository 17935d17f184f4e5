"""The claim ``groups``: the names of a user's groups, wherever the scope ``groups`` was granted."""

from app.clock import Clock
from app.database.engines import Database
from app.features.groups.membership import find_groups
from app.features.groups.service import CLAIM_SCOPE
from app.login.claims import ClaimSource, MoreClaims, Subject

CLAIM = "groups"
"""As in SCIM and RFC 9068, section 2.2.3.1."""


class GroupsClaim(ClaimSource):
    """The groups of a user, in access tokens, in ID tokens and at ``/userinfo``."""

    def __init__(self, database: Database, _clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database

    async def find(self, subject: Subject) -> MoreClaims:
        """A list, empty for a user in no group."""
        if CLAIM_SCOPE not in subject.scopes or subject.user_id is None:
            return MoreClaims()
        async with self._database.read() as connection:
            groups = await find_groups(connection, subject.user_id)
        return MoreClaims.everywhere({CLAIM: groups})
