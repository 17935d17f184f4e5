"""The bare applications that routes are measured against: ``… hello fastapi|starlette PORT``."""

import sys

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from app.log import log_config


def with_fastapi() -> ASGIApp:
    """One ``async def`` route that does nothing."""
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


def with_starlette() -> ASGIApp:
    """The same in the framework below."""

    async def hello(_request: Request) -> JSONResponse:
        return JSONResponse({"hello": "world"})

    return Starlette(routes=[Route("/", hello)])


APPLICATIONS = {"fastapi": with_fastapi, "starlette": with_starlette}


if __name__ == "__main__":
    # As `latchkey serve --no-access-log` does it.
    uvicorn.run(
        APPLICATIONS[sys.argv[1]](),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        proxy_headers=True,
        server_header=False,
        log_config=log_config("json", access_log=False),
    )
