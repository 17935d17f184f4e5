"""The applications that ours is measured against: ``… hello fastapi|starlette|tutorial PORT``."""

import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordRequestForm
from passlib.hash import argon2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from app.log import log_config

PASSWORD = "alice-in-wonderland"


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


def tutorial() -> ASGIApp:
    """A login as FastAPI's tutorial has it: a dictionary of users, passlib's defaults, HS256."""
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})
    stored = argon2.hash(PASSWORD)  # type: ignore[no-untyped-call]
    key = secrets.token_hex(32)

    @app.post("/token")
    async def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
        if not argon2.verify(form.password, stored):  # type: ignore[no-untyped-call]
            raise HTTPException(401)
        expires = datetime.now(UTC) + timedelta(minutes=30)
        token = jwt.encode({"sub": form.username, "exp": expires}, key, "HS256")
        return {"access_token": token, "token_type": "bearer"}

    return app


APPLICATIONS = {"fastapi": with_fastapi, "starlette": with_starlette, "tutorial": tutorial}


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
