"""What declared claims tell in tokens and at ``/userinfo``."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.clock import Clock
from app.database.engines import Database
from app.database.recent import Recent
from app.features.claims.model import ClientClaim, UserClaim
from app.features.claims.service import ClaimRecord, list_claims
from app.login.claims import ClaimSource, MoreClaims, Subject


class DeclaredClaims(ClaimSource):
    """The claims that the granted scopes bring: of the user, else those fixed for the client."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing is read yet."""
        self._database = database
        self._declared: Recent[str, Sequence[ClaimRecord]] = Recent(self._load, clock)

    async def _load(self, _key: str) -> Sequence[ClaimRecord]:
        async with self._database.read() as connection:
            return await list_claims(connection)

    async def find(self, subject: Subject) -> MoreClaims:
        """Claims with a value; what is declared is as of a moment ago, the values are not."""
        declared = await self._declared.get("all")
        brought = {claim.name: claim for claim in declared if claim.scope in subject.scopes}
        if not brought:
            return MoreClaims()
        values = await self._read(subject, list(brought))

        def told(place: str) -> Mapping[str, Any]:
            return {name: value for name, value in values.items() if place in brought[name].places}

        return MoreClaims(
            access_token=told("access_token"),
            id_token=told("id_token"),
            userinfo=told("userinfo"),
        )

    async def _read(self, subject: Subject, names: Sequence[str]) -> Mapping[str, Any]:
        values: dict[str, Any] = {}
        async with self._database.read() as connection:
            if subject.client_id is not None:
                of_client = select(ClientClaim.name, ClientClaim.value).where(
                    ClientClaim.client_id == subject.client_id, ClientClaim.name.in_(names)
                )
                values |= {row.name: row.value for row in await connection.execute(of_client)}
            if subject.user_id is not None:
                of_user = select(UserClaim.name, UserClaim.value).where(
                    UserClaim.user_id == subject.user_id, UserClaim.name.in_(names)
                )
                values |= {row.name: row.value for row in await connection.execute(of_user)}
        return values
