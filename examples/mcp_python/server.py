"""An MCP server with the Python SDK, which takes the issuer's tokens for itself and no others.

pip install -r requirements.txt
ISSUER=http://127.0.0.1:8000 RESOURCE=http://127.0.0.1:8001/mcp python server.py
"""

import asyncio
import os
from urllib.parse import urlsplit

import jwt
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
RESOURCE = os.environ.get("RESOURCE", "http://127.0.0.1:8001/mcp")
SCOPE = os.environ.get("SCOPE", "mcp:tools")

KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json")


class IssuersTokens(TokenVerifier):
    """Access tokens of the issuer (RFC 9068, section 4)."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """What the token says, or None."""
        try:
            # Reading the keys blocks, at the first token and when there is a new key.
            key = await asyncio.to_thread(KEYS.get_signing_key_from_jwt, token)
            if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                return None  # an ID token is for its client
            claims = jwt.decode(
                token,
                key.key,
                algorithms=["ES256", "RS256", "EdDSA"],
                issuer=ISSUER,
                audience=RESOURCE,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=RESOURCE,
            subject=claims["sub"],
            claims=claims,
        )


server = MCPServer(
    "notes",
    token_verifier=IssuersTokens(),
    auth=AuthSettings(
        # As text: AnyHttpUrl(ISSUER) adds a slash, and an issuer is compared as it is written.
        issuer_url=ISSUER,
        resource_server_url=RESOURCE,
        required_scopes=[SCOPE],
        validate_token_resource=True,
    ),
)


@server.tool()
def whoami() -> str:
    """The id of the user who is logged in."""
    token = get_access_token()
    return "" if token is None else str(token.subject)


if __name__ == "__main__":
    where = urlsplit(RESOURCE)
    server.run(
        "streamable-http",
        host="127.0.0.1",
        port=where.port or 8001,
        streamable_http_path=where.path,
    )
