"""Probes: is the process alive, and may it get traffic?"""

import asyncio
from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, computed_field
from sqlalchemy.exc import SQLAlchemyError

from app.database.schema import schema_state
from app.security.encryption import UndecryptableError
from app.server import Server
from app.tokens.keys import NoSigningKeyError
from app.web.dependencies import CurrentServer
from app.web.problems import problem

router = APIRouter(tags=["health"], responses={500: problem("An unexpected error.")})

PATIENCE = 2.0
"""Seconds that a probe waits for the database."""


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Health(BaseModel):
    """The state of each thing that was looked at."""

    status: str
    database: str | None = None
    schema_state: str | None = None
    signing_key: str | None = None

    @computed_field  # type: ignore[prop-decorator]  # as pydantic's documentation says
    @property
    def checks(self) -> Mapping[str, Literal["pass", "fail", "unknown"]] | None:
        """Each check of readiness: one that another one makes impossible is unknown."""
        if self.database is None:
            return None
        passed = {
            "database": self.database == "reachable",
            "schema": self.schema_state and self.schema_state in ("current", "newer"),
            "signing_key": self.signing_key and self.signing_key == "active",
        }
        return {
            name: "unknown" if good is None else "pass" if good else "fail"
            for name, good in passed.items()
        }


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", operation_id="get_liveness", summary="Is the process alive")
async def healthz() -> Liveness:
    """Whether the process answers; says nothing about the database."""
    return Liveness()


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Is it ready for traffic",
    response_model=Health,
    responses={503: {"model": Health, "description": "Not ready for traffic."}},
)
async def readyz(server: CurrentServer) -> JSONResponse:
    """Whether the database responds, its schema is new enough and a signing key is active.

    The status is ``starting`` while requests are not answered yet, and ``stopping`` when they will
    not be answered for long.
    """
    health = await _look(server)
    if server.phase != "serving":
        health = health.model_copy(update={"status": server.phase})
    ready = health.status == "ready"
    return JSONResponse(health.model_dump(exclude_none=True), 200 if ready else 503)


async def _look(server: Server) -> Health:
    try:
        async with asyncio.timeout(PATIENCE):
            return await _look_patiently(server)
    except (SQLAlchemyError, OSError):
        return Health(status="unready", database="unreachable")


async def _look_patiently(server: Server) -> Health:
    async with server.database.read() as connection:
        takes_writes = await server.database.takes_writes(connection)
        schema = await schema_state(connection)
    if not takes_writes:
        await server.database.close()  # new connections may find another primary
        return Health(status="unready", database="read-only")
    health = Health(status="unready", database="reachable", schema_state=schema)
    if schema in ("missing", "older"):
        return health
    try:
        await server.keys.signing(server.settings.access_token_alg)
    except (NoSigningKeyError, UndecryptableError):
        return health.model_copy(update={"signing_key": "missing"})
    return health.model_copy(update={"status": "ready", "signing_key": "active"})
