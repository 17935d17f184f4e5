"""ID tokens that come back as a hint: OpenID Connect Core 1.0, section 3.1.2.1."""

from app.security import jwt
from app.server import Server
from app.tokens.id_tokens import TYP


async def read_hint(server: Server, token: str) -> tuple[str, str] | None:
    """The ``sub`` and ``aud`` of an ID token of ours, expired or not; None for anything else.

    A hint says whom the client means; it proves nothing about who is there.
    """
    try:
        verified = jwt.verify(
            token,
            await server.keys.hinting(),
            typ=TYP,
            issuer=server.settings.issuer,
            audience=None,
            required=("iss", "sub", "aud", "exp", "iat", "auth_time"),
        )
    except jwt.InvalidTokenError:
        return None
    return str(verified.claims["sub"]), str(verified.claims["aud"])
