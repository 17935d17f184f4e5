"""Behind a proxy under a prefix, whether or not the proxy takes it away."""

from typing import cast

import httpx2
import pytest
from fastapi import FastAPI
from uvicorn._types import ASGI3Application

from app.web.prefix import AtRoot


@pytest.mark.parametrize("arrives", ["/token", "/auth/token"])
async def test_a_request_is_answered_with_its_prefix_and_without(
    app: FastAPI, http: httpx2.AsyncClient, arrives: str
) -> None:
    prefixed = AtRoot(cast(ASGI3Application, app))
    transport = httpx2.ASGITransport(prefixed, root_path="/auth")  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
        # uvicorn and others put the root path in front of what arrives.
        response = await client.post(f"/auth{arrives}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_path_that_only_begins_like_the_prefix_is_left_alone(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    prefixed = AtRoot(cast(ASGI3Application, app))
    transport = httpx2.ASGITransport(prefixed, root_path="/heal")  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
        assert (await client.get("/healthz")).status_code == 200
