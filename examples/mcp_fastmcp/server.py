"""An MCP server with fastmcp, which takes the issuer's tokens for itself and no others.

pip install -r requirements.txt
ISSUER=http://127.0.0.1:8000 RESOURCE=http://127.0.0.1:8001/mcp python server.py
"""

import os
from urllib.parse import urlsplit

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8001/mcp")
SCOPE = os.environ.get("SCOPE", "mcp:tools")

WHERE = urlsplit(RESOURCE)

server = FastMCP(
    "notes",
    auth=RemoteAuthProvider(
        token_verifier=JWTVerifier(
            jwks_uri=f"{ISSUER}/.well-known/jwks.json",
            issuer=ISSUER,
            audience=RESOURCE,
            algorithm="ES256",  # LATCHKEY_ACCESS_TOKEN_ALG; fastmcp's own default is RS256
            required_scopes=[SCOPE],
        ),
        # Not as AnyHttpUrl(ISSUER), which adds a slash: an issuer is compared as it is written.
        authorization_servers=[ISSUER],
        base_url=f"{WHERE.scheme}://{WHERE.netloc}",
    ),
)


@server.tool
def whoami() -> str:
    """The id of the user who is logged in."""
    token = get_access_token()
    return "" if token is None else str(token.claims["sub"])


if __name__ == "__main__":
    server.run("http", host="127.0.0.1", port=WHERE.port or 8001, path=WHERE.path)
