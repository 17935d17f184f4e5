"""An API whose tests run against a real authorization server: see ../tests.

pip install -r requirements.txt
pytest                                                      # its tests
ISSUER=http://127.0.0.1:8000 uvicorn app.main:app --port 8001
"""

import os
from collections.abc import Callable
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

Claims = dict[str, Any]

AUDIENCE = "https://orders.example.com"


def claims_from(issuer: str, cooldown: float) -> Callable[..., Claims]:
    """A dependency: the claims of a good access token of that issuer (RFC 9068, section 4)."""
    keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=2, cooldown_duration=cooldown)
    bearer = HTTPBearer()

    def current_claims(
        required: SecurityScopes,
        credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
    ) -> Claims:
        token = credentials.credentials
        try:
            claims: Claims = jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token),
                algorithms=["ES256", "RS256", "EdDSA"],
                issuer=issuer,
                audience=AUDIENCE,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWKClientConnectionError:
            raise HTTPException(503, "The keys of the issuer cannot be reached.") from None
        except jwt.PyJWTError:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "invalid_token", challenge) from None
        if not set(claims.get("scope", "").split()).issuperset(required.scopes):
            raise HTTPException(403, "insufficient_scope")
        return claims

    return current_claims


def create_app(issuer: str, cooldown: float = 30) -> FastAPI:
    """The API, for tokens of that issuer, whose keys are asked for anew after so many seconds."""
    app = FastAPI(title="Orders")
    current_claims = claims_from(issuer, cooldown)

    @app.get("/orders")
    def orders(
        claims: Annotated[Claims, Security(current_claims, scopes=["orders:read"])],
    ) -> Claims:
        return {"of": claims["sub"], "orders": ["a book", "a pen"]}

    return app


app = create_app(os.environ.get("ISSUER", "http://127.0.0.1:8000"))
