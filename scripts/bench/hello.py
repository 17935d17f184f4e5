"""The bare FastAPI application that routes are measured against: ``… hello PORT``."""

import sys

import uvicorn
from fastapi import FastAPI

from app.log import log_config


def create_app() -> FastAPI:
    """One ``async def`` route that does nothing."""
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


if __name__ == "__main__":
    # As `latchkey serve --no-access-log` does it.
    uvicorn.run(
        create_app(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        proxy_headers=True,
        server_header=False,
        log_config=log_config("json", access_log=False),
    )
