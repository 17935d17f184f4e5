"""A FastAPI resource server that verifies access tokens itself, with the keys of the issuer.

    pip install -r requirements.txt
    ISSUER=http://127.0.0.1:8000 uvicorn main:app --port 8001

No request goes to the authorization server, except for its keys now and then; so a token that was
revoked is taken until it expires (15 minutes). Where that is too long, see fastapi_introspection.
"""

import os
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
# Where this process finds the issuer, if that is not where browsers do, as among containers.
JWKS_URL = os.environ.get("JWKS_URL", f"{ISSUER}/.well-known/jwks.json")
ALGORITHMS = ["ES256", "RS256", "EdDSA"]

keys = jwt.PyJWKClient(JWKS_URL, lifespan=300)  # asked anew for a key that it does not know
bearer = OAuth2PasswordBearer(
    tokenUrl=f"{ISSUER}/token", scopes={"orders:read": "Read your orders"}, auto_error=False
)

Claims = dict[str, Any]


def unauthorized(error: str, status: int = 401, scope: str = "") -> HTTPException:
    """What RFC 6750, section 3, says to answer."""
    parts = [
        'realm="orders"',
        f'error="{error}"' if error else "",
        f'scope="{scope}"' * bool(scope),
    ]
    challenge = "Bearer " + ", ".join(filter(None, parts))
    return HTTPException(status, error or None, {"WWW-Authenticate": challenge})


def current_claims(
    required: SecurityScopes, token: Annotated[str | None, Depends(bearer)]
) -> Claims:
    """The claims of a good access token (RFC 9068, section 4) that has the scopes."""
    if token is None:
        raise unauthorized("")
    try:
        if jwt.get_unverified_header(token).get("typ", "").lower() != "at+jwt":
            raise jwt.InvalidTokenError  # an ID token is for its client, and opens nothing here
        claims: Claims = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=ALGORITHMS,
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503, "the keys of the issuer cannot be reached") from None
    except jwt.PyJWTError:
        raise unauthorized("invalid_token") from None
    if not set(claims.get("scope", "").split()).issuperset(required.scopes):
        raise unauthorized("insufficient_scope", 403, required.scope_str)
    return claims


app = FastAPI(title="Orders")


@app.get("/orders")
def orders(claims: Annotated[Claims, Security(current_claims, scopes=["orders:read"])]) -> Claims:
    """The orders of whoever asks: ``sub`` is the id of a user, or of a client for itself."""
    return {"subject": claims["sub"], "orders": ["a book", "a pen"]}
