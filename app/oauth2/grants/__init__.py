"""The grants of ``POST /token``, one file each. To add one, write its file and list it here."""

from collections.abc import Mapping

from app.oauth2.grant import Grant
from app.oauth2.grants import authorization_code, client_credentials, password, refresh_token
from app.settings import Settings

GRANTS: Mapping[str, Grant] = {
    grant.grant_type: grant
    for grant in [
        password.GRANT,
        refresh_token.GRANT,
        client_credentials.GRANT,
        authorization_code.GRANT,
    ]
}


def supported_grants(settings: Settings) -> Mapping[str, Grant]:
    """The grants that this deployment's posture permits (OAuth 2.1 has no password grant)."""
    if settings.posture == "oauth21":
        return {name: grant for name, grant in GRANTS.items() if name != "password"}
    return GRANTS
