"""The grants of ``POST /token``, one file each. To add one, write its file and list it here."""

from collections.abc import Mapping

from app.identity.grant_types import offer_grants
from app.oauth2.grant import Grant
from app.oauth2.grants import authorization_code, client_credentials, password, refresh_token
from app.posture import LegacyFeature, permits
from app.settings import Settings

GRANTS = (
    password.STRICT,
    refresh_token.GRANT,
    client_credentials.GRANT,
    authorization_code.GRANT,
)

offer_grants(grant.grant_type for grant in GRANTS)


def supported_grants(settings: Settings) -> Mapping[str, Grant]:
    """The grants of this deployment by their ``grant_type``.

    OAuth 2.1 has no password grant, so the posture ``oauth21`` has none either.
    """
    grants = {grant.grant_type: grant for grant in GRANTS}
    if not permits(settings.posture, LegacyFeature.PASSWORD_GRANT):
        del grants["password"]
    elif not settings.strict_password_form:
        grants["password"] = password.LAX  # FastAPI's other form
    return grants
