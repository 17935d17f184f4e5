"""Somebody else's API, which takes the access tokens of this server and has ``login_docs``."""

from typing import Annotated

import httpx2
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import OAuth2AuthorizationCodeBearer, OAuth2PasswordBearer

from app.pages.login_docs import login_docs

CLIENT = "shop-api-docs"


HOSTILE = """<img src="x" onerror="window.owned = 1"> <svg onload="window.owned = 1"></svg>
<script>window.owned = 1</script> <img src="https://evil.example/pixel">
<a href="javascript:window.owned = 1">here</a> [there](javascript:window.owned=1)"""

HOSTILE_PATH = "/it's$(touch owned)"
"""A path that would end the quotes of a shell, and begin a command."""


def hostile_shop(issuer: str) -> FastAPI:
    """An API whose every text was written by somebody who means harm."""
    tags = [{"name": HOSTILE, "description": HOSTILE}]
    app = FastAPI(title=HOSTILE, description=HOSTILE, openapi_tags=tags)
    password = OAuth2PasswordBearer(
        tokenUrl=f"{issuer}/token",
        scopes={"openid": HOSTILE, HOSTILE: HOSTILE},
        description=HOSTILE,
    )

    @app.get(
        HOSTILE_PATH,
        tags=[HOSTILE],
        summary=HOSTILE,
        description=HOSTILE,
        response_description=HOSTILE,
    )
    async def route(_token: Annotated[str, Security(password, scopes=[HOSTILE])]) -> str:
        return HOSTILE

    login_docs(app, issuer=issuer, client_id=CLIENT)
    return app


def shop(issuer: str) -> FastAPI:
    """An API with one route, behind two schemes of the issuer in turn."""
    app = FastAPI(title="Shop")
    password = OAuth2PasswordBearer(
        tokenUrl=f"{issuer}/token",
        scopes={"openid": "Log in", "profile": "See your user name"},
        auto_error=False,
    )
    code = OAuth2AuthorizationCodeBearer(
        authorizationUrl=f"{issuer}/authorize",
        tokenUrl=f"{issuer}/token",
        scopes={"openid": "Log in", "profile": "See your user name"},
        auto_error=False,
    )

    @app.get("/orders", tags=["orders"], operation_id="orders")
    async def orders(
        token: Annotated[str | None, Depends(password)],
        _same: Annotated[str | None, Depends(code)],
    ) -> dict[str, str]:
        async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.get(f"{issuer}/userinfo", headers=headers)
        if answer.status_code != 200:
            raise HTTPException(401)
        return {"of": answer.json()["preferred_username"]}

    login_docs(app, issuer=issuer, client_id=CLIENT)
    return app
